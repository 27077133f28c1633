/** The studio's server: this machine only, reading only. */
import { randomBytes } from "node:crypto";
import { stat } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { EmberwingError } from "../errors.js";
import { RequestFailure } from "./failures.js";
import { pathBehindToken } from "./guard.js";
import type { Failure, RunList } from "./protocol.js";
import { answer } from "./routes.js";
import { Runs } from "./runs.js";

const ADDRESS = "127.0.0.1";

/** Nothing from elsewhere, nothing for elsewhere; the address, with its token, is told to nobody. */
const HEADERS = {
  "Content-Security-Policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "Cross-Origin-Resource-Policy": "same-origin",
  "Referrer-Policy": "no-referrer",
  "X-Content-Type-Options": "nosniff",
};

export interface Studio {
  /** The page's address, with the token. */
  readonly url: string;
  /** What was found at the start. */
  readonly found: RunList;
  close(): Promise<void>;
}

/**
 * Serves the runs under some folders.
 *
 * @param port 0: any that is free.
 * @throws `MissingFile` where a folder is none, `InUse` where the port is taken.
 */
export async function openStudio(folders: readonly string[], port: number): Promise<Studio> {
  for (const folder of folders) await checkFolder(folder);
  const runs = new Runs(folders);
  const token = randomBytes(18).toString("base64url");
  const server = createServer((request, response) => void respond(server, request, response, runs, token));
  await listen(server, port);
  return {
    url: `http://${ADDRESS}:${portOf(server)}/${token}/`,
    found: await runs.list(),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function checkFolder(folder: string): Promise<void> {
  const found = await stat(folder).catch(() => undefined);
  if (found?.isDirectory()) return;
  const got = found ? "found a file" : "there is none";
  throw new EmberwingError("MissingFile", `${folder}: expected a folder with runs in it, ${got}`);
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => reject(listenError(port, error)));
    server.listen(port, ADDRESS, resolve);
  });
}

function listenError(port: number, error: NodeJS.ErrnoException): EmberwingError {
  if (error.code === "EADDRINUSE") {
    const advice = "give another one, or none for any that is free";
    return new EmberwingError("InUse", `--port ${port}: another program listens there; ${advice}`, { cause: error });
  }
  return new EmberwingError("InvalidArgument", `--port ${port}: cannot be listened on (${error.code})`, {
    cause: error,
  });
}

const portOf = (server: Server): number => (server.address() as AddressInfo).port;

async function respond(
  server: Server,
  request: IncomingMessage,
  response: ServerResponse,
  runs: Runs,
  token: string,
): Promise<void> {
  try {
    const { type, body, headers } = await answer(runs, pathBehindToken(request, token, portOf(server)));
    const tag = headers?.ETag;
    const isKnown = tag !== undefined && request.headers["if-none-match"] === tag;
    response.writeHead(isKnown ? 304 : 200, {
      ...HEADERS,
      "Cache-Control": "no-store",
      "Content-Type": type,
      ...headers,
    });
    response.end(isKnown || request.method === "HEAD" ? undefined : body);
  } catch (error) {
    refuse(response, error);
  }
}

function refuse(response: ServerResponse, error: unknown): void {
  const { message } = error as Error;
  const [status, text] =
    error instanceof RequestFailure ? [error.status, message] : [500, `the studio failed: ${message}`];
  const failure: Failure = { error: text };
  response.writeHead(status, {
    ...HEADERS,
    "Cache-Control": "no-store",
    "Content-Type": "application/json; charset=utf-8",
  });
  response.end(JSON.stringify(failure));
}
