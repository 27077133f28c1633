/** Models from a hub: what is asked for, what lies in the cache, and what happens where the hub fails. */
import { lstat, readFile, readlink, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  DDPMPipeline,
  DDPMScheduler,
  DiffusionPipeline,
  EmberwingError,
  type HubProgress,
  UNet2DModel,
} from "emberwing";
import { beforeAll, describe, expect, test } from "vitest";
import { TOKEN } from "./hub-server.js";
import { hubSession, pathsIn, pipelineFiles } from "./hub-session.js";

const session = hubSession();
const SOURCE = "hub:owner/name";
const REPO = "models/owner/name";
const WEIGHTS = "unet/diffusion_pytorch_model.safetensors";

let files: Record<string, Uint8Array>;
beforeAll(async () => {
  files = await pipelineFiles();
});

const folder = (): string => join(session.home, "hub", "models--owner--name");
const blobs = async (): Promise<string[]> => (await pathsIn(folder())).filter((path) => path.startsWith("blobs/"));

async function failure(promise: Promise<unknown>): Promise<EmberwingError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(EmberwingError);
  return error as EmberwingError;
}

describe("a load", () => {
  test("asks for what it needs, once, and lays it down as huggingface_hub does", async () => {
    const commit = session.server.commit(REPO, files);
    const pipeline = await DiffusionPipeline.fromPretrained(SOURCE);
    expect(pipeline).toBeInstanceOf(DDPMPipeline);
    const needed = ["model_index.json", "scheduler/scheduler_config.json", "unet/config.json", WEIGHTS];
    const paths = await pathsIn(folder());
    expect(paths.filter((path) => path.startsWith("snapshots/"))).toEqual(
      needed.map((path) => `snapshots/${commit}/${path}`).sort(),
    );
    expect(await readFile(join(folder(), "refs/main"), "utf8")).toBe(commit);
    const link = join(folder(), "snapshots", commit, WEIGHTS);
    expect((await lstat(link)).isSymbolicLink()).toBe(true);
    expect(await readlink(link)).toMatch(/^\.\.\/\.\.\/\.\.\/blobs\/[0-9a-f]{64}$/);
    expect(await readFile(link)).toEqual(files[WEIGHTS]);
    expect(await blobs()).toHaveLength(4);
    expect(await pathsIn(join(session.home, "hub", ".locks"))).toEqual([]);

    session.server.takeLog();
    await DiffusionPipeline.fromPretrained(SOURCE);
    expect(session.server.takeLog()).toEqual(["GET hub /api/models/owner/name/revision/main"]);
  });

  test("tells how far each file is", async () => {
    session.server.commit(REPO, files);
    const seen: HubProgress[] = [];
    await DDPMPipeline.fromPretrained(SOURCE, { onProgress: (progress) => seen.push({ ...progress }) });
    const last = seen.filter(({ file }) => file === WEIGHTS).at(-1);
    expect(last).toEqual({ file: WEIGHTS, loaded: files[WEIGHTS]?.length, total: files[WEIGHTS]?.length });
    expect(seen[0]).toEqual({ file: "model_index.json", loaded: 0, total: files["model_index.json"]?.length });
  });

  test("hands on what the caller's own code throws", async () => {
    session.server.commit(REPO, files);
    const mine = new TypeError("mine");
    const onProgress = (): never => {
      throw mine;
    };
    await expect(DDPMPipeline.fromPretrained(SOURCE, { onProgress })).rejects.toBe(mine);
  });

  test("takes one part from its subfolder", async () => {
    session.server.commit(REPO, files);
    const scheduler = await DDPMScheduler.fromPretrained(SOURCE, { subfolder: "scheduler" });
    expect(scheduler.config.numTrainTimesteps).toBe(100);
    expect((await UNet2DModel.loadConfig(SOURCE, { subfolder: "unet" })).sampleSize).toBe(8);
    expect(await blobs()).toHaveLength(2);
    const unet = await UNet2DModel.fromPretrained(SOURCE, { subfolder: "unet" });
    expect(unet.config.blockOutChannels).toEqual([8, 8]);
  });

  test("takes another revision, and shares what did not change", async () => {
    const old = session.server.commit(REPO, files);
    const config = Buffer.from(String(files["scheduler/scheduler_config.json"]).replace("100", "200"));
    session.server.commit(REPO, { "scheduler/scheduler_config.json": config });
    const options = { subfolder: "scheduler" };
    expect((await DDPMScheduler.fromPretrained(SOURCE, options)).config.numTrainTimesteps).toBe(200);
    const before = await DDPMScheduler.fromPretrained(SOURCE, { ...options, revision: old });
    expect(before.config.numTrainTimesteps).toBe(100);
    const index = await DiffusionPipeline.fromPretrained(SOURCE, { revision: old });
    await DiffusionPipeline.fromPretrained(SOURCE);
    expect(index.components.scheduler).toBeDefined();
    expect(await blobs()).toHaveLength(5);
  });

  test("follows the commit that a branch is at", async () => {
    session.server.commit(REPO, files);
    await DiffusionPipeline.fromPretrained(SOURCE);
    const commit = session.server.commit(REPO, { "new.txt": "new" });
    await DiffusionPipeline.fromPretrained(SOURCE);
    expect(await readFile(join(folder(), "refs/main"), "utf8")).toBe(commit);
    expect(await blobs()).toHaveLength(4);
  });

  test("finds what is missing by name", async () => {
    session.server.commit(REPO, files);
    const error = await failure(UNet2DModel.fromPretrained(SOURCE, { subfolder: "vae" }));
    expect(error).toMatchObject({ code: "MissingFile" });
    expect(error.message).toContain("hub:owner/name/vae: expected config.json, there is no such folder");
  });

  test("downloads a content once where two ask for it at a time", async () => {
    session.server.commit(REPO, files);
    await Promise.all([DiffusionPipeline.fromPretrained(SOURCE), DiffusionPipeline.fromPretrained(SOURCE)]);
    const large = session.server.takeLog().filter((line) => line.startsWith("GET storage"));
    expect(large).toHaveLength(1);
  });
});

describe("settings", () => {
  test.each([
    ["HF_HUB_CACHE", ""],
    ["HUGGINGFACE_HUB_CACHE", ""],
    ["HF_HOME", "hub"],
    ["XDG_CACHE_HOME", "huggingface/hub"],
  ])("%s says where the cache is", async (variable, below) => {
    session.server.commit(REPO, files);
    delete process.env.HF_HOME;
    const place = join(session.home, "elsewhere");
    process.env[variable] = place;
    await DDPMScheduler.fromPretrained(SOURCE, { subfolder: "scheduler" });
    expect(await pathsIn(join(place, below, "models--owner--name", "refs"))).toEqual(["main"]);
  });

  test.each(["HF_TOKEN", "HF_TOKEN_PATH", "HF_HOME", "option"])("a token comes from %s", async (place) => {
    session.server.commit(REPO, files, { isPrivate: true });
    const stored = join(session.home, place === "HF_HOME" ? "token" : "a-token");
    if (place.startsWith("HF_") && place !== "HF_TOKEN") await writeFile(stored, `${TOKEN}\n`);
    if (place === "HF_TOKEN") process.env.HF_TOKEN = TOKEN;
    if (place === "HF_TOKEN_PATH") process.env.HF_TOKEN_PATH = stored;
    const options = place === "option" ? { token: TOKEN } : {};
    await DiffusionPipeline.fromPretrained(SOURCE, options);
    const { requests } = session.server;
    const sent = (host: string) =>
      new Set(requests.filter((each) => each.host === host).map((each) => each.authorization));
    expect(sent("hub")).toEqual(new Set([`Bearer ${TOKEN}`]));
    // Where large files lie is another host: the token is not for it.
    expect(sent("storage")).toEqual(new Set([undefined]));
  });

  test.each(["no-scheme", "ftp://host"])("HF_ENDPOINT %s is refused", async (endpoint) => {
    process.env.HF_ENDPOINT = endpoint;
    expect(await failure(DiffusionPipeline.fromPretrained(SOURCE))).toMatchObject({ code: "InvalidConfig" });
  });

  test("a revision or a token beside a folder is refused", async () => {
    for (const options of [{ revision: "main" }, { token: TOKEN }]) {
      const error = await failure(DiffusionPipeline.fromPretrained(session.home, options));
      expect(error).toMatchObject({ code: "InvalidArgument" });
      expect(error.message).not.toContain(TOKEN);
    }
  });
});

describe("refusals", () => {
  test.each(["hub:", "hub:a/b/c", "hub:../x", "hub:a/..", "hub:a b/c", "hub:a/-b", "hub:a/b--c", "hub:a/b.git"])(
    "%s is no repository",
    async (source) => {
      expect(await failure(DiffusionPipeline.fromPretrained(source))).toMatchObject({ code: "InvalidArgument" });
      expect(session.server.requests).toEqual([]);
    },
  );

  test.each(["../x", "", "a//b", "a b"])("%j is no revision", async (revision) => {
    expect(await failure(DiffusionPipeline.fromPretrained(SOURCE, { revision }))).toMatchObject({
      code: "InvalidArgument",
    });
  });

  test("a private repository without a token says what to do", async () => {
    session.server.commit(REPO, files, { isPrivate: true });
    const error = await failure(DiffusionPipeline.fromPretrained(SOURCE));
    expect(error).toMatchObject({ code: "AccessDenied" });
    expect(error.message).toMatch(/hub:owner\/name: .*HF_TOKEN/);
  });

  test("a token is not in the message of its refusal", async () => {
    session.server.commit(REPO, files);
    session.server.fail(/revision/, { status: 403, headers: { "X-Error-Message": "not hf_wrong here" } });
    const error = await failure(DiffusionPipeline.fromPretrained(SOURCE, { token: "hf_wrong" }));
    expect(error).toMatchObject({ code: "AccessDenied" });
    expect(error.message).toContain("not … here");
  });

  test("what no header can hold is refused as a token, without saying it", async () => {
    const error = await failure(DiffusionPipeline.fromPretrained(SOURCE, { token: "hf_a\nb" }));
    expect(error).toMatchObject({ code: "InvalidArgument" });
    expect(error.message).not.toContain("hf_a");
  });

  test("repository and revision that are not there", async () => {
    const options = { token: TOKEN };
    expect(await failure(DiffusionPipeline.fromPretrained(SOURCE, options))).toMatchObject({ code: "MissingFile" });
    session.server.commit(REPO, files);
    const error = await failure(DiffusionPipeline.fromPretrained(SOURCE, { revision: "v9" }));
    expect(error).toMatchObject({ code: "MissingFile" });
    expect(error.message).toContain("hub:owner/name at v9");
  });
});

describe("faults", () => {
  const load = (options = {}) => DiffusionPipeline.fromPretrained(SOURCE, options);
  const large = () => session.server.requests.filter(({ host }) => host === "storage");

  test("a cut connection is gone on from where it was cut", async () => {
    session.server.commit(REPO, files);
    session.server.fail(/signature/, { cutAfter: 1000 });
    await load();
    expect(large().map(({ range }) => range)).toEqual([undefined, "bytes=1000-"]);
  });

  test("another call goes on from what the first left", async () => {
    session.server.commit(REPO, files);
    session.server.fail(/signature/, { cutAfter: 1000 });
    session.server.fail(/signature/, { cutAfter: 0 }, 4);
    expect(await failure(load())).toMatchObject({ code: "Network" });
    const partial = (await blobs()).filter((path) => path.endsWith(".incomplete"));
    expect(partial).toHaveLength(1);
    session.server.requests.length = 0;
    await load();
    expect(large().map(({ range }) => range)).toEqual(["bytes=1000-"]);
    expect(await blobs()).toHaveLength(4);
  });

  test("a part that is damaged is thrown away, and the whole is got", async () => {
    session.server.commit(REPO, files);
    session.server.fail(/signature/, { cutAfter: 1000 });
    session.server.fail(/signature/, { cutAfter: 0 }, 4);
    await failure(load());
    const [partial = ""] = (await blobs()).filter((path) => path.endsWith(".incomplete"));
    await truncate(join(folder(), partial), 0);
    await writeFile(join(folder(), partial), Buffer.alloc(1000));
    session.server.requests.length = 0;
    await load();
    expect(large().map(({ range }) => range)).toEqual(["bytes=1000-", undefined]);
  });

  test("a server that ignores the range sends the whole", async () => {
    session.server.commit(REPO, files);
    session.server.fail(/signature/, { cutAfter: 1000 });
    session.server.fail(/signature/, { ignoreRange: true });
    await load();
    expect(large().map(({ range }) => range)).toEqual([undefined, "bytes=1000-"]);
    expect(await blobs()).toHaveLength(4);
  });

  test.each([WEIGHTS, "model_index.json"])("a wrong hash of %s leaves nothing behind", async (path) => {
    session.server.commit(REPO, files);
    session.server.fail(path === WEIGHTS ? /signature/ : /GET .*resolve-cache.*model_index/, { corrupt: true });
    const error = await failure(load());
    expect(error).toMatchObject({ code: "InvalidFile" });
    expect(error.message).toContain(`hub:owner/name/${path}`);
    expect((await blobs()).filter((name) => name.endsWith(".incomplete"))).toEqual([]);
    await load();
  });

  test("429 is waited out as long as the server says", async () => {
    session.server.commit(REPO, files);
    session.server.fail(/revision/, { status: 429, headers: { "Retry-After": "1" } });
    const start = performance.now();
    await load();
    expect(performance.now() - start).toBeGreaterThan(990);
  });

  test("429 for an hour is said, not waited for", async () => {
    session.server.commit(REPO, files);
    session.server.fail(/revision/, { status: 429, headers: { "Retry-After": "3600" } });
    const error = await failure(load());
    expect(error).toMatchObject({ code: "Network" });
    expect(error.message).toContain("3600 seconds");
  });

  test.each([500, 502, 503, 408])("%d goes away", async (status) => {
    session.server.commit(REPO, files);
    session.server.fail(/revision/, { status });
    session.server.fail(/HEAD .*safetensors/, { status });
    session.server.fail(/signature/, { status });
    await load();
  });

  test("500 for ever is an error, after five attempts", async () => {
    session.server.commit(REPO, files);
    session.server.fail(/HEAD .*safetensors/, { status: 500 }, 100);
    const error = await failure(load());
    expect(error).toMatchObject({ code: "Network" });
    expect(error.message).toMatch(/safetensors: the server answers 500.*tried 5 times/);
    expect(
      session.server.requests.filter(({ url, method }) => method === "HEAD" && /safetensors/.test(url)),
    ).toHaveLength(5);
  });

  test("silence counts as a cut", async () => {
    process.env.HF_HUB_DOWNLOAD_TIMEOUT = "0.3";
    session.server.commit(REPO, files);
    session.server.fail(/revision/, { silent: true });
    session.server.fail(/signature/, { silent: true });
    await load();
  });

  test("an abort ends a download and keeps what came", async () => {
    session.server.commit(REPO, files);
    const controller = new AbortController();
    const reason = new Error("enough");
    const onProgress = ({ file, loaded }: HubProgress): void => {
      if (file === WEIGHTS && loaded > 0) controller.abort(reason);
    };
    await expect(load({ signal: controller.signal, onProgress })).rejects.toBe(reason);
    expect((await pathsIn(join(session.home, "hub", ".locks"))).length).toBe(0);
    await load();
    await expect(load({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  });

  test("an abort ends the wait between attempts", async () => {
    session.server.fail(/revision/, { status: 429, headers: { "Retry-After": "50" } });
    const reason = new Error("enough");
    const controller = new AbortController();
    const start = performance.now();
    setTimeout(() => controller.abort(reason), 100);
    await expect(load({ signal: controller.signal })).rejects.toBe(reason);
    expect(performance.now() - start).toBeLessThan(5000);
  });
});

describe("without a network", () => {
  const load = (options = {}) => DiffusionPipeline.fromPretrained(SOURCE, options);

  test("HF_HUB_OFFLINE takes the cache and asks nobody", async () => {
    const commit = session.server.commit(REPO, files);
    await load();
    session.server.takeLog();
    process.env.HF_HUB_OFFLINE = "1";
    await load();
    await load({ revision: commit });
    expect(session.server.takeLog()).toEqual([]);
  });

  test("HF_HUB_OFFLINE names what is missing", async () => {
    session.server.commit(REPO, files);
    process.env.HF_HUB_OFFLINE = "1";
    const none = await failure(load());
    expect(none).toMatchObject({ code: "MissingFile" });
    expect(none.message).toMatch(/hub:owner\/name at main: it is not in the cache .*HF_HUB_OFFLINE/);
    delete process.env.HF_HUB_OFFLINE;
    await UNet2DModel.loadConfig(SOURCE, { subfolder: "unet" });
    process.env.HF_HUB_OFFLINE = "1";
    const weights = await failure(UNet2DModel.fromPretrained(SOURCE, { subfolder: "unet" }));
    expect(weights).toMatchObject({ code: "MissingFile" });
    expect(weights.message).toMatch(
      /the cache alone: HF_HUB_OFFLINE is set.*expected diffusion_pytorch_model.safetensors/,
    );
  });

  test("a hub that cannot be reached leaves the cache", async () => {
    session.server.commit(REPO, files);
    await load();
    await session.server.close();
    await load();
    await rm(folder(), { recursive: true });
    const error = await failure(load());
    expect(error).toMatchObject({ code: "Network" });
    expect(error.message).toMatch(/hub:owner\/name: the connection failed \(ECONNREFUSED\)/);
  });
});
