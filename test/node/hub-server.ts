/** The hub's protocol on loopback, with the storage of large files on a second port, as another host, and with faults. */
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export const TOKEN = "hf_testtoken";

/** What goes wrong with a request. */
export interface Fault {
  /** Answers this instead. */
  status?: number;
  headers?: Record<string, string>;
  body?: string;
  /** Ends the connection after so many bytes of the body. */
  cutAfter?: number;
  /** Flips a bit of the body. */
  corrupt?: boolean;
  /** Answers with the whole of a file. */
  ignoreRange?: boolean;
  /** Never answers. */
  silent?: boolean;
}

export interface LoggedRequest {
  host: "hub" | "storage";
  method: string;
  url: string;
  authorization: string | undefined;
  range: string | undefined;
}

interface StoredFile {
  content: Buffer;
  isLarge: boolean;
}

interface Repo {
  isPrivate: boolean;
  /** Contents of every commit, the newest last. */
  commits: Map<string, Map<string, StoredFile>>;
  refs: Map<string, string>;
  titles: string[];
}

/** As the real hub, which lets pages of every site read it, and see these headers. */
const FOR_PAGES = {
  "Access-Control-Allow-Origin": "*",
  "Access-Control-Expose-Headers":
    "ETag, Link, Content-Range, X-Error-Code, X-Error-Message, X-Linked-Etag, X-Linked-Size",
};

type Answer = { status?: number; headers?: Record<string, string>; body?: string | Buffer };

/** How long a client has to read what came before a cut: what lies unread in its buffers then is lost. */
const READ_MS = 100;

const sha256 = (content: Buffer): string => createHash("sha256").update(content).digest("hex");
const gitHash = (content: Buffer): string =>
  createHash("sha1").update(`blob ${content.length}\0`).update(content).digest("hex");
const isLarge = (path: string): boolean => /\.(safetensors|bin|parquet|png|zip)$/.test(path);
const json = (value: unknown, status = 200): Answer => ({
  status,
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify(value),
});

export class HubServer {
  readonly requests: LoggedRequest[] = [];
  /** By `models/owner/name` or `datasets/owner/name`. */
  readonly repos = new Map<string, Repo>();
  readonly #stored = new Map<string, Buffer>();
  readonly #faults: { pattern: RegExp; fault: Fault; times: number }[] = [];
  readonly #hub = this.#server("hub", (request, url, body) => this.#answer(request, url, body));
  readonly #storage = this.#server("storage", (request, url, body) => this.#storageAnswer(request, url, body));
  /** Large files go up in parts of so many bytes. */
  partSize = Number.POSITIVE_INFINITY;
  /** Files of a page of a listing. */
  pageSize = 2;

  static async start(): Promise<HubServer> {
    const server = new HubServer();
    for (const each of [server.#hub, server.#storage]) {
      await new Promise<void>((resolve) => each.listen(0, "127.0.0.1", resolve));
    }
    return server;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.#hub.address() as AddressInfo).port}`;
  }

  get #storageUrl(): string {
    return `http://127.0.0.1:${(this.#storage.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    for (const server of [this.#hub, this.#storage]) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  }

  /** Lets the next `times` requests that match, such as `GET /api/models`, fail. */
  fail(pattern: RegExp, fault: Fault, times = 1): void {
    this.#faults.push({ pattern, fault, times });
  }

  /** The log as `HEAD hub /path`, and an empty one from now on. */
  takeLog(): string[] {
    return this.requests.splice(0).map(({ host, method, url }) => `${method} ${host} ${url}`);
  }

  /** Makes a commit; returns its hash. */
  commit(key: string, files: Record<string, string | Uint8Array>, options: { isPrivate?: boolean } = {}): string {
    const repo = this.repos.get(key) ?? this.#create(key, options.isPrivate ?? false);
    const next = new Map(this.#filesAt(repo, "main"));
    for (const [path, content] of Object.entries(files)) {
      const stored = { content: Buffer.from(content as string), isLarge: isLarge(path) };
      if (stored.isLarge) this.#stored.set(sha256(stored.content), stored.content);
      next.set(path, stored);
    }
    return this.#addCommit(repo, next, "by hand");
  }

  /** The files of a repository's newest commit. */
  files(key: string): Map<string, Buffer> {
    const files = this.#filesAt(this.repos.get(key) as Repo, "main") ?? new Map<string, StoredFile>();
    return new Map([...files].map(([path, { content }]) => [path, content]));
  }

  head(key: string): string {
    return this.repos.get(key)?.refs.get("main") ?? "";
  }

  #create(key: string, isPrivate: boolean): Repo {
    const repo: Repo = { isPrivate, commits: new Map(), refs: new Map(), titles: [] };
    this.repos.set(key, repo);
    this.#addCommit(
      repo,
      new Map([[".gitattributes", { content: Buffer.from("*.bin lfs\n"), isLarge: false }]]),
      "initial",
    );
    return repo;
  }

  #addCommit(repo: Repo, files: Map<string, StoredFile>, title: string): string {
    const hash = createHash("sha1").update(`${Math.random()}`).digest("hex");
    repo.commits.set(hash, files);
    repo.refs.set("main", hash);
    repo.titles.push(title);
    return hash;
  }

  #filesAt(repo: Repo, revision: string): Map<string, StoredFile> | undefined {
    return repo.commits.get(repo.refs.get(revision) ?? revision);
  }

  #server(host: LoggedRequest["host"], answer: (request: IncomingMessage, url: URL, body: Buffer) => Answer): Server {
    return createServer(async (request, response) => {
      const { method = "", url = "", headers } = request;
      // What browsers ask before they send a token; no program does.
      if (method === "OPTIONS") {
        response.writeHead(204, { ...FOR_PAGES, "Access-Control-Allow-Headers": "authorization" }).end();
        return;
      }
      this.requests.push({ host, method, url, authorization: headers.authorization, range: headers.range });
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk);
      const fault = this.#faultFor(`${method} ${url}`);
      if (fault?.silent) return;
      if (fault?.ignoreRange) delete request.headers.range;
      if (fault?.status !== undefined || fault?.body !== undefined) return send(response, fault, fault);
      send(response, answer(request, new URL(url, this.endpoint), Buffer.concat(chunks)), fault);
    });
  }

  #faultFor(request: string): Fault | undefined {
    const found = this.#faults.find(({ pattern, times }) => times > 0 && pattern.test(request));
    if (found) found.times--;
    return found?.fault;
  }

  #answer(request: IncomingMessage, url: URL, body: Buffer): Answer {
    const { pathname } = url;
    const isKnown = request.headers.authorization === `Bearer ${TOKEN}`;
    if (pathname === "/api/whoami-v2") return isKnown ? json({ name: "me" }) : json({ error: "who?" }, 401);
    if (pathname === "/api/validate-yaml") return json({ errors: [], warnings: [] });
    if (pathname === "/api/repos/create") return isKnown ? this.#createAnswer(body) : json({ error: "no token" }, 401);
    const cached = /^\/api\/resolve-cache\/(models|datasets)\/([^/]+\/[^/]+)\/([^/]+)\/(.+)$/.exec(pathname);
    if (cached)
      return this.#regularFile(
        `${cached[1]}/${cached[2]}`,
        cached[3] as string,
        decodeURIComponent(cached[4] as string),
      );
    const resolve = /^\/(datasets\/)?([^/]+\/[^/]+)\/resolve\/([^/]+)\/(.+)$/.exec(pathname);
    const lfs = /^\/([^/]+\/[^/]+)\.git\/info\/lfs\/objects\/batch$/.exec(pathname);
    const api = /^\/api\/(models|datasets)\/([^/]+\/[^/]+)(?:\/(\w+)\/([^/]+))?$/.exec(pathname);
    const key = resolve
      ? `${resolve[1] ?? "models/"}${resolve[2]}`
      : lfs
        ? `models/${lfs[1]}`
        : `${api?.[1]}/${api?.[2]}`;
    const repo = this.repos.get(key);
    if (!repo || (repo.isPrivate && !isKnown)) {
      const headers = { "X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found" };
      return { status: isKnown ? 404 : 401, headers, body: "Repository not found" };
    }
    if (request.method === "POST" && !isKnown) return json({ error: "no token" }, 401);
    if (resolve)
      return this.#resolve(
        repo,
        key,
        decodeURIComponent(resolve[3] as string),
        decodeURIComponent(resolve[4] as string),
      );
    if (lfs) return this.#lfsBatch(body);
    const [, , id, what, revision = "main"] = api ?? [];
    return this.#api(repo, id as string, what ?? "revision", decodeURIComponent(revision), url, body);
  }

  #createAnswer(body: Buffer): Answer {
    const { organization, name, type, visibility } = JSON.parse(String(body));
    const key = `${type ?? "model"}s/${organization ?? "me"}/${name}`;
    if (this.repos.has(key)) return json({ error: "You already created this repo" }, 409);
    this.#create(key, visibility === "private");
    return json({ url: `${this.endpoint}/${organization}/${name}` });
  }

  #api(repo: Repo, id: string, what: string, revision: string, url: URL, body: Buffer): Answer {
    const files = this.#filesAt(repo, revision);
    if (!files) {
      return { status: 404, headers: { "X-Error-Code": "RevisionNotFound" }, body: "Invalid rev id" };
    }
    const sha = repo.refs.get(revision) ?? revision;
    switch (what) {
      case "revision":
        return json({
          id,
          sha,
          private: repo.isPrivate,
          siblings: [...files.keys()].map((rfilename) => ({ rfilename })),
        });
      case "tree":
        return this.#tree(files, url);
      case "preupload": {
        const given = JSON.parse(String(body)).files as { path: string }[];
        const modes = given.map(({ path }) => ({
          path,
          uploadMode: isLarge(path) ? "lfs" : "regular",
          shouldIgnore: false,
        }));
        return json({ files: modes });
      }
      case "commit":
        return this.#commitAnswer(repo, id, String(body));
      default:
        return json({ error: "unknown" }, 404);
    }
  }

  #tree(files: Map<string, StoredFile>, url: URL): Answer {
    const from = Number(url.searchParams.get("cursor") ?? 0);
    const page = [...files].slice(from, from + this.pageSize).map(([path, { content, isLarge }]) => {
      const lfs = { lfs: { oid: sha256(content), size: content.length, pointerSize: 130 } };
      return { type: "file", path, oid: gitHash(content), size: content.length, ...(isLarge && lfs) };
    });
    url.searchParams.set("cursor", String(from + this.pageSize));
    const link: Record<string, string> = from + this.pageSize < files.size ? { Link: `<${url.href}>; rel="next"` } : {};
    return { ...json(page), headers: link };
  }

  #resolve(repo: Repo, key: string, revision: string, path: string): Answer {
    const commit = repo.refs.get(revision) ?? revision;
    const file = this.#filesAt(repo, revision)?.get(path);
    if (!file) return { status: 404, headers: { "X-Error-Code": "EntryNotFound" }, body: "Entry not found" };
    const headers = { "X-Repo-Commit": commit };
    if (!file.isLarge) {
      const Location = `/api/resolve-cache/${key}/${commit}/${encodeURIComponent(path)}`;
      return { status: 307, headers: { ...headers, Location }, body: "Temporary Redirect" };
    }
    const hash = sha256(file.content);
    const linked = { "X-Linked-Etag": `"${hash}"`, "X-Linked-Size": String(file.content.length) };
    return {
      status: 302,
      headers: { ...headers, ...linked, Location: `${this.#storageUrl}/${hash}?signature=secret` },
      body: "",
    };
  }

  #regularFile(key: string, commit: string, path: string): Answer {
    const content = this.repos.get(key)?.commits.get(commit)?.get(path)?.content;
    if (!content) return { status: 404, body: "Entry not found" };
    return { headers: { "X-Repo-Commit": commit, ETag: `"${gitHash(content)}"` }, body: content };
  }

  #lfsBatch(body: Buffer): Answer {
    const { objects } = JSON.parse(String(body)) as { objects: { oid: string; size: number }[] };
    const upload = ({ oid, size }: { oid: string; size: number }) => {
      const href = `${this.#storageUrl}/${oid}`;
      if (size <= this.partSize) return { actions: { upload: { href: `${href}?signature=secret` } } };
      const numbers = Array.from({ length: Math.ceil(size / this.partSize) }, (_, index) => String(index + 1));
      const header = Object.fromEntries(numbers.map((part) => [part, `${href}/${part}?signature=secret`]));
      return {
        actions: { upload: { href: `${href}/complete`, header: { ...header, chunk_size: String(this.partSize) } } },
      };
    };
    const answers = objects.map((object) => ({ ...object, ...(!this.#stored.has(object.oid) && upload(object)) }));
    return json({ transfer: "basic", objects: answers });
  }

  #commitAnswer(repo: Repo, id: string, body: string): Answer {
    const lines = body
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    const files = new Map(this.#filesAt(repo, "main"));
    let title = "";
    for (const { key, value } of lines) {
      if (key === "header") {
        title = value.summary;
        if (value.parentCommit && value.parentCommit !== repo.refs.get("main"))
          return json({ error: "A commit has happened since" }, 412);
      } else if (key === "file")
        files.set(value.path, { content: Buffer.from(value.content, "base64"), isLarge: false });
      else if (key === "deletedFile") files.delete(value.path);
      else {
        const content = this.#stored.get(value.oid);
        if (!content) return json({ error: "large file was not uploaded" }, 400);
        files.set(value.path, { content, isLarge: true });
      }
    }
    const commitOid = this.#addCommit(repo, files, title);
    return json({ success: true, commitOid, commitUrl: `${this.endpoint}/${id}/commit/${commitOid}`, hookOutput: "" });
  }

  /** A part of a large file, or the end of its upload. */
  #part(hash: string, part: string, body: Buffer): Answer {
    const key = (number: string | number): string => `${hash}/${number}`;
    if (part !== "complete") {
      this.#stored.set(key(part), body);
      return { headers: { ETag: `etag-${part}` }, body: "" };
    }
    const { oid, parts } = JSON.parse(String(body)) as { oid: string; parts: { etag: string; partNumber: number }[] };
    if (parts.some(({ etag, partNumber }) => etag !== `etag-${partNumber}`))
      return { status: 400, body: "wrong parts" };
    const content = Buffer.concat(parts.map(({ partNumber }) => this.#stored.get(key(partNumber)) ?? Buffer.alloc(0)));
    if (sha256(content) !== oid || oid !== hash) return { status: 400, body: "wrong hash" };
    this.#stored.set(oid, content);
    return json({});
  }

  #storageAnswer({ method, headers }: IncomingMessage, url: URL, body: Buffer): Answer {
    const hash = url.pathname.slice(1);
    const parts = /^\/(\w+)\/(\d+|complete)$/.exec(url.pathname);
    if (parts) return this.#part(parts[1] as string, parts[2] as string, body);
    if (method === "PUT") {
      // As the storage of the real hub, which takes no chunked bodies.
      if (headers["content-length"] === undefined) return { status: 411, body: "" };
      if (sha256(body) !== hash) return { status: 400, body: "wrong hash" };
      this.#stored.set(hash, body);
      return { headers: { ETag: hash }, body: "" };
    }
    const content = this.#stored.get(hash);
    if (!content) return { status: 404, body: "" };
    const start = Number(/^bytes=(\d+)-$/.exec(headers.range ?? "")?.[1] ?? 0);
    if (start === 0) return { headers: { "Accept-Ranges": "bytes" }, body: content };
    if (start >= content.length) return { status: 416, body: "" };
    const range = { "Content-Range": `bytes ${start}-${content.length - 1}/${content.length}` };
    return { status: 206, headers: range, body: content.subarray(start) };
  }
}

function send(
  response: ServerResponse,
  { status = 200, headers = {}, body = "" }: Answer,
  fault: Fault | undefined,
): void {
  const content = Buffer.from(body as string);
  if (fault?.corrupt) content[content.length - 1] = (content.at(-1) ?? 0) ^ 1;
  response.writeHead(status, { ...FOR_PAGES, ...headers, "Content-Length": content.length });
  const isHead = response.req.method === "HEAD";
  if (fault?.cutAfter === undefined || isHead) response.end(isHead ? undefined : content);
  else response.write(content.subarray(0, fault.cutAfter), () => setTimeout(() => response.destroy(), READ_MS));
}
