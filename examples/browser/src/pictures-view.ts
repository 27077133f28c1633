/** The part of the page that chooses pictures, and shows some of them as training does. */
import { type Activity, activity, refreshControls, usableDuring, usableWhen } from "./activity.js";
import { hideAlert, showAlert } from "./alert.js";
import { byId, h, setText } from "./dom.js";
import { Gallery } from "./gallery.js";
import { NOISE_LEVELS, noisedPictures } from "./noised.js";
import { loadPictures, type PictureChoice, type PictureFormat } from "./picture-choice.js";
import type { Session } from "./session.js";

const ROWS = 2;
/** A run has its pictures from its beginning. */
const CHANGEABLE: readonly Activity[] = ["idle", "painting"];

export class PicturesView {
  readonly #session: Session;
  readonly #form = byId("picture-form", HTMLFormElement);
  readonly #files = byId("own-files", HTMLInputElement);
  readonly #gallery = new Gallery(byId("noised", HTMLDivElement));
  readonly #radios = this.#form.elements.namedItem("pictures") as RadioNodeList;
  #own: readonly File[] = [];
  #format: PictureFormat = { channels: 3, height: 32, width: 32 };
  /** Counts what was asked to be shown: only the last of it is. */
  #asked = 0;

  constructor(session: Session) {
    this.#session = session;
    this.#form.addEventListener("change", (event) => {
      if (event.target !== this.#files) void this.#show();
    });
    this.#files.addEventListener("change", () => {
      const files = [...(this.#files.files ?? [])];
      this.#files.value = "";
      if (files.length > 0) void this.take(files);
    });
    this.#takeDrops();
    const [butterflies, own] = this.#radios as unknown as [HTMLInputElement, HTMLInputElement];
    usableDuring(CHANGEABLE, butterflies, this.#files);
    usableWhen(() => CHANGEABLE.includes(activity()) && this.#own.length > 0, own);
    byId("noised", HTMLDivElement).style.setProperty("--levels", String(NOISE_LEVELS.length));
  }

  get choice(): PictureChoice {
    return this.#radios.value === "own" ? this.#own : "butterflies";
  }

  /** What the chosen model learns from. */
  async setFormat(format: PictureFormat): Promise<void> {
    if (JSON.stringify(format) === JSON.stringify(this.#format) && this.#asked > 0) return;
    this.#format = format;
    await this.#show();
  }

  /** Own pictures, in place of those before. */
  async take(files: readonly File[]): Promise<void> {
    const before = { own: this.#own, chosen: this.#radios.value };
    this.#own = files;
    this.#radios.value = "own";
    if (await this.#show()) return;
    this.#own = before.own;
    this.#radios.value = before.chosen;
    refreshControls();
  }

  /** Anywhere on the page: a browser opens what is dropped beside its place. */
  #takeDrops(): void {
    const card = byId("pictures", HTMLElement);
    addEventListener("dragover", (event) => {
      event.preventDefault();
      card.classList.add("target");
    });
    addEventListener("dragleave", (event) => {
      if (event.relatedTarget === null) card.classList.remove("target");
    });
    addEventListener("drop", (event) => {
      event.preventDefault();
      card.classList.remove("target");
      if (event.dataTransfer && CHANGEABLE.includes(activity())) this.#takeDropped(event.dataTransfer);
    });
  }

  #takeDropped({ files, items }: DataTransfer): void {
    const folder = [...items].map((item) => item.webkitGetAsEntry()).find((entry) => entry?.isDirectory);
    if (folder) showAlert(`${folder.name} is a folder. Please drop the pictures that are in it.`);
    else if (files.length > 0) void this.take([...files]);
  }

  /** @returns Whether the pictures can be used. */
  async #show(): Promise<boolean> {
    const asked = ++this.#asked;
    const { api, model } = this.#session;
    const { choice } = this;
    hideAlert();
    try {
      const { dataset, count, problems } = await loadPictures(api, choice, this.#format, ROWS);
      const images = await noisedPictures(api, dataset, model.scheduler, Math.min(ROWS, count));
      dataset.dispose();
      if (asked !== this.#asked) return true;
      this.#gallery.show(images, `${Math.min(ROWS, count)} of the pictures, each with more and more noise`);
      this.#tell(choice, count, problems);
      return true;
    } catch (error) {
      showAlert(error, "Reading the pictures");
      return false;
    }
  }

  #tell(choice: PictureChoice, count: number, problems: readonly string[]): void {
    const { width, height } = this.#format;
    const number = choice === "butterflies" ? "1000 butterflies" : `${count} ${count === 1 ? "picture" : "pictures"}`;
    setText(byId("picture-count", HTMLParagraphElement), `${number}, at ${width} × ${height}`);
    if (choice !== "butterflies") setText(byId("own-count", HTMLElement), String(count));
    const leftOut = byId("left-out", HTMLDivElement);
    leftOut.hidden = problems.length === 0;
    const files = problems.length === 1 ? "1 file was" : `${problems.length} files were`;
    leftOut.replaceChildren(
      h("p", {}, `${files} left out:`),
      h("ul", {}, ...problems.map((problem) => h("li", {}, problem))),
    );
    refreshControls();
  }
}
