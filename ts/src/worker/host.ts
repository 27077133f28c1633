/** The worker's side: does what the page asks, with the API as it is, and keeps the objects that the page names. */
import { EmberwingError } from "../errors.js";
import {
  type Answer,
  API,
  ASYNC_ITERATOR,
  type Failure,
  isPlain,
  mapValues,
  packValue,
  type Request,
  STAND_IN,
  type StandIn,
  standIn,
  unpackValue,
} from "./messages.js";

/** The port to the page: a worker's global scope. */
export interface HostPort {
  postMessage(message: Answer, transfer: Transferable[]): void;
}

/** What a callback threw; the page has the error itself. */
class CallbackFailure extends Error {
  readonly call: number;

  constructor(call: number) {
    super("a callback failed");
    this.call = call;
  }
}

interface Telling {
  resolve(): void;
  reject(error: CallbackFailure): void;
}

type Member = (...args: unknown[]) => unknown;
type Start = (request: Extract<Request, { type: "start" }>) => Promise<void>;

export class Host {
  readonly #port: HostPort;
  readonly #start: Start;
  readonly #objects = new Map<number, object>();
  readonly #signals = new Map<number, AbortController>();
  readonly #telling = new Map<number, Telling>();
  #lastObject = API;
  #lastCall = 0;

  constructor(port: HostPort, api: object, start: Start) {
    this.#port = port;
    this.#start = start;
    this.#objects.set(API, api);
  }

  async receive(request: Request): Promise<void> {
    if (request.type === "abort") return this.#signal(request.signal).abort();
    if (request.type === "told") return this.#told(request);
    if (request.type === "release") return void this.#objects.delete(request.object);
    const filled: [number, Map<unknown, unknown>][] = [];
    try {
      const value = this.#pack(await this.#perform(request, filled));
      const answer = { type: "result", id: request.id, value, filled } as const;
      // What a method gives is new; what a property gives the object goes on to use.
      if (request.type === "get") this.#port.postMessage(answer, []);
      else this.#answer(answer);
    } catch (error) {
      this.#answer({ type: "failure", id: request.id, failure: describeFailure(error) });
    }
  }

  #perform(
    request: Exclude<Request, { type: "abort" | "release" | "told" }>,
    filled: [number, Map<unknown, unknown>][],
  ): unknown {
    if (request.type === "start") return this.#start(request);
    const { owner, name } = this.#find(request.object, request.path);
    if (request.type === "get") return owner[name];
    const args = request.args.map((arg) => this.#unpack(arg, filled));
    if (request.type === "construct") return new (owner[name] as new (...args: unknown[]) => object)(...args);
    if (name === ASYNC_ITERATOR) return (owner as unknown as AsyncIterable<unknown>)[Symbol.asyncIterator]();
    return (owner[name] as Member)(...args);
  }

  #find(object: number, path: readonly string[]): { owner: Record<string, unknown>; name: string } {
    const names = [...path];
    const name = names.pop() as string;
    const start = this.#objects.get(object);
    const owner = names.reduce<unknown>((value, name) => (value as Record<string, unknown>)[name], start);
    return { owner: owner as Record<string, unknown>, name };
  }

  /** Values that can be sent, and numbers for objects of our classes. */
  #pack(value: unknown): unknown {
    return mapValues(value, (object) => {
      const packed = packValue(object);
      if (packed !== undefined) return packed;
      if (!isOurs(object)) return undefined;
      this.#objects.set(++this.#lastObject, object);
      const kind = "next" in object ? "iterator" : "object";
      return { [STAND_IN]: kind, object: this.#lastObject } satisfies StandIn;
    });
  }

  #unpack(value: unknown, filled: [number, Map<unknown, unknown>][]): unknown {
    return mapValues(value, (object) => {
      const known = standIn(object);
      if (known === undefined) return undefined;
      switch (known[STAND_IN]) {
        case "object":
          return this.#objects.get(known.object);
        case "callback":
          return (...args: unknown[]) => this.#tell(known.callback, args);
        case "signal":
          if (known.aborted) this.#signal(known.signal).abort();
          return this.#signal(known.signal).signal;
        case "map": {
          const map = new Map();
          filled.push([known.map, map]);
          return map;
        }
        default:
          return unpackValue(known);
      }
    });
  }

  /** Calls a function of the page; settles when that has. */
  #tell(callback: number, args: unknown[]): Promise<void> {
    const call = ++this.#lastCall;
    return new Promise((resolve, reject) => {
      this.#telling.set(call, { resolve, reject });
      this.#answer({ type: "callback", callback, call, args: args.map((arg) => this.#pack(arg)) });
    });
  }

  #told({ call, failed }: Extract<Request, { type: "told" }>): void {
    const telling = this.#telling.get(call);
    this.#telling.delete(call);
    if (failed) telling?.reject(new CallbackFailure(call));
    else telling?.resolve();
  }

  #signal(number: number): AbortController {
    const controller = this.#signals.get(number) ?? new AbortController();
    this.#signals.set(number, controller);
    return controller;
  }

  /** Numbers are moved, not copied. */
  #answer(answer: Answer): void {
    const buffers = new Set<ArrayBuffer>();
    const collect = (value: unknown): unknown =>
      mapValues(value, (object) => {
        if (ArrayBuffer.isView(object)) buffers.add(object.buffer as ArrayBuffer);
        if (object instanceof Map) for (const item of object.values()) collect(item);
        return undefined;
      });
    collect(answer);
    this.#port.postMessage(answer, [...buffers]);
  }
}

/** Of a class that cannot be sent: the platform's own can. */
function isOurs(value: object): boolean {
  if (typeof value === "function" || Array.isArray(value) || isPlain(value)) return false;
  const platform = [ArrayBuffer, Map, Set, Date, RegExp, Error, Blob];
  return !ArrayBuffer.isView(value) && !platform.some((Class) => value instanceof Class);
}

function describeFailure(error: unknown): Failure {
  const { name, message } = error instanceof Error ? error : { name: "Error", message: String(error) };
  const crashed = [error, (error as Error | undefined)?.cause].some((one) => one instanceof WebAssembly.RuntimeError);
  const code = error instanceof EmberwingError && { code: error.code };
  return { name, message, crashed, ...code, ...(error instanceof CallbackFailure && { told: error.call }) };
}
