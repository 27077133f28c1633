/** A user's page beside the installed package, as `test/package/page` has it, and what it has to come to in any browser. */

import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "vitest";
import { type FolderServer, ISOLATION, serveFolder } from "../../scripts/serve-folder.mjs";
import * as emberwing from "../../ts/src/node.js";
import { expectClose, maxDifference } from "../closeness.js";
import { type Api, train } from "./page/training.js";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** `globalThis.result` of the page. */
export interface PageResult {
  error?: string;
  /** Codes of the errors that page and worker got from a server that is no hub. */
  hub: string[];
  devices: string[];
  losses: number[];
  /** Bytes of 8×8 RGB. */
  picture: number[];
  /** The same, drawn with what the browser's own file system kept, where it has one. */
  fromDisk?: number[] | null;
  /** Bytes of a zip file. */
  saved: number[];
  /** Of all parameters, one after the other. */
  weights: number[];
  worker: {
    losses: number[];
    picture: number[];
    fromDisk?: number[] | null;
    /** The same, drawn with what the page saved. */
    fromSaved: number[];
    /** The message of what stopped a training, and after how many steps. */
    stopped: string;
    steps: number;
  };
}

export class PageProject {
  readonly folder: string;
  readonly #servers: FolderServer[] = [];

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async create(): Promise<PageProject> {
    const folder = await mkdtemp(join(tmpdir(), "emberwing-page-"));
    await cp(join(root, "test/package/page"), folder, { recursive: true });
    const installed = join(folder, "node_modules/emberwing");
    await mkdir(installed, { recursive: true });
    await cp(join(root, "package.json"), join(installed, "package.json"));
    await cp(join(root, "dist"), join(installed, "dist"), {
      recursive: true,
      filter: (path) => !/native|\.stamps|\.map$/.test(path),
    });
    const { dependencies } = JSON.parse(await readFile(join(root, "package.json"), "utf8"));
    for (const name of Object.keys(dependencies)) {
      const link = join(folder, "node_modules", name);
      await mkdir(dirname(link), { recursive: true });
      await symlink(join(root, "node_modules", name), link);
    }
    return new PageProject(folder);
  }

  /** The folder's address, which ends with a slash. */
  async serve(folder = this.folder, options: Parameters<typeof serveFolder>[1] = {}): Promise<string> {
    const server = await serveFolder(folder, options);
    this.#servers.push(server);
    return server.url;
  }

  /**
   * A page that takes the package from another site, such as a CDN.
   *
   * @returns Its folder.
   */
  async withPackageElsewhere(onRequest?: (path: string) => void): Promise<string> {
    const headers = { "Access-Control-Allow-Origin": "*" };
    const site = await this.serve(this.folder, onRequest ? { headers, onRequest } : { headers });
    const path = join(this.folder, "other-site");
    const html = await readFile(join(this.folder, "index.html"), "utf8");
    await mkdir(path);
    await writeFile(join(path, "index.html"), html.replaceAll('"./node_modules', `"${site}node_modules`));
    for (const name of ["main.js", "training.js"]) await cp(join(this.folder, name), join(path, name));
    return path;
  }

  async remove(): Promise<void> {
    for (const server of this.#servers) server.close();
    await rm(this.folder, { recursive: true });
  }
}

/**
 * The page computed what Node computes, in its worker too, and what it saved, Node loads and paints the same with it.
 *
 * @param options.keepsFiles Whether the browser has a file system of its own.
 */
export async function expectTrained(result: PageResult, { keepsFiles = true } = {}): Promise<void> {
  expect(result.error).toBeUndefined();
  const node = await train(emberwing as unknown as Api, { steps: 3 });
  expect(result.losses).toHaveLength(3);
  expectClose(result.losses, node.losses, 1e-3, "losses");
  expect(result.devices).toEqual(["cpu", expect.stringMatching(/^no gpu \(.+\)$/)]);
  // Not there, or a page in place of an answer: the hub's client, which is loaded at its first use, was found.
  const refused = expect.stringMatching(/^(MissingFile|Network)$/);
  expect(result.hub).toEqual([refused, refused]);

  const pipeline = await emberwing.DDPMPipeline.fromPretrained(new Blob([Uint8Array.from(result.saved)]));
  const weights = Object.values(await pipeline.unet.parameters()).flatMap(({ data }) => [...data]);
  expect(weights).toEqual(result.weights);
  const { images } = await pipeline.generate({ numInferenceSteps: 2, seed: 0 });
  expect(new Set(result.picture).size).toBeGreaterThan(10);
  // Sums have another order on another processor: a value may round the other way.
  expect(maxDifference(images[0]?.data ?? [], result.picture)).toBeLessThanOrEqual(1);

  const { losses, picture } = result;
  const fromDisk = keepsFiles ? picture : undefined;
  expect(result.fromDisk ?? undefined).toEqual(fromDisk);
  expect({ ...result.worker, fromDisk: result.worker.fromDisk ?? undefined }).toEqual({
    ...{ losses, picture, fromDisk, fromSaved: picture, stopped: "enough", steps: 2 },
  });
}

/**
 * The page's worker has threads, and comes to the numbers of the page itself, which has none.
 *
 * @param folder Of the page, as it is published.
 * @param open Opens an address and resolves to the page's result.
 */
export async function expectThreads(
  project: PageProject,
  folder: string,
  open: (url: string) => Promise<PageResult>,
  options = { keepsFiles: true },
): Promise<void> {
  const modules: string[] = [];
  const onRequest = (path: string) => void (path.endsWith(".wasm") && modules.push(path));
  await expectTrained(await open(await project.serve(folder, { headers: ISOLATION, onRequest })), options);
  // Bundlers give them names of their own.
  const contents = modules.map((path) => readFile(join(folder, path)));
  const wanted = ["emberwing", "emberwing_threads"].map((name) => readFile(join(root, `dist/wasm/${name}_bg.wasm`)));
  const [got, expected] = [await Promise.all(contents), await Promise.all(wanted)];
  expect(got.map((content) => expected.findIndex((each) => each.equals(content)))).toEqual([0, 1]);
}
