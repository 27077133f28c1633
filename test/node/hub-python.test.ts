/** One cache and one protocol with Python's huggingface_hub, where this machine has it. */
import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { DiffusionPipeline } from "emberwing";
import { beforeAll, describe, expect, test } from "vitest";
import { pythonProblem, runPythonBeside } from "../python.js";
import { TOKEN } from "./hub-server.js";
import { hubSession, pathsIn, pipelineFiles, readFolder, smallPipeline } from "./hub-session.js";

const problem = pythonProblem("huggingface_hub");
if (problem) console.warn(`huggingface_hub: skipped, ${problem}`);

const SCRIPT = fileURLToPath(new URL("../python/hub.py", import.meta.url));
const NEEDED = ["model_index.json", "scheduler/scheduler_config.json", "unet/config.json"];
const WEIGHTS = "unet/diffusion_pytorch_model.safetensors";

describe.skipIf(problem)("huggingface_hub", () => {
  const session = hubSession();
  let files: Record<string, Uint8Array>;
  beforeAll(async () => {
    files = await pipelineFiles();
  });

  const python = (command: string, ...args: string[]): Promise<void> => runPythonBeside(SCRIPT, command, ...args);

  test("finds what emberwing downloaded", async () => {
    session.server.commit("models/owner/name", files);
    await DiffusionPipeline.fromPretrained("hub:owner/name");
    process.env.HF_HUB_OFFLINE = "1";
    await python("find", ...NEEDED, WEIGHTS);
  });

  test("downloads what emberwing then takes as it is", async () => {
    const commit = session.server.commit("models/owner/name", files);
    await python("download", commit);
    session.server.takeLog();
    await DiffusionPipeline.fromPretrained("hub:owner/name");
    expect(session.server.takeLog()).toEqual(["GET hub /api/models/owner/name/revision/main"]);
    process.env.HF_HUB_OFFLINE = "1";
    await DiffusionPipeline.fromPretrained("hub:owner/name");
    expect((await pathsIn(session.home)).filter((path) => path.endsWith(".incomplete"))).toEqual([]);
  });

  test("pushes to the server that emberwing is tested against, and emberwing finds nothing to change", async () => {
    process.env.HF_TOKEN = TOKEN;
    const folder = await mkdtemp(join(tmpdir(), "emberwing-python-"));
    const pipeline = await smallPipeline();
    await pipeline.savePretrained(folder);
    await writeFile(join(folder, "README.md"), "by Python");
    await python("push", folder);
    const pushed = session.server.files("models/owner/pushed");
    const { "README.md": readme, ...saved } = await readFolder(folder);
    expect(pushed.get("README.md")).toEqual(readme);
    for (const [path, content] of Object.entries(saved)) expect(pushed.get(path)).toEqual(content);
    expect((await pipeline.pushToHub("owner/pushed")).uploaded).toEqual([]);
  });

  test("reads the model card", async () => {
    process.env.HF_TOKEN = TOKEN;
    await (await smallPipeline()).pushToHub("owner/name", { modelCard: { tags: ["a: b"] } });
    const path = join(session.home, "README.md");
    await writeFile(path, session.server.files("models/owner/name").get("README.md") as Uint8Array);
    await python("card", path);
  });
});
