/** Ctrl-C, `kill`, a terminal that is closed: the first asks for a clean stop, the second ends the process. */
import { ignoresHangUp } from "./nohup.js";

/** One key press may arrive twice: from the terminal, and handed on by npm. */
const SAME_KEY_PRESS_MS = 300;

const EXIT_CODES = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;

type StopSignal = keyof typeof EXIT_CODES;

/** Listens from construction until disposed. */
export class Interrupt {
  readonly #controller = new AbortController();
  readonly #listeners: readonly (readonly [signal: StopSignal, listener: (signal: StopSignal) => void])[];
  #requestedAt = 0;

  constructor() {
    // Node takes an ignored SIGHUP for one that ends it, unless somebody listens.
    const hangUp = ignoresHangUp() ? () => undefined : this.#receive;
    this.#listeners = [
      ["SIGINT", this.#receive],
      ["SIGTERM", this.#receive],
      ["SIGHUP", hangUp],
    ];
    for (const [signal, listener] of this.#listeners) process.on(signal, listener);
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
    for (const [signal, listener] of this.#listeners) process.off(signal, listener);
  }

  readonly #receive = (signal: StopSignal): void => {
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
