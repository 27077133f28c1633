/** `Ours` in a worker: steps are timed there, and one question is asked at a time. */
export class OursInWorker {
  #worker;

  static async start() {
    const side = new OursInWorker();
    side.#worker = new Worker(new URL("ours-worker.mjs", import.meta.url), { type: "module" });
    await side.#answer();
    return side;
  }

  prepare(testCase) {
    return this.#ask("prepare", testCase);
  }

  step() {
    return this.#ask("step");
  }

  parameters() {
    return this.#ask("parameters");
  }

  countParameters() {
    return this.#ask("countParameters");
  }

  forward(sample, timesteps) {
    return this.#ask("forward", sample, timesteps);
  }

  gradients(sample, timesteps, target) {
    return this.#ask("gradients", sample, timesteps, target);
  }

  dispose() {
    return this.#ask("dispose");
  }

  #ask(action, ...args) {
    this.#worker.postMessage({ action, args });
    return this.#answer();
  }

  #answer() {
    return new Promise((resolve, reject) => {
      this.#worker.onmessage = ({ data: { value, error } }) => (error ? reject(new Error(error)) : resolve(value));
      this.#worker.onerror = ({ message }) => reject(new Error(message));
    });
  }
}
