/**
 * The bodies of answers. Not by `for await` or `text()`: where a signal aborts after the last byte came and before the
 * end was read, those of Node 20 wait for ever.
 */
import { EmberwingError } from "../../errors.js";
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

/** Longer than any list of files; an answer without an end must not fill the memory. */
const LONGEST_TEXT = 2 ** 26;

/** @throws `Network` where it is too long. */
export async function textOf(response: Response, signal: AbortSignal): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of chunksOf(response, signal)) {
    length += chunk.length;
    if (length > LONGEST_TEXT)
      throw new EmberwingError("Network", `the server's answer is longer than ${LONGEST_TEXT} bytes`);
    chunks.push(chunk);
  }
  const decoder = new TextDecoder();
  return chunks.map((chunk) => decoder.decode(chunk, { stream: true })).join("") + decoder.decode();
}
