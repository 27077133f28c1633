/** The page's side: questions to a worker, and what stands for the objects that live there. */
import { EmberwingError, type ErrorCode } from "../errors.js";
import {
  type Answer,
  API,
  ASYNC_ITERATOR,
  type Failure,
  mapValues,
  packValue,
  type Request,
  STAND_IN,
  type StandIn,
  standIn,
  unpackValue,
} from "./messages.js";

/** How a stand-in of an object tells which one it is. */
const OBJECT = Symbol("emberwing object");

type Question = Request extends infer One ? (One extends { id: number } ? Omit<One, "id"> : never) : never;

interface Pending {
  resolve(value: unknown): void;
  reject(error: unknown): void;
  signals: AbortSignal[];
  callbacks: number[];
}

export class Connection {
  readonly #worker: Worker;
  readonly #pending = new Map<number, Pending>();
  readonly #callbacks = new Map<number, (...args: unknown[]) => unknown>();
  /** What callbacks threw, by their call, until the worker's call that made it has failed. */
  readonly #thrown = new Map<number, unknown>();
  readonly #maps = new Map<number, Map<unknown, unknown>>();
  readonly #signals = new WeakMap<AbortSignal, number>();
  readonly #abandoned = new FinalizationRegistry<number>((object) => this.#post({ type: "release", object }));
  #last = 0;
  #lost: EmberwingError | undefined;

  constructor(worker: Worker) {
    this.#worker = worker;
    worker.onmessage = ({ data }: MessageEvent<Answer>) => this.#receive(data);
    worker.onerror = (event) => {
      event.preventDefault();
      this.close(event.message || "its script cannot be loaded");
    };
    worker.onmessageerror = () => this.close("an answer could not be read");
  }

  /** Ends the worker; what was asked and what will be asked rejects with `WorkerLost`. */
  close(reason: string): void {
    this.#lost ??= new EmberwingError("WorkerLost", `the worker has ended (${reason}): make a new one`);
    this.#worker.terminate();
    for (const { reject } of this.#pending.values()) reject(this.#lost);
    this.#pending.clear();
  }

  ask(question: Question, args: readonly unknown[] = []): Promise<unknown> {
    if (this.#lost) return Promise.reject(this.#lost);
    const id = ++this.#last;
    const signals: AbortSignal[] = [];
    const callbacks: number[] = [];
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject, signals, callbacks });
      const packed = args.map((arg) => this.#pack(arg, signals, callbacks));
      const request = { ...question, id, ...("args" in question && { args: packed }) } as Request;
      try {
        this.#post(request);
      } catch (error) {
        this.#pending.delete(id);
        reject(error);
      }
    });
  }

  /** What stands for an object of the worker: its members are asked for there. */
  remote(object: number): object {
    const proxy = this.#member(object, [], undefined);
    if (object !== API) this.#abandoned.register(proxy, object);
    return proxy;
  }

  /** @param owner Held, so that the object is not given back while a member of it is in use. */
  #member(object: number, path: readonly string[], owner: object | undefined): object {
    const call = (names: readonly string[], args: readonly unknown[]): object => this.#call(object, names, args);
    const self: object = new Proxy(function stands() {}, {
      get: (_, name) => {
        if (name === OBJECT) return path.length === 0 ? object : undefined;
        if (name === Symbol.asyncIterator) return () => call([...path, ASYNC_ITERATOR], []);
        if (name === Symbol.dispose) return () => void call([...path, "dispose"], []);
        if (name === "then") return this.#then(object, path);
        return typeof name === "symbol" ? undefined : this.#member(object, [...path, name], owner ?? self);
      },
      apply: (_, __, args) => call(path, args),
      construct: (_, args) => this.ask({ type: "construct", object, path, args: [] }, args),
    });
    return self;
  }

  /** Awaiting a member reads it; the object itself is there already. */
  #then(object: number, path: readonly string[]): unknown {
    if (path.length === 0) return undefined;
    return (resolve: (value: unknown) => void, reject: (error: unknown) => void) =>
      void this.ask({ type: "get", object, path }).then(resolve, reject);
  }

  /** A promise that is an async iterator too, for methods such as `run`. */
  #call(object: number, path: readonly string[], args: readonly unknown[]): object {
    const result = this.ask({ type: "call", object, path, args: [] }, args);
    const signal = findSignal(args);
    const iterator = iterate(result as Promise<AsyncGenerator<unknown>>, signal);
    return Object.assign(result, {
      next: () => iterator.next(),
      return: () => iterator.return(undefined),
      throw: (error: unknown) => iterator.throw(error),
      [Symbol.asyncIterator]: () => iterator,
    });
  }

  #receive(answer: Answer): void {
    if (answer.type === "callback") {
      void this.#tell(answer);
      return;
    }
    const pending = this.#pending.get(answer.id);
    if (!pending) return;
    this.#pending.delete(answer.id);
    // An object that the call gave may go on to use them.
    if (!givesObject(answer)) for (const callback of pending.callbacks) this.#callbacks.delete(callback);
    if (answer.type === "failure") {
      this.#fail(pending, answer.failure);
    } else {
      for (const [map, content] of answer.filled) this.#fill(map, content);
      pending.resolve(this.#unpack(answer.value));
    }
  }

  async #tell({ callback, call, args }: Extract<Answer, { type: "callback" }>): Promise<void> {
    let failed = false;
    try {
      await this.#callbacks.get(callback)?.(...args.map((arg) => this.#unpack(arg)));
    } catch (error) {
      failed = true;
      this.#thrown.set(call, error);
    }
    this.#post({ type: "told", call, failed });
  }

  #fail({ reject, signals }: Pending, failure: Failure): void {
    if (failure.told !== undefined && this.#thrown.has(failure.told)) {
      reject(this.#thrown.get(failure.told));
      this.#thrown.delete(failure.told);
      return;
    }
    const aborted = signals.find((signal) => signal.aborted);
    reject(failure.name === "AbortError" && aborted ? aborted.reason : errorOf(failure));
    if (failure.crashed) this.close(failure.message);
  }

  #fill(number: number, content: Map<unknown, unknown>): void {
    const map = this.#maps.get(number);
    for (const [key, value] of content) map?.set(key, value);
    this.#maps.delete(number);
  }

  #pack(value: unknown, signals: AbortSignal[], callbacks: number[]): unknown {
    return mapValues(value, (object) => {
      const number = (object as { [OBJECT]?: number })[OBJECT];
      if (number !== undefined) return { [STAND_IN]: "object", object: number } satisfies StandIn;
      const packed = packValue(object);
      if (packed !== undefined) return packed;
      if (object instanceof AbortSignal) {
        signals.push(object);
        return { [STAND_IN]: "signal", signal: this.#signalNumber(object), aborted: object.aborted } satisfies StandIn;
      }
      if (object instanceof Map && object.size === 0) {
        this.#maps.set(++this.#last, object);
        return { [STAND_IN]: "map", map: this.#last } satisfies StandIn;
      }
      if (typeof object !== "function") return undefined;
      const callback = ++this.#last;
      callbacks.push(callback);
      this.#callbacks.set(callback, object as (...args: unknown[]) => unknown);
      return { [STAND_IN]: "callback", callback } satisfies StandIn;
    });
  }

  #unpack(value: unknown): unknown {
    return mapValues(value, (object) => {
      const known = standIn(object);
      if (known === undefined) return undefined;
      switch (known[STAND_IN]) {
        case "object":
        case "iterator":
          return this.remote(known.object);
        default:
          return unpackValue(known);
      }
    });
  }

  #signalNumber(signal: AbortSignal): number {
    const known = this.#signals.get(signal);
    if (known !== undefined) return known;
    const number = ++this.#last;
    this.#signals.set(signal, number);
    signal.addEventListener("abort", () => this.#post({ type: "abort", signal: number }), { once: true });
    return number;
  }

  #post(request: Request): void {
    if (!this.#lost) this.#worker.postMessage(request);
  }
}

/** The events of a loop that runs in the worker, one question each: the loop waits for whoever reads it. */
async function* iterate(
  started: Promise<AsyncGenerator<unknown>>,
  signal: AbortSignal | undefined,
): AsyncGenerator<unknown, void, void> {
  const remote = await started;
  let ended = false;
  try {
    for (;;) {
      const { done, value } = await remote.next();
      ended = done === true;
      if (ended) return;
      yield value;
    }
  } catch (error) {
    ended = true;
    throw (error as Error | undefined)?.name === "AbortError" && signal?.aborted ? signal.reason : error;
  } finally {
    if (!ended) await remote.return(undefined);
  }
}

function findSignal(args: readonly unknown[]): AbortSignal | undefined {
  const options = args.find((arg) => typeof arg === "object" && arg !== null && "signal" in arg);
  return (options as { signal?: AbortSignal } | undefined)?.signal;
}

function givesObject(answer: Answer): boolean {
  const { value } = answer as { value?: unknown };
  const kind = typeof value === "object" && value !== null ? standIn(value)?.[STAND_IN] : undefined;
  return kind === "object" || kind === "iterator";
}

function errorOf({ name, message, code }: Failure): Error {
  if (code !== undefined) return new EmberwingError(code as ErrorCode, message);
  return Object.assign(new Error(message), { name });
}
