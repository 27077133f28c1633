/** Serves the checkout on loopback, as the page of the bench needs it. */
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const TYPES = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".json": "application/json",
  ".wasm": "application/wasm",
};
/** With these a page may share memory between threads. */
const ISOLATION = { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" };

/** @param {{ isolated: boolean }} options */
export async function serveCheckout({ isolated }) {
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url ?? "/", "http://localhost");
    const content = await readFile(join(ROOT, normalize(pathname))).catch(() => undefined);
    if (content === undefined) return response.writeHead(404).end();
    const type = TYPES[extname(pathname)] ?? "application/octet-stream";
    return response.writeHead(200, { "Content-Type": type, ...(isolated && ISOLATION) }).end(content);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}/`,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
