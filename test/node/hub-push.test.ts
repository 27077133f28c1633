/** Pipelines to a hub: one commit with what differs, or none. */
import { readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { DiffusionPipeline, type EmberwingError, Generator, type HubProgress, imagesFromTensor } from "emberwing";
import { beforeEach, describe, expect, test } from "vitest";
import { TOKEN } from "./hub-server.js";
import { hubSession, smallPipeline } from "./hub-session.js";

const session = hubSession();
const REPO = "models/owner/name";
const WEIGHTS = "unet/diffusion_pytorch_model.safetensors";
const SAVED = ["README.md", "model_index.json", "scheduler/scheduler_config.json", "unet/config.json", WEIGHTS];

beforeEach(() => {
  process.env.HF_TOKEN = TOKEN;
});

const names = (): string[] => [...session.server.files(REPO).keys()].filter((path) => path !== ".gitattributes").sort();
const titles = (): string[] => session.server.repos.get(REPO)?.titles ?? [];
const readme = (): string => String(session.server.files(REPO).get("README.md"));
const commits = (): string[] => session.server.takeLog().filter((line) => line.includes("/commit/"));
const samples = imagesFromTensor(new Generator(0).rand([1, 3, 8, 8]))[0];

async function refusal(promise: Promise<unknown>): Promise<EmberwingError> {
  return promise.then(
    () => expect.unreachable("it was not refused"),
    (error: EmberwingError) => error,
  );
}

describe("a push", () => {
  test("makes the repository, with one commit that loads again", async () => {
    const pipeline = await smallPipeline();
    const result = await pipeline.pushToHub("owner/name");
    expect(result).toEqual({
      url: `${session.server.endpoint}/owner/name`,
      commit: session.server.head(REPO),
      uploaded: SAVED,
    });
    expect(titles()).toEqual(["initial", "Upload DDPMPipeline with emberwing"]);
    expect(names()).toEqual(SAVED);
    expect(session.server.repos.get(REPO)?.isPrivate).toBe(false);
    const again = await DiffusionPipeline.fromPretrained("hub:owner/name");
    const draw = { numInferenceSteps: 2, seed: 1, outputType: "tensor" } as const;
    expect((await again.generate(draw)).images).toEqual((await pipeline.generate(draw)).images);
  });

  test("of a name alone goes to the token's user, private where that is wanted", async () => {
    const { url } = await (await smallPipeline()).pushToHub("name", { private: true, commitMessage: "first" });
    expect(url).toBe(`${session.server.endpoint}/me/name`);
    expect(session.server.repos.get("models/me/name")).toMatchObject({ isPrivate: true, titles: ["initial", "first"] });
  });

  test("of what is there already is no commit", async () => {
    await (await smallPipeline()).pushToHub("owner/name");
    const before = session.server.head(REPO);
    session.server.takeLog();
    expect(await (await smallPipeline()).pushToHub("owner/name")).toMatchObject({ commit: before, uploaded: [] });
    expect(commits()).toEqual([]);
    expect(session.server.head(REPO)).toBe(before);
  });

  test("of other weights uploads the weights alone", async () => {
    await (await smallPipeline()).pushToHub("owner/name");
    const progress: HubProgress[] = [];
    const onProgress = (each: HubProgress) => progress.push({ ...each });
    const { uploaded } = await (await smallPipeline(1)).pushToHub("owner/name", { onProgress });
    expect(uploaded).toEqual([WEIGHTS]);
    const size = session.server.files(REPO).get(WEIGHTS)?.length;
    expect(progress.at(-1)).toEqual({ file: WEIGHTS, loaded: size, total: size });
    expect(commits()).toHaveLength(2);
  });

  test("of large files goes up in parts, each tried again", async () => {
    session.server.partSize = 1500;
    session.server.fail(/PUT .*\/2\?/, { status: 500 });
    const pipeline = await smallPipeline();
    await pipeline.pushToHub("owner/name");
    expect(session.server.takeLog().filter((line) => /^PUT storage \/\w+\/2\?/.test(line))).toHaveLength(2);
    const again = await DiffusionPipeline.fromPretrained("hub:owner/name");
    expect(again.components.unet).toBeDefined();
  });

  test("leaves the files of others, but not shards that a load would prefer", async () => {
    const index = `${WEIGHTS}.index.json`;
    const shard = "unet/diffusion_pytorch_model-00001-of-00002.safetensors";
    session.server.commit(REPO, { [index]: "{}", [shard]: "old", "vae/other.safetensors": "x", "notes.md": "mine" });
    await (await smallPipeline()).pushToHub("owner/name");
    expect(names()).toEqual([...SAVED, "notes.md", "vae/other.safetensors"].sort());
    await DiffusionPipeline.fromPretrained("hub:owner/name");
  });

  test("leaves nothing in the folder for temporary files", async () => {
    await (await smallPipeline()).pushToHub("owner/name");
    expect((await readdir(tmpdir())).filter((name) => name.startsWith("emberwing-push-"))).toEqual([]);
  });
});

describe("the model card", () => {
  test("has front matter, a picture, facts and the command", async () => {
    const facts = [
      ["Steps", "480"],
      ["Data | set", "two\nlines"],
    ] as const;
    const card = { license: "apache-2.0", tags: ["butterflies", "1: x"], description: "Wings.", samples, facts };
    const modelCard = { ...card, command: "npx emberwing train" };
    await (await smallPipeline()).pushToHub("owner/name", { modelCard });
    expect(readme()).toMatchInlineSnapshot(`
      "---
      license: "apache-2.0"
      library_name: diffusers
      pipeline_tag: unconditional-image-generation
      tags:
      - unconditional-image-generation
      - diffusers
      - emberwing
      - butterflies
      - "1: x"
      ---

      # name

      Wings.

      ![Samples](./samples.png)

      ## Usage

      \`\`\`ts
      import { DiffusionPipeline } from "emberwing";

      const pipeline = await DiffusionPipeline.fromPretrained("hub:owner/name");
      const { images } = await pipeline.generate({ seed: 0 });
      await images[0].save("image.png");
      \`\`\`

      \`\`\`python
      from diffusers import DDPMPipeline

      pipeline = DDPMPipeline.from_pretrained("owner/name")
      pipeline().images[0].save("image.png")
      \`\`\`

      ## Training

      | | |
      | --- | --- |
      | Steps | 480 |
      | Data \\| set | two lines |

      \`\`\`sh
      npx emberwing train
      \`\`\`
      "
    `);
    expect(session.server.files(REPO).get("samples.png")).toEqual(Buffer.from(samples?.toPNG() ?? []));
  });

  test("is MIT, and stays as somebody wrote it unless another is given", async () => {
    const pipeline = await smallPipeline();
    await pipeline.pushToHub("owner/name");
    expect(readme()).toMatch(/^---\nlicense: mit\nlibrary_name: diffusers\n/);
    session.server.commit(REPO, { "README.md": "by hand" });
    await pipeline.pushToHub("owner/name");
    expect(readme()).toBe("by hand");
    await pipeline.pushToHub("owner/name", { modelCard: {} });
    expect(readme()).toContain("license: mit");
  });
});

describe("refused", () => {
  test.each([
    [{ licence: "mit" }, "modelCard: unknown option"],
    [[], "modelCard: expected an options object"],
  ])("is the model card %j", async (modelCard, message) => {
    const error = await refusal((await smallPipeline()).pushToHub("owner/name", { modelCard: modelCard as object }));
    expect(error.message).toContain(message);
    expect(session.server.requests).toEqual([]);
  });

  test.each(["", "a/b/c", "a/../b", "hub:owner/name"])("is the name %j", async (name) => {
    expect(await refusal((await smallPipeline()).pushToHub(name))).toMatchObject({ code: "InvalidArgument" });
    expect(session.server.requests).toEqual([]);
  });

  test("is a push without a token, before anything is sent", async () => {
    delete process.env.HF_TOKEN;
    const error = await refusal((await smallPipeline()).pushToHub("owner/name"));
    expect(error).toMatchObject({ code: "AccessDenied" });
    expect(error.message).toContain("HF_TOKEN");
    expect(session.server.requests).toEqual([]);
  });

  test("is a token that the hub does not know", async () => {
    const error = await refusal((await smallPipeline()).pushToHub("owner/name", { token: "hf_unknown" }));
    expect(error).toMatchObject({ code: "AccessDenied" });
    expect(error.message).not.toContain("hf_unknown");
    expect(session.server.repos.size).toBe(0);
  });

  test("is a push while HF_HUB_OFFLINE is set", async () => {
    process.env.HF_HUB_OFFLINE = "1";
    expect(await refusal((await smallPipeline()).pushToHub("owner/name"))).toMatchObject({ code: "Network" });
  });
});

describe("faults", () => {
  const pushedBefore = async (): Promise<string> => {
    await (await smallPipeline()).pushToHub("owner/name");
    session.server.takeLog();
    return session.server.head(REPO);
  };
  const push = async (options = {}) => (await smallPipeline(1)).pushToHub("owner/name", options);

  test.each([
    ["an upload that fails for ever", /PUT/, { status: 500 }],
    ["an upload that is refused", /PUT/, { status: 403 }],
    ["a batch that is refused", /objects\/batch/, { status: 403 }],
    ["a preupload that is garbage", /preupload/, { body: "<html>" }],
    ["a preupload of another shape", /preupload/, { body: "{}" }],
    ["a batch of another shape", /objects\/batch/, { body: '{"objects":[{"oid":"x","size":1}]}' }],
    ["a list that is garbage", /tree/, { body: "[1, null]" }],
    ["a commit that is refused", /\/commit\//, { status: 400 }],
    ["a commit that fails for ever", /\/commit\//, { status: 503 }],
  ])("%s leaves the repository as it was", async (_, pattern, fault) => {
    const head = await pushedBefore();
    session.server.fail(pattern, fault, 100);
    const error = await refusal(push());
    expect(error.name).toBe("EmberwingError");
    expect(["Network", "AccessDenied"]).toContain(error.code);
    expect(error.message).toContain("hub:owner/name");
    expect(session.server.head(REPO)).toBe(head);
  });

  test("what fails for a moment is tried again", async () => {
    const head = await pushedBefore();
    for (const step of [/tree/, /preupload/, /objects\/batch/, /PUT/, /\/commit\//]) {
      session.server.fail(step, { status: 503 });
    }
    await push();
    expect(session.server.head(REPO)).not.toBe(head);
    expect(titles()).toHaveLength(3);
  });

  test("a commit whose answer was lost counts as made, once", async () => {
    await pushedBefore();
    session.server.fail(/\/commit\//, { cutAfter: 0 });
    const { commit, uploaded } = await push();
    expect(commit).toBe(session.server.head(REPO));
    expect(uploaded).toEqual([WEIGHTS]);
    expect(titles()).toHaveLength(3);
  });

  test("a commit of somebody else in between is not run over", async () => {
    await pushedBefore();
    let theirs = "";
    const onProgress = (): void => {
      theirs ||= session.server.commit(REPO, { "notes.md": "theirs" });
    };
    const error = await refusal(push({ onProgress }));
    expect(error.code).toBe("Network");
    expect(session.server.head(REPO)).toBe(theirs);
  });

  test("an abort rejects with its reason and changes nothing", async () => {
    const head = await pushedBefore();
    const controller = new AbortController();
    const reason = new Error("enough");
    session.server.fail(/PUT/, { silent: true });
    const timer = setInterval(() => {
      if (session.server.requests.some(({ method }) => method === "PUT")) controller.abort(reason);
    }, 10);
    await expect(push({ signal: controller.signal })).rejects.toBe(reason);
    clearInterval(timer);
    expect(session.server.head(REPO)).toBe(head);
  });

  test("the token stays with the hub", async () => {
    await pushedBefore();
    session.server.requests.length = 0;
    await push();
    const uploads = session.server.requests.filter(({ host }) => host === "storage");
    expect(uploads.map(({ method, authorization }) => ({ method, authorization }))).toEqual([
      { method: "PUT", authorization: undefined },
    ]);
  });
});
