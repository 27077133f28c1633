/** Trying again what failed for a moment: a cut connection, a busy server. */
import { EmberwingError } from "../../errors.js";

/** What a request gets, unless it is known to be in vain. */
export const ATTEMPTS = 5;
const FIRST_DELAY_MS = 250;
const LONGEST_DELAY_MS = 60_000;

/** A failure that may be gone in a moment. */
export class TransientFailure extends Error {
  /** How long the server asks to be left alone. */
  readonly retryAfterMs: number | undefined;

  constructor(message: string, options: ErrorOptions & { retryAfterMs?: number | undefined } = {}) {
    super(message, options);
    this.retryAfterMs = options.retryAfterMs;
  }
}

/** What `fetch` and its bodies throw says "fetch failed" or "terminated", and only its cause says why. */
export function connectionFailure(error: unknown): TransientFailure {
  const cause = (error as Error).cause as { code?: string; message?: string } | undefined;
  const reason = cause?.code ?? cause?.message ?? (error as Error).message;
  return new TransientFailure(`the connection failed (${reason})`, { cause: error });
}

/** All attempts failed: what is in the cache is all there is. */
export class HubUnreachable extends EmberwingError {
  constructor(message: string, options: ErrorOptions) {
    super("Network", message, options);
  }
}

/**
 * Calls `attempt` until it works, at most `attempts` times, with growing pauses or those that the server asks for. Only
 * a `TransientFailure` is tried again.
 *
 * @param what Starts the message, such as `hub:owner/name`.
 * @throws `Network` after the last attempt.
 */
export async function withRetries<T>(
  what: string,
  { attempts, signal }: { attempts: number; signal: AbortSignal | undefined },
  attempt: () => Promise<T>,
): Promise<T> {
  for (let tried = 1; ; tried++) {
    signal?.throwIfAborted();
    try {
      return await attempt();
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof TransientFailure)) throw error;
      const delay = delayAfter(error, tried);
      if (tried >= attempts || delay > LONGEST_DELAY_MS) throw givenUp(what, error, tried, delay);
      await pause(delay, signal);
    }
  }
}

export async function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  signal?.throwIfAborted();
  let stop = (): void => undefined;
  try {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      stop = () => {
        clearTimeout(timer);
        resolve();
      };
      signal?.addEventListener("abort", stop);
    });
  } finally {
    signal?.removeEventListener("abort", stop);
  }
  signal?.throwIfAborted();
}

function delayAfter({ retryAfterMs }: TransientFailure, tried: number): number {
  // Spread, so that many clients of a server that came back do not all return at once.
  return retryAfterMs ?? FIRST_DELAY_MS * 2 ** (tried - 1) * (1 + Math.random() / 4);
}

function givenUp(what: string, error: TransientFailure, tried: number, delay: number): HubUnreachable {
  const advice =
    delay > LONGEST_DELAY_MS
      ? `it asks to wait ${Math.ceil(delay / 1000)} seconds: try again then`
      : `tried ${tried === 1 ? "once" : `${tried} times`}: check the network, or try again later`;
  return new HubUnreachable(`${what}: ${error.message}; ${advice}`, { cause: error });
}
