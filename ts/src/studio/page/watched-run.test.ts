import { afterEach, expect, test, vi } from "vitest";
import type { RunSummary } from "../protocol.js";
import { WatchedRun } from "./watched-run.js";

const summary: RunSummary = { id: "1", name: "a", folder: "/a", state: "training", step: 0, changed: 0, grids: [] };
const line = (step: number, loss = 1): string => `${JSON.stringify({ step, loss })}\n`;

/** A server whose log can be replaced; it answers later, in parts of two lines. */
function serve(log: { name: string; lines: string[] }) {
  return vi.fn(async (address: string) => {
    const query = new URLSearchParams(address.split("?")[1]);
    await new Promise((resolve) => setTimeout(resolve, 1));
    const from = query.get("log") === log.name ? Number(query.get("from")) : 0;
    const text = log.lines.join("");
    const [first = "", second = ""] = text.slice(from).match(/.*\n/g) ?? [];
    const part = first + second;
    const headers = {
      ...{ "Emberwing-From": String(from), "Emberwing-Next": String(from + part.length) },
      ...{ "Emberwing-Size": String(text.length), "Emberwing-Log": log.name },
    };
    return new Response(part, { headers });
  });
}

afterEach(() => void vi.unstubAllGlobals());

const steps = (run: WatchedRun): number[] => run.metrics.points.loss.map(({ x }) => x);

test("gets every line once, however often it is told to follow", async () => {
  const log = { name: "x", lines: [1, 2, 3, 4, 5].map((step) => line(step)) };
  const fetch = serve(log);
  vi.stubGlobal("fetch", fetch);
  const run = new WatchedRun(summary, 0, true);
  const parts: number[] = [];
  await Promise.all([run.follow(() => parts.push(steps(run).length)), run.follow(() => undefined)]);
  expect([steps(run), parts]).toEqual([
    [1, 2, 3, 4, 5],
    [2, 4, 5],
  ]);
  log.lines.push(line(6));
  await run.follow(() => undefined);
  expect(steps(run)).toEqual([1, 2, 3, 4, 5, 6]);
  expect(fetch).toHaveBeenCalledTimes(4);
});

test("starts over where the log is another one", async () => {
  const log = { name: "x", lines: [line(1), line(2)] };
  vi.stubGlobal("fetch", serve(log));
  const run = new WatchedRun(summary, 0, true);
  await run.follow(() => undefined);
  log.name = "y";
  log.lines = [line(1, 7)];
  await run.follow(() => undefined);
  expect(run.metrics.points.loss).toEqual([{ x: 1, y: 7 }]);
});

test("says what the server refused, until it works again", async () => {
  vi.stubGlobal("fetch", async () => new Response('{"error":"gone"}', { status: 404 }));
  const run = new WatchedRun(summary, 0, true);
  await run.follow(() => undefined);
  expect(run.problem).toBe("gone");
  vi.stubGlobal("fetch", serve({ name: "x", lines: [] }));
  await run.follow(() => undefined);
  expect(run.problem).toBe("");
});
