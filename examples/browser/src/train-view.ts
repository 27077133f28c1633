/** The part of the page that trains: buttons, numbers, loss and samples of a run. */
import { setActivity, usableDuring } from "./activity.js";
import { hideAlert, showAlert } from "./alert.js";
import { byId, setText } from "./dom.js";
import { LossChart } from "./loss-chart.js";
import type { PictureChoice } from "./picture-choice.js";
import type { PicturesView } from "./pictures-view.js";
import type { RunRecord } from "./run-store.js";
import { SamplesView } from "./samples-view.js";
import type { Session } from "./session.js";
import { Speed, timeInWords } from "./speed.js";
import { TrainForm } from "./train-form.js";
import { type TrainingNews, type TrainingRun, train } from "./training.js";
import type { TrainingPlan } from "./training-plan.js";

interface Hold {
  readonly promise: Promise<void>;
  readonly letGo: () => void;
}

export class TrainView {
  readonly #session: Session;
  readonly #pictures: PicturesView;
  readonly #onEnd: () => void;
  readonly #form: TrainForm;
  readonly #chart = new LossChart();
  readonly #samples = new SamplesView();
  readonly #train = byId("train", HTMLButtonElement);
  readonly #pause = byId("pause", HTMLButtonElement);
  readonly #stopButton = byId("stop", HTMLButtonElement);
  readonly #progress = byId("run-progress", HTMLProgressElement);
  #speed = new Speed();
  #stop: AbortController | undefined;
  /** While the run is paused: kept until it goes on. */
  #held: Hold | undefined;

  /** @param onEnd Called when a run has begun or ended: what can be gone on with is another then. */
  constructor(session: Session, pictures: PicturesView, onEnd: () => void) {
    this.#session = session;
    this.#pictures = pictures;
    this.#onEnd = onEnd;
    this.#form = new TrainForm(session, (format) => void pictures.setFormat(format));
    byId("train-form", HTMLFormElement).addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#begin();
    });
    this.#pause.addEventListener("click", () => (this.#held ? this.#goOn() : this.#hold()));
    this.#stopButton.addEventListener("click", () => {
      this.#stop?.abort();
      this.#held?.letGo();
    });
    usableDuring(["idle"], this.#train);
    usableDuring(["training", "paused"], this.#pause, this.#stopButton);
    const note = session.store
      ? "Goes on after a reload, too."
      : "This browser gives pages no place to keep a run: a reload ends it.";
    setText(byId("train-note", HTMLParagraphElement), note);
  }

  /** Goes on with what the last visit left. */
  async resume({ plan, losses }: RunRecord, pictures: PictureChoice): Promise<void> {
    await this.#run({ plan, pictures, losses });
  }

  async #begin(): Promise<void> {
    const pictures = this.#pictures.choice;
    const plan = await this.#form.plan(pictures);
    await this.#run({ plan, pictures, ...(this.#form.goesOn && { model: this.#session.model }) });
  }

  async #run(run: Omit<TrainingRun, "signal">): Promise<void> {
    const stop = new AbortController();
    this.#stop = stop;
    this.#show(run);
    try {
      for await (const news of train(this.#session, { ...run, signal: stop.signal })) {
        this.#tell(news, run.plan);
        await this.#held?.promise;
      }
      this.#say(
        stop.signal.aborted ? "Training was stopped." : "Training is done: paint to see what the model has learned.",
      );
      setText(byId("run-left", HTMLElement), stop.signal.aborted ? "–" : "0 s");
    } catch (error) {
      showAlert(error, "Training");
    } finally {
      this.#stop = undefined;
      this.#held = undefined;
      const hadFocus = [this.#pause, this.#stopButton, document.body].includes(document.activeElement as HTMLElement);
      this.#setButtons();
      setActivity("idle");
      if (hadFocus) this.#train.focus({ preventScroll: true });
      this.#onEnd();
    }
  }

  #show({ plan, losses = [] }: Omit<TrainingRun, "signal">): void {
    hideAlert();
    byId("run", HTMLDivElement).hidden = false;
    this.#speed = new Speed();
    this.#samples.clear();
    this.#chart.begin(losses, plan.steps);
    this.#progress.max = plan.steps;
    for (const id of ["run-loss", "run-speed", "run-left"]) setText(byId(id, HTMLElement), "–");
    this.#setButtons();
    setActivity("training");
    // The button that had the focus is hidden now.
    this.#pause.focus();
    this.#say("Getting the pictures ready …");
  }

  #tell(news: TrainingNews, plan: TrainingPlan): void {
    switch (news.type) {
      case "begun":
        this.#setStep(news.step, plan);
        this.#onEnd();
        this.#say(news.step === 0 ? "Training begins." : `Training goes on after step ${news.step}.`);
        break;
      case "step":
        this.#speed.noteStep(news.images, news.seconds);
        this.#chart.add({ step: news.step, loss: news.loss });
        setText(byId("run-loss", HTMLElement), news.loss.toFixed(3));
        this.#setStep(news.step, plan);
        break;
      case "samples":
        this.#speed.noteSampling(news.seconds);
        this.#samples.add(news.step, news.images);
        if (news.step > 0)
          this.#say(`Step ${news.step} of ${plan.steps}, loss ${byId("run-loss", HTMLElement).textContent}.`);
        break;
      case "warning":
        showAlert(news.message);
    }
  }

  #setStep(step: number, { steps, sampleEvery }: TrainingPlan): void {
    this.#progress.value = step;
    setText(byId("run-step", HTMLElement), `${step} of ${steps}`);
    const samplings = Math.ceil(steps / sampleEvery) - Math.floor(step / sampleEvery);
    const [speed, left] = [this.#speed.imagesPerSecond, this.#speed.secondsLeft(steps - step, samplings)];
    if (speed !== undefined) setText(byId("run-speed", HTMLElement), speed.toFixed(speed < 10 ? 1 : 0));
    if (left !== undefined) setText(byId("run-left", HTMLElement), timeInWords(left));
  }

  #hold(): void {
    let letGo = (): void => undefined;
    const promise = new Promise<void>((resolve) => {
      letGo = resolve;
    });
    this.#held = { promise, letGo };
    this.#setButtons();
    setActivity("paused");
    this.#say("Paused. The model can paint meanwhile.");
  }

  #goOn(): void {
    this.#held?.letGo();
    this.#held = undefined;
    this.#setButtons();
    setActivity("training");
    this.#say("Training goes on.");
  }

  #setButtons(): void {
    const isRunning = this.#stop !== undefined;
    this.#train.hidden = isRunning;
    this.#pause.hidden = !isRunning;
    this.#stopButton.hidden = !isRunning;
    setText(this.#pause, this.#held ? "Go on" : "Pause");
    this.#pause.classList.toggle("primary", this.#held !== undefined);
  }

  /** To those who listen: rarely, and in whole sentences. */
  #say(text: string): void {
    setText(byId("run-status", HTMLParagraphElement), text);
  }
}
