/** Ctrl-C: the first asks for a clean stop, the second ends the process. */

/** One key press may arrive twice: from the terminal, and handed on by npm. */
const SAME_KEY_PRESS_MS = 300;

const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const;

/** Listens from construction until disposed. */
export class Interrupt {
  readonly #controller = new AbortController();
  #requestedAt = 0;

  constructor() {
    process.on("SIGINT", this.#receive);
    process.on("SIGTERM", this.#receive);
  }

  /** True from the first Ctrl-C on. */
  get requested(): boolean {
    return this.#controller.signal.aborted;
  }

  /** Work that the first Ctrl-C cuts short: then the result is `undefined`. */
  async untilRequested<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T | undefined> {
    if (this.requested) return undefined;
    try {
      return await work(this.#controller.signal);
    } catch (error) {
      if (error === this.#controller.signal.reason) return undefined;
      throw error;
    }
  }

  [Symbol.dispose](): void {
    process.off("SIGINT", this.#receive);
    process.off("SIGTERM", this.#receive);
  }

  readonly #receive = (signal: keyof typeof EXIT_CODES): void => {
    const now = performance.now();
    if (!this.requested) {
      this.#requestedAt = now;
      process.stderr.write("\nstopping after this step; Ctrl-C again exits at once\n");
      this.#controller.abort();
    } else if (now - this.#requestedAt > SAME_KEY_PRESS_MS) {
      process.exit(EXIT_CODES[signal]);
    }
  };
}
