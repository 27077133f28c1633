/** Answers of a server that is broken or means harm: typed errors, and nothing outside the repository's folder. */
import { mkdtemp, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DiffusionPipeline, EmberwingError, loadDataset } from "emberwing";
import { beforeAll, expect, test } from "vitest";
import { hubSession, pathsIn, pipelineFiles } from "./hub-session.js";

const session = hubSession();
const REPO = "models/owner/name";
const COMMIT = "0123456789abcdef0123456789abcdef01234567";

let files: Record<string, Uint8Array>;
beforeAll(async () => {
  files = await pipelineFiles();
});

async function expectRefusal(promise: Promise<unknown>, ...codes: string[]): Promise<void> {
  const error = await promise.then(
    () => expect.unreachable("it was not refused"),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(EmberwingError);
  expect(codes).toContain((error as EmberwingError).code);
}

/** All that was written lies in the folder of the repository, or is its lock. */
async function expectNothingOutside(): Promise<void> {
  const outside = (await pathsIn(session.home)).filter((path) => !/^hub\/(models|datasets)--owner--name\//.test(path));
  expect(outside).toEqual([]);
}

const HARMFUL = [
  ...["../../x.json", "/etc/x", "a/../../../x", "..", ".", "", "a//b", "a/./b", "C:/x", "a\\..\\..\\x", "x\0y"],
  ...[null, 3, {}, ["a"]],
];

test.each(HARMFUL)("a repository with a file %j is refused", async (rfilename) => {
  const siblings = [{ rfilename: "model_index.json" }, { rfilename }];
  session.server.fail(/revision/, { body: JSON.stringify({ sha: COMMIT, siblings }) }, 2);
  await expectRefusal(DiffusionPipeline.fromPretrained("hub:owner/name"), "Network");
  await expectRefusal(loadDataset("hub:owner/name", { resolution: 8 }), "Network");
  await expectNothingOutside();
});

test.each(HARMFUL)("a list with a file %j is refused", async (path) => {
  session.server.fail(/revision/, { body: JSON.stringify({ sha: COMMIT }) });
  session.server.fail(/tree/, { body: JSON.stringify([{ type: "file", path, oid: COMMIT }]) });
  session.server.commit(REPO, files);
  await expectRefusal(DiffusionPipeline.fromPretrained("hub:owner/name"), "Network");
  await expectNothingOutside();
});

test("a list without end is left", async () => {
  session.server.commit(REPO, files);
  session.server.fail(/revision/, { body: JSON.stringify({ sha: COMMIT }) });
  const headers = { Link: '<file:///etc/passwd>; rel="next"' };
  session.server.fail(/tree/, { body: "[]", headers }, 3);
  await expectRefusal(DiffusionPipeline.fromPretrained("hub:owner/name"), "Network");
});

test.each(["", "<html>", "null", "[]", "3", '"text"', "{", '{"sha":3}', '{"sha":"../../x"}', '{"sha":"main"}'])(
  "a description %j is refused",
  async (body) => {
    session.server.fail(/revision/, { body });
    await expectRefusal(DiffusionPipeline.fromPretrained("hub:owner/name"), "Network");
    await expectNothingOutside();
  },
);

test.each([
  { ETag: "../../../x", "Content-Length": "1" },
  { ETag: '"abc"' },
  { "X-Linked-Etag": "../x", ETag: COMMIT },
  { "X-Linked-Etag": COMMIT, "X-Linked-Size": "-1" },
  { "X-Linked-Etag": COMMIT, "X-Linked-Size": "many" },
  {},
])("a file's headers %j are refused", async (headers) => {
  session.server.commit(REPO, files);
  session.server.fail(/HEAD/, { status: 200, headers: headers as Record<string, string> }, 10);
  await expectRefusal(DiffusionPipeline.fromPretrained("hub:owner/name"), "Network");
  await expectNothingOutside();
});

test.each(["file:///etc/passwd", "data:text/plain,x", "http://", "javascript:1"])(
  "a redirect to %s is not followed",
  async (Location) => {
    session.server.fail(/revision/, { status: 302, headers: { Location } });
    await expectRefusal(DiffusionPipeline.fromPretrained("hub:owner/name"), "Network");
  },
);

test("redirects in a circle end", async () => {
  const headers = { Location: "/api/models/owner/name/revision/main" };
  session.server.fail(/revision/, { status: 307, headers }, 1000);
  await expectRefusal(DiffusionPipeline.fromPretrained("hub:owner/name"), "Network");
  expect(session.server.requests.length).toBeLessThan(20);
});

test("a body that is longer than was announced does not fill the disk", async () => {
  session.server.commit(REPO, files);
  session.server.fail(/signature/, { body: "x".repeat(5_000_000) }, 10);
  await expectRefusal(DiffusionPipeline.fromPretrained("hub:owner/name"), "Network", "InvalidFile");
});

test("a file where the cache should be is an error that names it", async () => {
  session.server.commit(REPO, files);
  const place = join(await mkdtemp(join(session.home, "x-")), "file");
  await writeFile(place, "");
  process.env.HF_HUB_CACHE = place;
  await expectRefusal(DiffusionPipeline.fromPretrained("hub:owner/name"), "WriteFailed");
});

test("answers out of shape by chance are typed errors", async () => {
  session.server.commit(REPO, files);
  let state = 1;
  const random = (below: number): number => {
    state = (state * 48271) % 2147483647;
    return state % below;
  };
  const whole = JSON.stringify({ sha: COMMIT, siblings: Object.keys(files).map((rfilename) => ({ rfilename })) });
  for (let round = 0; round < 150; round++) {
    const bytes = Buffer.from(whole);
    for (let flips = random(4); flips >= 0; flips--) bytes[random(bytes.length)] = 32 + random(95);
    const body = bytes.toString().slice(0, random(2) === 0 ? random(bytes.length) : undefined);
    session.server.fail(/revision/, { body });
    const error = await DiffusionPipeline.fromPretrained("hub:owner/name").then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error === undefined || error instanceof EmberwingError, `${body}: ${error}`).toBe(true);
  }
  await expectNothingOutside();
});
