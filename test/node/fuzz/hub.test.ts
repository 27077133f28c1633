/** Answers of a server that is broken or means harm: what it says of a repository, of files, and of itself. */
import { createHash } from "node:crypto";
import { join } from "node:path/posix";
import { EmberwingError } from "emberwing";
import fc from "fast-check";
import { afterAll, expect, test, vi } from "vitest";
import type { BlobPart, RepoCache } from "../../../ts/src/platform/hub/repo-cache.js";
import type { HubPlace } from "../../../ts/src/platform/hub/snapshot.js";
import { openSnapshot } from "../../../ts/src/platform/hub/snapshot.js";
import { contentOf } from "../../../ts/src/platform/node-hub/place.js";
import { fuzz } from "./fuzz.js";
import { swappedJson } from "./json-mutations.js";
import { damaged } from "./mutations.js";

const COMMIT = "0123456789abcdef0123456789abcdef01234567";
const CONTENT = new TextEncoder().encode("the content of a file");
const HASH = createHash("sha1").update(`blob ${CONTENT.length}\0`).update(CONTENT).digest("hex");
const ENDPOINT = "http://hub.invalid";
const info = JSON.stringify({ sha: COMMIT, siblings: [{ rfilename: "a.json" }, { rfilename: "unet/b.png" }] });
const many = JSON.stringify({ sha: COMMIT });
const tree = JSON.stringify([
  { type: "directory", path: "unet", oid: COMMIT, size: 0 },
  { type: "file", path: "a.json", oid: HASH, size: CONTENT.length },
  { type: "file", path: "unet/b.png", oid: COMMIT, size: 130, lfs: { oid: HASH, size: CONTENT.length } },
]);

/** A cache that forgets. */
class Memory implements RepoCache {
  readonly name = "memory";
  readonly blobs = new Map<string, Uint8Array>();
  readonly links = new Map<string, string>();
  readonly disk: RepoCache["disk"] = {
    join: (...parts) => join(...parts),
    open: () => Promise.reject(new Error("not in this test")),
    read: async (path) => this.blobs.get(this.links.get(path) ?? "") as Uint8Array,
  };

  commitOf = async (): Promise<undefined> => undefined;
  rememberCommit = async (): Promise<void> => undefined;
  paths = async (): Promise<string[]> => [];
  place = (commit: string, path: string): string => join(commit, path);
  has = async (commit: string, path: string): Promise<boolean> => this.links.has(this.place(commit, path));
  hasBlob = async (hash: string): Promise<boolean> => this.blobs.has(hash);

  async link(commit: string, path: string, hash: string): Promise<void> {
    this.links.set(this.place(commit, path), hash);
  }

  whileLocked(_: string, __: AbortSignal | undefined, work: () => Promise<void>): Promise<void> {
    return work();
  }

  async part(hash: string): Promise<BlobPart> {
    let bytes = Buffer.alloc(0);
    return {
      size: async () => bytes.length,
      async append(start, chunks) {
        bytes = bytes.subarray(0, start);
        for await (const chunk of chunks) bytes = Buffer.concat([bytes, chunk]);
      },
      hash: async () => createHash("sha1").update(`blob ${bytes.length}\0`).update(bytes).digest("hex"),
      remove: async () => {
        bytes = Buffer.alloc(0);
      },
      complete: async () => {
        this.blobs.set(hash, bytes);
      },
    };
  }
}

interface Answer {
  status: number;
  headers: Record<string, string>;
  body: string | Uint8Array;
}

const values = fc.oneof(
  fc.constantFrom(
    ...[
      "",
      "0",
      "-1",
      "1e400",
      "9".repeat(400),
      "NaN",
      "21",
      '"',
      'W/"x"',
      `"${HASH}"`,
      HASH,
      COMMIT,
      "../../x",
      "x".repeat(64),
    ],
    ...["bytes 0-20/21", "bytes */21", "bytes 5-20/21", "bytes 99999999999999999999-/1", "bytes=0-", "items 0-1/2"],
    ...[
      `<${ENDPOINT}/next>; rel="next"`,
      '<>; rel="next"',
      '<http://[>; rel="next"',
      "<file:///etc/passwd>; rel=next",
      "<<<>>>; rel=next",
    ],
    ...["/a", "//", "http://", "http://[", "https://other.invalid/x", "file:///x", "javascript:1", ENDPOINT, "?", "#"],
    ...[
      "Thu, 01 Jan 1970 00:00:00 GMT",
      "Fri, 31 Dec 9999 23:59:59 GMT",
      "yesterday",
      '"api";r=0;t=12',
      `"api";r=0;t=${"9".repeat(400)}`,
    ],
  ),
  fc.string({ unit: "grapheme-ascii", maxLength: 40 }),
);
const HEADERS = [
  ...["ETag", "X-Linked-Etag", "X-Linked-Size", "Content-Length", "Content-Range", "Location", "Link", "Retry-After"],
  ...["RateLimit", "X-Error-Code", "X-Error-Message"],
];
const headers = fc.dictionary(fc.constantFrom(...HEADERS), values, { maxKeys: 3 });
const statuses = fc.constantFrom(
  200,
  200,
  200,
  200,
  201,
  204,
  206,
  301,
  302,
  304,
  307,
  400,
  401,
  403,
  404,
  408,
  416,
  429,
  500,
  503,
);
const none = fc.constant({});

/** An answer that is as it should be in most of what it has. */
const answers = (body: fc.Arbitrary<string | Uint8Array>, right: Record<string, string>): fc.Arbitrary<Answer> =>
  fc.record({
    status: fc.oneof({ weight: 4, arbitrary: fc.constant(200) }, { weight: 1, arbitrary: statuses }),
    headers: fc.oneof(none, headers).map((wrong) => ({ ...right, ...wrong })),
    body,
  });

const hubs = fc.record({
  revision: answers(fc.oneof(swappedJson([info, many]), fc.constant(info), fc.constant(many)), {}),
  tree: fc.array(answers(fc.oneof(swappedJson([tree]), fc.constant(tree)), {}), { minLength: 1, maxLength: 3 }),
  head: answers(fc.constant(""), { ETag: `"${HASH}"`, "X-Linked-Size": String(CONTENT.length) }),
  file: answers(fc.oneof(fc.constant(CONTENT), damaged([CONTENT])), {}),
});

type Server = typeof hubs extends fc.Arbitrary<infer T> ? T : never;

function respond({ status, headers: given, body }: Answer, isHead = false): Response {
  const isEmpty = isHead || [204, 205, 304].includes(status);
  return new Response(isEmpty ? null : (body as BodyInit), { status, headers: given });
}

/** Requests that are made of addresses which a server chose end as they would without such a host. */
function serve(server: Server): { requests: { url: URL; token: string | null }[] } {
  const requests: { url: URL; token: string | null }[] = [];
  let pages = 0;
  vi.stubGlobal("fetch", async (input: string, init: RequestInit = {}) => {
    const url = new URL(input);
    requests.push({ url, token: new Headers(init.headers).get("Authorization") });
    if (url.origin !== ENDPOINT) throw new TypeError("fetch failed");
    if (url.pathname.includes("/revision/")) return respond(server.revision);
    if (url.pathname.includes("/resolve/"))
      return respond(init.method === "HEAD" ? server.head : server.file, init.method === "HEAD");
    const page = server.tree[pages++];
    return page ? respond(page) : respond({ status: 200, headers: {}, body: "[]" });
  });
  return { requests };
}

afterAll(() => vi.unstubAllGlobals());

function place(cache: RepoCache): HubPlace {
  const settings = {
    endpoint: ENDPOINT,
    timeoutMs: 5000,
    attempts: 1,
    token: "hf_secret",
    tokenAdvice: "",
    redirect: "manual" as const,
  };
  return { settings: { ...settings, headers: {} }, cache, contentOf };
}

async function readRepo(server: Server): Promise<void> {
  const { requests } = serve(server);
  const cache = new Memory();
  const snapshot = await openSnapshot({ type: "model", id: "owner/name" }, {}, place(cache)).finally(() => {
    for (const { url, token } of requests) if (url.origin !== ENDPOINT) expect(token).toBeNull();
  });
  for (const path of snapshot.paths.slice(0, 3)) {
    const where = await snapshot.file(path);
    expect(where.split("/").includes("..")).toBe(false);
    expect(await snapshot.disk.read(where)).toEqual(Buffer.from(CONTENT));
  }
  expect(requests.length).toBeLessThan(60);
}

fuzz("hub answers", { inputs: hubs, read: readRepo });

test("an answer without an end is left, and does not fill the memory", async () => {
  let sent = 0;
  vi.stubGlobal("fetch", async () => {
    const chunk = new Uint8Array(1 << 20).fill(0x20);
    const pull = (controller: ReadableStreamDefaultController): void => {
      sent += chunk.length;
      controller.enqueue(chunk);
    };
    return new Response(new ReadableStream({ pull }));
  });
  const opening = openSnapshot({ type: "model", id: "owner/name" }, {}, place(new Memory()));
  await expect(opening).rejects.toMatchObject({
    code: "Network",
    message: expect.stringMatching(/longer than \d+ bytes/),
  });
  expect(sent).toBeLessThan(2 ** 27);
});

test("a file with half a character in its name is refused", async () => {
  const body = '{"sha":"0123456789abcdef0123456789abcdef01234567","siblings":[{"rfilename":"\\ud800.png"}]}';
  serve({ revision: { status: 200, headers: {}, body } } as Server);
  const opening = openSnapshot({ type: "dataset", id: "owner/name" }, {}, place(new Memory()));
  await expect(opening).rejects.toBeInstanceOf(EmberwingError);
});
