/** The WebAssembly module computes on the thread that calls it: pages must get a turn between calls, and aborts be heard. */

/** Half a frame at 60 frames a second. */
const TURN_MS = 8;

let began = 0;

/** Resolves at once, or, when other work has waited for a while, after it had its turn. */
export function takeTurns(): Promise<void> | undefined {
  if (performance.now() - began < TURN_MS) return undefined;
  return new Promise((resolve) => {
    // Not a timer: browsers hold those back, in tabs that are not seen by a second.
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      began = performance.now();
      resolve();
    };
    port2.postMessage(undefined);
  });
}
