/** Requests to the hub: the token where it belongs, redirects, silence, and answers that say no. */
import { EmberwingError } from "../../errors.js";
import { textOf } from "./body.js";
import { connectionFailure, TransientFailure, withRetries } from "./retries.js";
import type { HubSettings } from "./settings.js";

export interface HubRequest extends RequestInit {
  /** Starts messages, such as `hub:owner/name/config.json`. */
  what: string;
  /** What a 404 means. Default: the repository or its revision is not there. */
  missing?: string;
  /** `"hub"` stops at a redirect to another host and returns it; its headers are what is wanted. Default `"all"`. */
  follow?: "all" | "hub";
  /** Answers of 400 and above that are fine all the same. */
  accept?: readonly number[];
}

const LONGEST_CHAIN = 10;
const REDIRECTS = [301, 302, 303, 307, 308];

export class HubClient {
  readonly settings: HubSettings;
  readonly signal: AbortSignal | undefined;

  constructor(settings: HubSettings, signal: AbortSignal | undefined) {
    this.settings = settings;
    this.signal = signal;
  }

  get attempts(): number {
    return this.settings.attempts;
  }

  /** The address of a path on the hub; its parts are encoded by the caller. */
  url(path: string): string {
    return this.settings.endpoint + path;
  }

  /** One answer as JSON, tried again where the connection or the server fails. */
  async json(url: string, request: HubRequest): Promise<{ content: unknown; headers: Headers }> {
    return withRetries(request.what, this, async () => {
      const { response, body } = await this.attempt(url, request, async (answer, { signal }) => ({
        response: answer,
        body: await textOf(answer, signal),
      }));
      return { content: this.#parse(request.what, body), headers: response.headers };
    });
  }

  /**
   * One attempt: sends the request, follows redirects, and hands the answer to `read`, which calls `alive` whenever it
   * waits for the server again, `rest` where it does not, and stops at the signal.
   *
   * @throws `TransientFailure` where another attempt may help.
   */
  async attempt<T>(
    url: string,
    request: HubRequest,
    read: (response: Response, during: { alive: () => void; rest: () => void; signal: AbortSignal }) => Promise<T>,
  ): Promise<T> {
    const silence = new Silence(this.settings.timeoutMs);
    try {
      const signals = [silence.signal, this.signal, request.signal].filter((signal) => signal != null);
      const signal = AbortSignal.any(signals);
      const response = await this.#follow(url, { ...request, signal });
      await this.#check(response, request, signal);
      return await read(response, { alive: () => silence.restart(), rest: () => silence.end(), signal });
    } catch (error) {
      if (!silence.signal.aborted || error instanceof EmberwingError) throw error;
      throw new TransientFailure(`the server was silent for ${this.settings.timeoutMs / 1000} seconds`);
    } finally {
      silence.end();
    }
  }

  /** A `fetch` for the uploads of `@huggingface/hub`, which has neither retries nor our errors. */
  fetchFor(what: string): typeof fetch {
    return (input, init = {}) => {
      const signal = init.signal ?? new AbortController().signal;
      return withRetries(what, { attempts: this.attempts, signal }, async () => {
        const response = await this.#follow(String(input), { ...init, what });
        await this.#check(response, { what }, signal);
        const { status, headers } = response;
        // Read here, because of what body.ts says of aborts.
        return new Response(status === 204 ? null : await textOf(response, signal), { status, headers });
      });
    };
  }

  /**
   * By hand where that can be, because the token must not go to another host, and because the hub's own headers are on
   * its redirect. Browsers follow by themselves and take the token off where the host changes, as the Fetch standard says.
   */
  async #follow(
    first: string,
    { what, missing: _, accept: __, follow = "all", ...init }: HubRequest,
  ): Promise<Response> {
    let url = first;
    for (let hops = 0; hops <= LONGEST_CHAIN; hops++) {
      const headers = this.#headers(url, init.headers);
      const response = await fetch(url, { ...init, headers, redirect: this.settings.redirect }).catch((error) =>
        Promise.reject(connectionFailure(error)),
      );
      const target = REDIRECTS.includes(response.status) ? response.headers.get("Location") : null;
      if (target === null) return response;
      const next = URL.canParse(target, url) ? new URL(target, url) : undefined;
      if (next?.protocol !== "https:" && next?.protocol !== "http:") {
        throw new EmberwingError("Network", `${what}: the server redirects to an address that is none`);
      }
      if (follow === "hub" && next.origin !== this.#origin) return response;
      await response.body?.cancel();
      url = next.href;
    }
    throw new EmberwingError("Network", `${what}: the server redirects without end`);
  }

  get #origin(): string {
    return new URL(this.settings.endpoint).origin;
  }

  #headers(url: string, given: HeadersInit | undefined): Headers {
    const headers = new Headers(given);
    for (const [name, value] of Object.entries(this.settings.headers)) headers.set(name, value);
    headers.delete("Authorization");
    const { token } = this.settings;
    if (token !== undefined && new URL(url).origin === this.#origin) headers.set("Authorization", `Bearer ${token}`);
    return headers;
  }

  async #check(response: Response, request: HubRequest, signal: AbortSignal): Promise<void> {
    const { status } = response;
    if (status < 400 || request.accept?.includes(status)) return;
    const said = this.#withoutToken(await reasonGiven(response, signal));
    if (status === 408 || status === 429 || status >= 500) {
      throw new TransientFailure(`the server answers ${status}${said}`, { retryAfterMs: retryAfter(response.headers) });
    }
    throw refusal(response, request, said, this.settings);
  }

  #parse(what: string, text: string): unknown {
    try {
      return JSON.parse(text);
    } catch (error) {
      const problem = `the server's answer is not JSON: is ${this.settings.endpoint} a hub?`;
      throw new EmberwingError("Network", `${what}: ${problem}`, { cause: error });
    }
  }

  /** A server may well quote what it was sent. */
  #withoutToken(text: string): string {
    const { token } = this.settings;
    return token === undefined ? text : text.replaceAll(token, "…");
  }
}

/** Ends a request in which nothing was heard for a while. */
class Silence {
  readonly #controller = new AbortController();
  readonly #milliseconds: number;
  #timer: ReturnType<typeof setTimeout>;

  constructor(milliseconds: number) {
    this.#milliseconds = milliseconds;
    this.#timer = this.#start();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  restart(): void {
    this.end();
    this.#timer = this.#start();
  }

  end(): void {
    clearTimeout(this.#timer);
  }

  #start(): ReturnType<typeof setTimeout> {
    return setTimeout(() => this.#controller.abort(), this.#milliseconds);
  }
}

const LONGEST_REASON = 300;

/** What the server says of its refusal, in one short line. */
async function reasonGiven(response: Response, signal: AbortSignal): Promise<string> {
  const body = await textOf(response, signal);
  const message = response.headers.get("X-Error-Message") ?? errorIn(body);
  return message === undefined ? "" : ` (${message.replace(/\s+/g, " ").slice(0, LONGEST_REASON)})`;
}

function errorIn(body: string): string | undefined {
  try {
    const { error } = JSON.parse(body) as { error?: unknown };
    return typeof error === "string" ? error : undefined;
  } catch {
    return undefined; // A page for people, which is no reason.
  }
}

/** Seconds or a date, or the hub's own `RateLimit: "api";r=0;t=12`. */
function retryAfter(headers: Headers): number | undefined {
  const asked = headers.get("Retry-After");
  if (asked !== null) {
    const seconds = /^\d+$/.test(asked) ? Number(asked) : (Date.parse(asked) - Date.now()) / 1000;
    if (!Number.isNaN(seconds)) return Math.max(0, 1000 * seconds);
  }
  const reset = /;\s*t=(\d+)/.exec(headers.get("RateLimit") ?? "")?.[1];
  return reset === undefined ? undefined : 1000 * Number(reset);
}

function refusal(
  { status, headers }: Response,
  { what, missing = "there is no such repository or revision" }: HubRequest,
  said: string,
  settings: HubSettings,
): EmberwingError {
  const hasToken = settings.token !== undefined;
  // Without a token, the hub says 401 also for repositories that do not exist.
  if (status === 401 || status === 403) {
    const token = hasToken ? "the token does not allow it" : `it needs a token: ${settings.tokenAdvice}`;
    const perhaps = headers.get("X-Error-Code") === "RepoNotFound" ? "there is no such repository, or " : "";
    return new EmberwingError("AccessDenied", `${what}: ${perhaps}${token}${said}`);
  }
  if (status === 404) {
    const perhaps = hasToken ? "" : `; a private one needs a token: ${settings.tokenAdvice}`;
    return new EmberwingError("MissingFile", `${what}: ${missing}${perhaps}${said}`);
  }
  return new EmberwingError("Network", `${what}: the server answers ${status}${said}`, { cause: status });
}
