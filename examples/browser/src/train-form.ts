/** What is to be trained: a preset, and the numbers that go with it. */
import { usableDuring } from "./activity.js";
import { byId, h } from "./dom.js";
import { formatOf, type PictureChoice, type PictureFormat } from "./picture-choice.js";
import { NOISE_SCHEDULE, PRESETS, type Preset } from "./presets.js";
import type { Session } from "./session.js";
import type { TrainingPlan } from "./training-plan.js";

const NUMBERS = [
  ["steps", "steps"],
  ["sample-every", "sampleEvery"],
  ["batch-size", "batchSize"],
  ["learning-rate", "learningRate"],
] as const;

export class TrainForm {
  readonly #session: Session;
  readonly #host = byId("presets", HTMLFieldSetElement);
  #preset: Preset = PRESETS[0] as Preset;

  constructor(session: Session, onFormat: (format: PictureFormat) => void) {
    this.#session = session;
    this.#host.append(...PRESETS.map((preset) => this.#option(preset)));
    this.#host.addEventListener("change", (event) => {
      const { value } = event.target as HTMLInputElement;
      this.#preset = PRESETS.find(({ id }) => id === value) as Preset;
      this.#fill();
      onFormat(this.format);
    });
    session.onModel(() => {
      if (!this.#preset.model) onFormat(this.format);
    });
    usableDuring(["idle", "painting"], this.#host, ...NUMBERS.map(([id]) => byId(id, HTMLInputElement)));
    this.#fill();
    onFormat(this.format);
  }

  get format(): PictureFormat {
    return this.#preset.model ? formatOf(this.#preset.model) : this.#session.model.format;
  }

  /** Whether the model that the page has is to learn more. */
  get goesOn(): boolean {
    return this.#preset.model === undefined;
  }

  async plan(choice: PictureChoice): Promise<TrainingPlan> {
    const { unet, scheduler } = this.#session.model;
    const { model } = this.#preset;
    const [steps, sampleEvery, batchSize, learningRate] = NUMBERS.map(
      ([id]) => byId(id, HTMLInputElement).valueAsNumber,
    );
    return {
      name: "Your model",
      ...(choice !== "butterflies" && { pictures: choice.map((file) => file.name) }),
      unet: model ?? (await unet.config),
      scheduler: model ? NOISE_SCHEDULE : await this.#scheduleOfModel(scheduler),
      ...({ steps, sampleEvery, batchSize, learningRate } as Pick<TrainingPlan, (typeof NUMBERS)[number][1]>),
    };
  }

  /** Whatever it paints with, it learns with the same noise. */
  async #scheduleOfModel(scheduler: Session["model"]["scheduler"]): Promise<TrainingPlan["scheduler"]> {
    return (await this.#session.api.DDPMScheduler.fromConfig(scheduler)).config;
  }

  #option({ id, title, detail }: Preset): HTMLElement {
    const radio = h("input", { type: "radio", name: "preset", value: id, checked: id === this.#preset.id });
    return h("label", { class: "option" }, radio, h("span", {}, h("b", {}, title), ` ${detail}`));
  }

  #fill(): void {
    for (const [id, key] of NUMBERS) byId(id, HTMLInputElement).value = String(this.#preset[key]);
  }
}
