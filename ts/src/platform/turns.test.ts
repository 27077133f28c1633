import { expect, test } from "vitest";
import type { Core } from "../core.js";
import { enqueue, useCore } from "../engine.js";
import { takeTurns } from "./turns.js";

/** Computes in place, as the WebAssembly module does. */
async function compute(milliseconds: number): Promise<void> {
  const end = performance.now() + milliseconds;
  while (performance.now() < end);
}

test("what waits for its turn gets one between calls that compute in place", async () => {
  useCore(() => ({}) as Core, takeTurns);
  let turns = 0;
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => {
    turns++;
    port2.postMessage(undefined);
  };
  port2.onmessage = () => port1.postMessage(undefined);
  port2.postMessage(undefined);
  for (let call = 0; call < 5; call++) await enqueue(() => compute(10));
  port1.close();
  expect(turns).toBeGreaterThanOrEqual(4);
});

test("short calls wait for nobody", async () => {
  useCore(() => ({}) as Core, takeTurns);
  await enqueue(() => compute(10));
  await enqueue(() => compute(0));
  expect(takeTurns()).toBeUndefined();
});
