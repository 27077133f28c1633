/** Who may ask: pages that were opened with the printed address, on this machine. */
import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { RequestFailure } from "./failures.js";

/**
 * The path after the token, query included: `api/runs` of `/TOKEN/api/runs`.
 *
 * @throws RequestFailure where the request does not come from the page.
 */
export function pathBehindToken(request: IncomingMessage, token: string, port: number): string {
  if (request.method !== "GET" && request.method !== "HEAD") throw new RequestFailure(405, "only GET and HEAD");
  checkHost(request.headers.host, port);
  const [, given = "", path] = /^\/([^/?]*)\/(.*)$/.exec(request.url ?? "") ?? [];
  if (path !== undefined && isSame(given, token)) return path;
  throw new RequestFailure(403, "the token is missing or wrong: open the address that `emberwing studio` printed");
}

/**
 * A foreign site can let its own name lead to this machine (DNS rebinding), and its scripts then ask here as if it were
 * their own site; the name in the header is still its own.
 */
function checkHost(host: string | undefined, port: number): void {
  const own = ["127.0.0.1", "localhost"].flatMap((name) => (port === 80 ? [name, `${name}:80`] : [`${name}:${port}`]));
  if (own.includes(host?.toLowerCase() ?? "")) return;
  throw new RequestFailure(403, `the host must be one of ${own.join(", ")}`);
}

/** In the same time wherever they differ. */
function isSame(a: string, b: string): boolean {
  const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}
