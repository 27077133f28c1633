/** The hub of `test/node` for tests in a page: what they ask of it, their server does. */
import { readFile } from "node:fs/promises";
import type { BrowserCommand } from "vitest/node";
import { type Fault, HubServer } from "../node/hub-server.js";

const servers = new Map<string, HubServer>();

function server(endpoint: string): HubServer {
  const found = servers.get(endpoint);
  if (!found) throw new Error(`there is no hub at ${endpoint}`);
  return found;
}

/** One request of a page. */
export interface PageRequest {
  /** Such as `GET hub /path`. */
  line: string;
  authorization: string | null;
  range: string | null;
}

const startHub: BrowserCommand<[]> = async () => {
  const started = await HubServer.start();
  servers.set(started.endpoint, started);
  return started.endpoint;
};

const stopHub: BrowserCommand<[endpoint: string]> = async (_, endpoint) => {
  await servers.get(endpoint)?.close();
  servers.delete(endpoint);
};

/** @param files Paths in the repository, and what lies there: files of `test/fixtures`. */
const commitToHub: BrowserCommand<
  [endpoint: string, key: string, files: Record<string, string>, options?: { isPrivate?: boolean }]
> = async (_, endpoint, key, files, options) => {
  const contents: Record<string, Uint8Array> = {};
  for (const [path, fixture] of Object.entries(files)) contents[path] = await readFile(`test/fixtures/${fixture}`);
  return server(endpoint).commit(key, contents, options);
};

const failHub: BrowserCommand<[endpoint: string, pattern: string, fault: Fault, times?: number]> = async (
  _,
  endpoint,
  pattern,
  fault,
  times,
) => server(endpoint).fail(new RegExp(pattern), fault, times);

/** What was asked since the last call. */
const takeHubRequests: BrowserCommand<[endpoint: string]> = async (_, endpoint): Promise<PageRequest[]> =>
  server(endpoint)
    .requests.splice(0)
    .map(({ host, method, url, authorization = null, range = null }) => ({
      line: `${method} ${host} ${url}`,
      authorization,
      range,
    }));

export const hubCommands = { startHub, stopHub, commitToHub, failHub, takeHubRequests };
