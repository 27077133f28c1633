/** Folders of runs as the studio and a run that goes on read them: logs and records of other programs, damaged ones. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, expect, test } from "vitest";
import { MetricsLog } from "../../../ts/src/cli/metrics-log.js";
import { RequestFailure } from "../../../ts/src/studio/failures.js";
import { METRIC_KEYS, Metrics } from "../../../ts/src/studio/page/metrics.js";
import { METRICS_HEADERS } from "../../../ts/src/studio/protocol.js";
import { answer } from "../../../ts/src/studio/routes.js";
import { Runs } from "../../../ts/src/studio/runs.js";
import { fuzz } from "./fuzz.js";
import { swappedJson } from "./json-mutations.js";
import { damagedText } from "./mutations.js";

const line = (step: number): string =>
  JSON.stringify({ step, epoch: 1, loss: 0.5, learningRate: 1e-4, gradNorm: 1, imagesPerSecond: 9, seconds: 1 });
const log = `${[1, 2, 3].map(line).join("\n")}\n`;
const record = JSON.stringify({
  emberwing: "0.1.0",
  plannedSteps: 10,
  settings: { epochs: 2 },
  model: { sampleSize: 8 },
});

const root = mkdtempSync(join(tmpdir(), "emberwing-fuzz-runs-"));
const folder = join(root, "run");
mkdirSync(join(folder, "samples"), { recursive: true });
writeFileSync(join(folder, "samples", "step-000002.png"), "");
afterAll(() => rmSync(root, { recursive: true }));

const logs = fc.oneof(
  damagedText([log]),
  fc.array(swappedJson([line(2)]), { maxLength: 3 }).map((lines) => `${lines.join("\n")}\n`),
);

interface RunFiles {
  metrics: string;
  runRecord: string;
  from: number;
}

const runs: fc.Arbitrary<RunFiles> = fc.record({
  metrics: logs,
  runRecord: swappedJson([record]),
  from: fc.constantFrom(0, 1, 80, 1000, 2 ** 40),
});

async function readRun({ metrics, runRecord, from }: RunFiles): Promise<void> {
  writeFileSync(join(folder, "metrics.jsonl"), metrics);
  writeFileSync(join(folder, "run.json"), runRecord);
  const watched = new Runs([root]);
  const { runs: found } = JSON.parse(String((await answer(watched, "api/runs")).body));
  expect(found).toHaveLength(1);
  const [{ id, step, problem }] = found;
  expect(Number.isSafeInteger(step), `step ${step}`).toBe(true);
  const part = await answer(watched, `api/runs/${id}/metrics?from=${from}`);
  const [start, next] = [METRICS_HEADERS.from, METRICS_HEADERS.next].map((name) => Number(part.headers?.[name]));
  expect(next).toBeGreaterThanOrEqual(start as number);
  JSON.parse(String((await answer(watched, `api/runs/${id}/record`)).body));
  if (problem !== undefined) throw new RequestFailure(422, problem);
}

fuzz("run folder", { inputs: runs, read: readRun, mayThrow: (error) => error instanceof RequestFailure, share: 4 });

fuzz("log in the studio's page", {
  inputs: logs,
  async read(text) {
    const metrics = new Metrics();
    metrics.append(text);
    for (const key of METRIC_KEYS) {
      for (const { x, y } of metrics.points[key]) expect([typeof x, typeof y]).toEqual(["number", "number"]);
    }
    if (metrics.unread > 0) throw new RequestFailure(422, "lines that could not be read");
  },
  mayThrow: (error) => error instanceof RequestFailure,
});

const earlier = join(root, "earlier");
mkdirSync(earlier);

fuzz("log of a run that goes on", {
  inputs: logs,
  async read(text) {
    writeFileSync(join(earlier, "metrics.jsonl"), text);
    const lines = await MetricsLog.read([earlier], 3);
    for (const { step } of lines) expect(Number.isSafeInteger(step)).toBe(true);
    if (lines.length === 0) throw new RequestFailure(422, "no lines");
  },
  mayThrow: (error) => error instanceof RequestFailure,
  share: 2,
});

test("a record of arrays in arrays is answered as it stands", async () => {
  const deep = `{"settings":${"[".repeat(100_000)}${"]".repeat(100_000)}}`;
  writeFileSync(join(folder, "metrics.jsonl"), log);
  writeFileSync(join(folder, "run.json"), deep);
  const watched = new Runs([root]);
  const run = (await watched.list()).runs.find(({ folder: path }) => path.endsWith("run"));
  expect(String((await answer(watched, `api/runs/${run?.id}/record`)).body)).toBe(deep);
});
