/** What the parts of the page share: the worker, the model that it paints with, and where runs are kept. */
import type { WorkerApi } from "emberwing/worker";
import type { Model } from "./model.js";
import type { RunStore } from "./run-store.js";

export class Session {
  readonly api: WorkerApi;
  readonly store: RunStore | undefined;
  device: string;
  #model: Model;
  readonly #listeners: ((model: Model) => void)[] = [];

  constructor({
    api,
    store,
    device,
    model,
  }: { api: WorkerApi; store: RunStore | undefined; device: string; model: Model }) {
    this.api = api;
    this.store = store;
    this.device = device;
    this.#model = model;
  }

  get model(): Model {
    return this.#model;
  }

  /** The one before is given back. */
  set model(next: Model) {
    const before = this.#model;
    this.#model = next;
    if (before.unet !== next.unet) void before.unet.dispose();
    for (const listener of this.#listeners) listener(next);
  }

  onModel(listener: (model: Model) => void): void {
    this.#listeners.push(listener);
    listener(this.#model);
  }
}
