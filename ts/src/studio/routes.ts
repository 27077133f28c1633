/** What there is behind the token: the page's files, the list of runs, and the parts of each run. */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { RequestFailure } from "./failures.js";
import { readMetrics } from "./metrics-file.js";
import { METRICS_HEADERS } from "./protocol.js";
import { type Runs, readGrid, readRecordText } from "./runs.js";

export interface Answer {
  readonly type: string;
  readonly body: Buffer | string;
  readonly headers?: Readonly<Record<string, string>>;
}

const HTML = "text/html; charset=utf-8";
const CSS = "text/css; charset=utf-8";
const JAVASCRIPT = "text/javascript; charset=utf-8";
const JSON_TYPE = "application/json; charset=utf-8";

const PAGE_FILES: Readonly<Record<string, [file: string, type: string]>> = {
  "": ["index.html", HTML],
  "style.css": ["style.css", CSS],
  "uPlot.min.css": ["uPlot.min.css", CSS],
  "icon.svg": ["icon.svg", "image/svg+xml"],
  "page.js": ["page.js", JAVASCRIPT],
};

/** A picture's address changes with its content. */
const FOREVER = { "Cache-Control": "private, max-age=31536000, immutable" };

/** @throws RequestFailure where there is no such thing. */
export async function answer(runs: Runs, path: string): Promise<Answer> {
  const [name = "", query = ""] = path.split("?", 2);
  const page = Object.hasOwn(PAGE_FILES, name) ? PAGE_FILES[name] : undefined;
  if (page) return tagged(page[1], await readPageFile(page[0]));
  if (name === "api/runs") return json(await runs.list());
  const [, id = "", part, step] =
    /^api\/runs\/([\da-f]{16})\/(metrics|record|samples)(?:\/(\d{1,12}))?$/.exec(name) ?? [];
  if (part === "metrics" && step === undefined)
    return metricsAnswer(await runs.folderOf(id), new URLSearchParams(query));
  if (part === "record" && step === undefined) {
    // As it stands in the file: what was read cannot always be written again, as where arrays lie in arrays without end.
    return tagged(JSON_TYPE, await readRecordText(await runs.folderOf(id)));
  }
  if (part === "samples" && step !== undefined) {
    return { type: "image/png", body: await readGrid(await runs.folderOf(id), Number(step)), headers: FOREVER };
  }
  throw new RequestFailure(404, "there is nothing at this address");
}

async function metricsAnswer(folder: string, query: URLSearchParams): Promise<Answer> {
  const from = query.get("from") ?? "0";
  if (!/^\d{1,15}$/.test(from))
    throw new RequestFailure(400, `from: expected a number of bytes, got ${JSON.stringify(from)}`);
  const { lines, ...part } = await readMetrics(folder, Number(from), query.get("log") ?? "");
  const headers = {
    [METRICS_HEADERS.from]: String(part.from),
    [METRICS_HEADERS.next]: String(part.next),
    [METRICS_HEADERS.size]: String(part.size),
    [METRICS_HEADERS.log]: part.log,
  };
  return { type: "application/jsonl; charset=utf-8", body: lines, headers };
}

const json = (value: unknown): Answer => tagged(JSON_TYPE, JSON.stringify(value));

/** With a tag, so that who has it already is told so in place of getting it again. */
function tagged(type: string, body: Buffer | string): Answer {
  const tag = `"${createHash("sha256").update(body).digest("base64url").slice(0, 22)}"`;
  return { type, body, headers: { ETag: tag, "Cache-Control": "private, no-cache" } };
}

/** From the package itself, as this module lies at another depth once it is bundled. */
function readPageFile(name: string): Promise<Buffer> {
  return readFile(createRequire(import.meta.url).resolve(`#studio/${name}`));
}
