/** Whether the WebAssembly module can run here, and what it means when it does not load. */
import { EmberwingError } from "../errors.js";

/** A module with one function that uses a 128-bit vector. */
const SIMD = Uint8Array.from([
  ...[0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11],
]);

/** @throws `Unsupported` in browsers without WebAssembly, or without its vectors of 128 bits. */
export function checkWebAssembly(): void {
  if (typeof WebAssembly !== "object") {
    throw new EmberwingError(
      "Unsupported",
      "there is no WebAssembly here: it is switched off, or the browser is too old",
    );
  }
  if (!WebAssembly.validate(SIMD)) {
    throw new EmberwingError(
      "Unsupported",
      "this browser has no WebAssembly SIMD: take Chrome 100, Firefox 114, Safari 16.4 or a later one",
    );
  }
}

/** What the browser said about the module, and what most often is the reason. */
export function loadingFailed(error: unknown, file: string, option: string): EmberwingError {
  const { message } = error as Error;
  const advice = /magic|doesn't start with/i.test(message)
    ? `the server answered with something else, such as a page: see that ${file} is published beside the script`
    : `see that ${file} is published beside the script, or say where it is: init({ ${option}: url })`;
  return new EmberwingError("NotInitialized", `the WebAssembly module cannot be loaded (${message}): ${advice}`, {
    cause: error,
  });
}
