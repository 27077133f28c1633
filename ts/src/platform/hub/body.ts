/**
 * The bodies of answers. Not by `for await` or `text()`: where a signal aborts after the last byte came and before the
 * end was read, those of Node 20 wait for ever.
 */
import { connectionFailure } from "./retries.js";

/** @throws `TransientFailure` where the connection breaks. */
export async function* chunksOf({ body }: Response, signal: AbortSignal): AsyncGenerator<Uint8Array, void, void> {
  if (!body) return;
  const reader = body.getReader();
  const { promise, forget } = whenAborted(signal);
  try {
    for (;;) {
      signal.throwIfAborted();
      const reading = reader.read().catch((error) => Promise.reject(connectionFailure(error)));
      const { done, value } = await Promise.race([reading, promise]);
      if (done) return;
      yield value;
    }
  } finally {
    forget();
    // Not waited for, as it would not end either; what was read is all that is wanted.
    reader.cancel().catch(() => undefined);
  }
}

export async function textOf(response: Response, signal: AbortSignal): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of chunksOf(response, signal)) chunks.push(chunk);
  return Buffer.concat(chunks).toString("utf8");
}

function whenAborted(signal: AbortSignal): { promise: Promise<never>; forget: () => void } {
  let forget = (): void => undefined;
  const promise = new Promise<never>((_, reject) => {
    const onAbort = (): void => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    forget = () => signal.removeEventListener("abort", onAbort);
  });
  promise.catch(() => undefined); // Heard in the race, or nobody waits any more.
  return { promise, forget };
}
