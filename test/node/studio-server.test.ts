/** The studio's server as anything on this machine sees it: who gets in, what there is, what broken folders give. */
import { spawnSync } from "node:child_process";
import { appendFile, mkdir, mkdtemp, rename, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { run } from "./command-line.js";
import { metricsLine, metricsLines, type RunningStudio, startStudio, writeRun } from "./studio-process.js";

let folder: string;
let studio: RunningStudio;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "emberwing-studio-"));
  await writeRun(join(folder, "runs/one"), metricsLines(1, 3));
  await writeFile(join(folder, "secret.png"), "not for the page");
  studio = await startStudio(folder, "runs");
});
afterAll(async () => {
  await studio.stop();
  await rm(folder, { recursive: true });
});

interface Got {
  status: number | undefined;
  headers: NodeJS.Dict<string | string[]>;
  body: string;
}

/** The path as it stands, with `..` where it has some, which `fetch` would take out. */
function get(path: string, headers: Record<string, string> = {}, method = "GET"): Promise<Got> {
  const { hostname, port } = new URL(studio.url);
  return new Promise((resolve, reject) => {
    const sent = request({ hostname, port, path, headers, method }, (response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (text: string) => (body += text));
      response.on("end", () => resolve({ status: response.statusCode, headers: response.headers, body }));
    });
    sent.on("error", reject).end();
  });
}

const base = (): string => new URL(studio.url).pathname;
const ask = (path: string, headers?: Record<string, string>): Promise<Got> => get(base() + path, headers);

interface Listed {
  id: string;
  name: string;
  folder: string;
  state: string;
  step: number;
  plannedSteps?: number;
  problem?: string;
  grids: { step: number; version: string }[];
}

/** The runs once they are as expected: the studio looks again after half a second. */
async function listedWhen(isSo: (runs: Listed[]) => boolean): Promise<Listed[]> {
  for (;;) {
    const { runs } = JSON.parse((await ask("api/runs")).body) as { runs: Listed[] };
    if (isSo(runs)) return runs;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function runNamed(name: string): Promise<Listed> {
  const runs = await listedWhen((runs) => runs.some((run) => run.name === name));
  return runs.find((run) => run.name === name) as Listed;
}

const metrics = (id: string, from: number, log = ""): Promise<Got> =>
  ask(`api/runs/${id}/metrics?${new URLSearchParams({ from: String(from), log })}`);

describe("who gets in", () => {
  test("listens on this machine alone, at an address that cannot be guessed", () => {
    expect(studio.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/[\w-]{24}\/$/);
  });

  test.each([
    ["none", "/"],
    ["none, with a file's name", "/style.css"],
    ["a wrong one", "/AAAAAAAAAAAAAAAAAAAAAAAA/"],
    ["a shorter one", "/A/api/runs"],
    ["only one in the query", "/?token=x"],
  ])("a token is needed, not %s", async (_, path) => {
    const { status, body } = await get(path);
    expect(status).toBe(403);
    expect(JSON.parse(body).error).toContain("open the address that `emberwing studio` printed");
    expect(body).not.toContain(base().slice(1, -1));
  });

  test("every request needs it, with the token's beginning or more than it is wrong", async () => {
    expect((await get(`${base().slice(0, -2)}/`)).status).toBe(403);
    expect((await get(`${base().slice(0, -1)}A/`)).status).toBe(403);
    expect((await get(`${base()}`)).status).toBe(200);
  });

  test("a foreign name that leads to this machine is refused", async () => {
    const { port } = new URL(studio.url);
    expect((await ask("", { Host: `evil.example:${port}` })).status).toBe(403);
    expect((await ask("", { Host: "127.0.0.1" })).status).toBe(403);
    expect((await ask("api/runs", { Host: `127.0.0.1:${Number(port) + 1}` })).status).toBe(403);
    expect((await ask("", { Host: `localhost:${port}` })).status).toBe(200);
  });

  test("only reading is possible, and other sites get no leave", async () => {
    expect((await get(base(), {}, "POST")).status).toBe(405);
    expect((await get(base(), {}, "OPTIONS")).status).toBe(405);
    const { headers } = await ask("api/runs", { Origin: "http://evil.example" });
    expect(Object.keys(headers).filter((name) => name.startsWith("access-control"))).toEqual([]);
    expect(headers["content-security-policy"]).toContain("default-src 'none'");
    expect(headers["referrer-policy"]).toBe("no-referrer");
  });
});

test("the page and what it loads", async () => {
  const { body } = await ask("");
  expect(body).toContain("<title>emberwing studio</title>");
  const files = Array.from(body.matchAll(/(?:src|href)="([^"#][^"]*)"/g), ([, file]) => file ?? "");
  expect(files).toEqual(["icon.svg", "uPlot.min.css", "style.css", "page.js"]);
  for (const file of files) {
    const { status, headers, body } = await ask(file);
    expect([status, headers["content-type"]]).toEqual([
      200,
      expect.stringMatching(/^(text\/(css|javascript);|image\/svg)/),
    ]);
    expect(body).not.toMatch(/https?:\/\/(?!www\.w3\.org|github\.com)/);
  }
  expect((await ask("page.js")).body).toContain("Leon Sorokin");
});

describe("no path leads out", () => {
  test.each([
    "../secret.png",
    "..%2fsecret.png",
    "api/runs/../../secret.png",
    "package.json",
    "constructor",
    "api/runs/ID/samples/../../../secret.png",
    "api/runs/ID/samples/..%2f..%2f..%2fsecret.png",
    "api/runs/ID/samples/1.png",
    "api/runs/ID/samples/-1",
    "api/runs/ID/metrics/1",
    "api/runs/ID",
    "api/runs/0000000000000000/metrics",
    "api/runs/ID%00/metrics",
  ])("%s", async (path) => {
    const { id } = await runNamed("one");
    const { status, body } = await ask(path.replace("ID", id));
    expect(status).toBe(404);
    expect(body).not.toContain("not for the page");
  });

  test("nor does a link in a run's folder, nor a pipe wait", async () => {
    const { id } = await runNamed("one");
    await mkdir(join(folder, "runs/one/samples"));
    await symlink(join(folder, "secret.png"), join(folder, "runs/one/samples/step-000001.png"));
    const { status, body } = await ask(`api/runs/${id}/samples/1`);
    expect([status, body]).toEqual([403, expect.stringContaining("leads out of the run's folder")]);
    const pipe = join(folder, "runs/one/samples/step-000002.png");
    if (spawnSync("mkfifo", [pipe]).status !== 0) await mkdir(pipe);
    const irregular = await ask(`api/runs/${id}/samples/2`);
    expect([irregular.status, irregular.body]).toEqual([403, expect.stringContaining("is no regular file")]);
    await rm(join(folder, "runs/one/samples"), { recursive: true });
  });
});

describe("the log", () => {
  test("comes from a byte on, and only whole lines", async () => {
    await writeRun(join(folder, "runs/grows"), metricsLines(1, 2));
    const { id } = await runNamed("grows");
    const first = await metrics(id, 0);
    expect(first.body).toBe(metricsLines(1, 2));
    const next = Number(first.headers["emberwing-next"]);
    const log = String(first.headers["emberwing-log"]);
    expect((await metrics(id, next, log)).body).toBe("");

    const line = metricsLine(3);
    await appendFile(join(folder, "runs/grows/metrics.jsonl"), line.slice(0, 20));
    const cut = await metrics(id, next, log);
    expect([cut.body, cut.headers["emberwing-next"]]).toEqual(["", String(next)]);
    await appendFile(join(folder, "runs/grows/metrics.jsonl"), line.slice(20));
    expect((await metrics(id, next, log)).body).toBe(line);
  });

  test("starts over where it is another file, a shorter one, or no line begins there", async () => {
    const path = join(folder, "runs/anew");
    await writeRun(path, metricsLines(1, 5));
    const { id } = await runNamed("anew");
    const { headers } = await metrics(id, 0);
    const [next, log] = [Number(headers["emberwing-next"]), String(headers["emberwing-log"])];
    expect((await metrics(id, 5, log)).headers["emberwing-from"]).toBe("0");
    expect((await metrics(id, next + 999, log)).headers["emberwing-from"]).toBe("0");
    expect((await metrics(id, next, log)).headers["emberwing-from"]).toBe(String(next));
    await writeFile(join(path, "other"), metricsLines(1, 9));
    await rename(join(path, "other"), join(path, "metrics.jsonl"));
    const other = await metrics(id, next, log);
    expect([other.headers["emberwing-from"], other.body]).toEqual(["0", metricsLines(1, 9)]);
    await truncate(join(path, "metrics.jsonl"), 0);
    expect((await metrics(id, next, String(other.headers["emberwing-log"]))).headers["emberwing-from"]).toBe("0");
  });

  test("of 100,000 lines comes in parts, none of them long", async () => {
    const text = metricsLines(1, 100_000);
    await writeRun(join(folder, "runs/long"), text);
    const { id, step } = await runNamed("long");
    expect(step).toBe(100_000);
    let [from, log, received] = [0, "", ""];
    while (from < text.length) {
      const { headers, body } = await metrics(id, from, log);
      expect(body.length).toBeGreaterThan(0);
      expect(body.length).toBeLessThanOrEqual(1 << 20);
      received += body;
      from = Number(headers["emberwing-next"]);
      log = String(headers["emberwing-log"]);
    }
    expect(received === text).toBe(true);
  });

  test("from something that is no number is refused", async () => {
    const { id } = await runNamed("one");
    for (const from of ["-1", "1e3", "x", "9".repeat(30)]) {
      const { status, body } = await ask(`api/runs/${id}/metrics?from=${from}`);
      expect([status, JSON.parse(body).error]).toEqual([400, expect.stringContaining(`got "${from}"`)]);
    }
  });
});

describe("the list of runs", () => {
  test("is not sent again where nothing changed", async () => {
    const { headers } = await ask("api/runs");
    const again = await ask("api/runs", { "If-None-Match": String(headers.etag) });
    expect([again.status, again.body]).toEqual([304, ""]);
  });

  test("has new runs, not those of checkpoints, and loses those that vanish", async () => {
    await writeRun(join(folder, "runs/late/checkpoint-2"), metricsLines(1, 2));
    await writeRun(join(folder, "runs/late"), metricsLines(1, 2));
    const { id } = await runNamed("late");
    expect((await listedWhen(() => true)).filter(({ folder }) => folder.includes("checkpoint"))).toEqual([]);
    await rm(join(folder, "runs/late"), { recursive: true });
    await listedWhen((runs) => runs.every((run) => run.id !== id));
    const { status, body } = await metrics(id, 0);
    expect([status, JSON.parse(body).error]).toEqual([404, "this run's folder is not there any more"]);
  });

  test("tells two runs of one name apart", async () => {
    await writeRun(join(folder, "runs/a/same"), metricsLines(1, 1));
    await writeRun(join(folder, "runs/b/same"), metricsLines(1, 1));
    const [a, b] = [await runNamed("a/same"), await runNamed("b/same")];
    expect(a.id).not.toBe(b.id);
  });

  test("has a run once, also where the run itself is named, and its folder too", async () => {
    const other = await startStudio(folder, "runs/one", "runs", "runs/one");
    const { runs } = await (await fetch(`${other.url}api/runs`)).json();
    expect(runs.filter(({ name }: Listed) => name === "one")).toHaveLength(1);
    await other.stop();
  });

  test("says what is wrong with a folder, and goes on", async () => {
    await writeRun(join(folder, "runs/empty"), "");
    await writeRun(join(folder, "runs/text"), "this is no log\n");
    await writeRun(join(folder, "runs/broken"), metricsLines(1, 4));
    await writeFile(join(folder, "runs/broken/run.json"), "{ no JSON");
    const [empty, text, broken] = [await runNamed("empty"), await runNamed("text"), await runNamed("broken")];
    expect([empty.step, empty.problem]).toEqual([0, undefined]);
    expect(text.problem).toBe('metrics.jsonl, last line: expected a JSON object, found "this is no log"');
    expect([broken.step, broken.problem]).toEqual([4, 'run.json: expected a JSON object, found "{ no JSON"']);
    const record = await ask(`api/runs/${broken.id}/record`);
    expect([record.status, JSON.parse(record.body).error]).toEqual([422, broken.problem]);
    expect((await ask(`api/runs/${empty.id}/record`)).status).toBe(404);
  });

  test("knows the plan, the pictures and the end", async () => {
    await writeRun(join(folder, "runs/done"), metricsLines(1, 4));
    await writeFile(join(folder, "runs/done/run.json"), JSON.stringify({ plannedSteps: 4, settings: { seed: 1 } }));
    await mkdir(join(folder, "runs/done/samples"));
    for (const name of ["step-000004.png", "step-000002.png", "other.png"]) {
      await writeFile(join(folder, "runs/done/samples", name), name);
    }
    const { id, state, plannedSteps, grids } = await runNamed("done");
    expect([state, plannedSteps, grids.map(({ step }) => step)]).toEqual(["finished", 4, [2, 4]]);
    const picture = await ask(`api/runs/${id}/samples/2?${grids[0]?.version}`);
    expect([picture.headers["content-type"], picture.body]).toEqual(["image/png", "step-000002.png"]);
    expect(JSON.parse((await ask(`api/runs/${id}/record`)).body)).toEqual({ plannedSteps: 4, settings: { seed: 1 } });
    expect((await runNamed("one")).state).toBe("stopped");
  });

  test("goes on without a watched folder that is gone", async () => {
    await writeRun(join(folder, "passing/run"), metricsLines(1, 1));
    const other = await startStudio(folder, "passing");
    await rm(join(folder, "passing"), { recursive: true });
    await new Promise((resolve) => setTimeout(resolve, 600));
    const { roots, runs } = await (await fetch(`${other.url}api/runs`)).json();
    expect(runs).toEqual([]);
    expect(roots).toEqual([{ path: "passing", problem: expect.stringContaining("cannot be read") }]);
    expect((await other.stop()).code).toBe(0);
  });
});

describe("the command", () => {
  test("says where the page is, and that there are no runs yet", async () => {
    await mkdir(join(folder, "nothing"));
    const other = await startStudio(folder, "nothing");
    const { code, stdout, stderr } = await other.stop();
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(
      /^studio {3}http:\S+\nfolders {2}nothing\nruns {5}none yet; new ones appear by themselves\./,
    );
  });

  test.each([
    [["nowhere"], 1, "nowhere: expected a folder with runs in it, there is none [MissingFile]"],
    [["secret.png"], 1, "secret.png: expected a folder with runs in it, found a file [MissingFile]"],
    [["--port", "x"], 2, "Expected a whole number of at least 0 and at most 65535. [Usage]"],
    [["--port", "65536"], 2, "Expected a whole number of at least 0 and at most 65535. [Usage]"],
  ])("%s is one line and an exit code", async (args, code, message) => {
    const outcome = await run(["studio", ...args], folder);
    expect([outcome.code, outcome.stdout]).toEqual([code, ""]);
    expect(outcome.stderr).toMatch(/^emberwing: .*\n$/);
    expect(outcome.stderr).toContain(message);
  });

  test("a port that is taken is one line and exit code 1", async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve));
    const { port } = taken.address() as AddressInfo;
    const { code, stderr } = await run(["studio", "runs", "--port", String(port)], folder);
    taken.close();
    expect([code, stderr]).toEqual([1, expect.stringMatching(/another program listens there.* \[InUse\]\n$/)]);
  });
});
