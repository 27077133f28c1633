/** Serves a folder on loopback, as the simplest web server does: for pages of tests and of the bench. */

import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";

/** @type {Record<string, string>} */
const TYPES = {
  ".html": "text/html",
  ".css": "text/css",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".json": "application/json",
  ".svg": "image/svg+xml",
  ".wasm": "application/wasm",
};

/** With these headers a page may share memory between threads. */
export const ISOLATION = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
};

/** @typedef {{ url: string, close(): void }} FolderServer `url` ends with a slash */

/**
 * @param {string} folder
 * @param {{ types?: Record<string, string>, headers?: Record<string, string>, onRequest?: (path: string) => void }} [options]
 *   `types`: other content types by extension, for servers that are set up badly; `headers`: of every answer
 * @returns {Promise<FolderServer>}
 */
export async function serveFolder(folder, { types = {}, headers = {}, onRequest } = {}) {
  const known = { ...TYPES, ...types };
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url ?? "/", "http://localhost");
    onRequest?.(pathname);
    const path = join(folder, normalize(pathname.endsWith("/") ? `${pathname}index.html` : pathname));
    const content = await readFile(path).catch(() => undefined);
    if (content === undefined) return response.writeHead(404).end();
    const type = known[extname(path)] ?? "application/octet-stream";
    return response.writeHead(200, { "Content-Type": type, ...headers }).end(content);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  return {
    url: `http://127.0.0.1:${port}/`,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
