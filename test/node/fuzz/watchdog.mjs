/**
 * Ends the process of a test in which one input took too long: a loop without end leaves no turn in which the test could
 * say so itself. `beats[0]` counts inputs; `beats[1]` is 1 while one is being read.
 */
import { writeSync } from "node:fs";
import { workerData } from "node:worker_threads";

/** @type {{ beats: Int32Array, name: string, seconds: number }} */
const { beats, name, seconds } = workerData;

for (let last = Atomics.load(beats, 0); ; last = Atomics.load(beats, 0)) {
  Atomics.wait(beats, 0, last, seconds * 1000);
  if (Atomics.load(beats, 0) !== last || Atomics.load(beats, 1) === 0) continue;
  writeSync(2, `fuzz ${name}: input ${last} took more than ${seconds} seconds, the process is ended\n`);
  process.kill(process.pid, "SIGKILL");
}
