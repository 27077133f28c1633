/**
 * The bodies of answers. Not by `for await` or `text()`: where a signal aborts after the last byte came and before the
 * end was read, those of Node 20 wait for ever.
 */
import { connectionFailure } from "./retries.js";

/** @throws `TransientFailure` where the connection breaks. */
export async function* chunksOf({ body }: Response, signal: AbortSignal): AsyncGenerator<Uint8Array, void, void> {
  if (!body) return;
  const reader = body.getReader();
  let stop = (_reason: unknown): void => undefined;
  const onAbort = (): void => stop(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  const read = (): ReturnType<typeof reader.read> =>
    new Promise((resolve, reject) => {
      stop = reject;
      reader.read().then(resolve, (error) => reject(connectionFailure(error)));
    });
  try {
    for (;;) {
      signal.throwIfAborted();
      const { done, value } = await read();
      if (done) return;
      yield value;
    }
  } finally {
    signal.removeEventListener("abort", onAbort);
    // Not waited for, as it would not end either; what was read is all that is wanted.
    reader.cancel().catch(() => undefined);
  }
}

export async function textOf(response: Response, signal: AbortSignal): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of chunksOf(response, signal)) chunks.push(chunk);
  const decoder = new TextDecoder();
  return chunks.map((chunk) => decoder.decode(chunk, { stream: true })).join("") + decoder.decode();
}
