/**
 * Ends the process of a test in which one input takes too long: a loop without end leaves no turn in which the test could
 * say so itself. `beats[0]` counts inputs; `beats[1]` is 1 while one is being read. Time is the process's own, as a busy
 * machine may leave it without any.
 */
import { writeSync } from "node:fs";
import { workerData } from "node:worker_threads";

/** @type {{ beats: Int32Array, name: string, seconds: number }} */
const { beats, name, seconds } = workerData;
const never = new Int32Array(new SharedArrayBuffer(4));

let last = -1;
let since = process.cpuUsage();
for (;;) {
  Atomics.wait(never, 0, 0, 1000);
  const now = Atomics.load(beats, 0);
  if (now !== last || Atomics.load(beats, 1) === 0) {
    [last, since] = [now, process.cpuUsage()];
    continue;
  }
  const { user, system } = process.cpuUsage(since);
  if (user + system < seconds * 1e6) continue;
  writeSync(2, `fuzz ${name}: input ${now} took more than ${seconds} seconds, the process is ended\n`);
  process.kill(process.pid, "SIGKILL");
}
