/** The ways to measure a case: each gives a list of numbers a side, taken in turns. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as pause } from "node:timers/promises";
import { Child } from "./child.mjs";

/** OpenMP's threads spin for some milliseconds after their work and would slow the next side. */
const SETTLE_MS = 20;

/** Seconds of each step: one of every side, then the next round. */
function steps(testCase, sides, rounds, warmUp) {
  return withWorkers(testCase, sides, async (workers) => {
    const samples = sides.map(() => []);
    for (let round = -warmUp; round < rounds; round++) {
      for (const [index, worker] of workers.entries()) {
        await pause(SETTLE_MS);
        const { seconds } = await worker.ask({ action: "step" });
        if (round >= 0) samples[index].push(seconds);
      }
    }
    return samples;
  });
}

/** Bytes of each process at its largest, after `rounds` steps. */
async function peakMemory(testCase, sides, rounds) {
  const samples = [];
  for (const side of sides) {
    samples.push(
      await withWorkers(testCase, [side], async ([worker]) => {
        for (let round = 0; round < rounds; round++) await worker.ask({ action: "step" });
        return [(await worker.ask({ action: "memory" })).bytes];
      }),
    );
  }
  return samples;
}

/** Seconds from the start of a process to its end. */
async function start(_testCase, sides, rounds, warmUp) {
  const samples = sides.map(() => []);
  for (let round = -warmUp; round < rounds; round++) {
    for (const [index, side] of sides.entries()) {
      const seconds = await lifetime(side.starter);
      if (round >= 0) samples[index].push(seconds);
    }
  }
  return samples;
}

async function withWorkers(testCase, sides, measure) {
  const workers = sides.map((side) => new Child(side.worker));
  try {
    for (const [index, side] of sides.entries()) {
      await workers[index].ask({ action: "prepare", ...side.setting(testCase) });
    }
    return await measure(workers);
  } finally {
    await Promise.all(workers.map((worker) => worker.stop()));
  }
}

async function lifetime({ command, args, env = {} }) {
  const start = performance.now();
  const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ["ignore", "ignore", "pipe"] });
  let complaints = "";
  child.stderr.on("data", (text) => {
    complaints += text;
  });
  const [code] = await once(child, "exit");
  const seconds = (performance.now() - start) / 1000;
  if (code !== 0) throw new Error(`${command} ${args.join(" ")} ended with ${code}:\n${complaints.slice(-2000)}`);
  return seconds;
}

/** By the names that cases call them. */
export const MEASURES = { steps, peakMemory, start };
