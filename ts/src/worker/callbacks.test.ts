/** Callbacks between a page and its worker, over a channel of messages in place of a worker. */
import { afterEach, describe, expect, test } from "vitest";
import { Connection } from "./connection.js";
import { Host, type HostPort } from "./host.js";
import { API, type Request } from "./messages.js";

type Told = (value: unknown) => unknown;

const ports: MessagePort[] = [];
afterEach(() => {
  for (const port of ports.splice(0)) port.close();
});

/** What the worker's API does with a callback. */
const api = {
  async tell(told: Told): Promise<string> {
    await told({ step: 1 });
    await told({ step: 2 });
    return "done";
  },
  async *events(told: Told): AsyncGenerator<number> {
    yield 1;
    await told("between");
    yield 2;
  },
};

function connect(): typeof api {
  const { port1: page, port2: worker } = new MessageChannel();
  ports.push(page, worker);
  const host = new Host(worker as unknown as HostPort, api, async () => undefined);
  worker.onmessage = ({ data }: MessageEvent<Request>) => void host.receive(data);
  const standIn = {
    postMessage: (message: unknown) => page.postMessage(message),
    terminate: () => page.close(),
  } as unknown as Worker;
  const connection = new Connection(standIn);
  page.onmessage = (event) => standIn.onmessage?.(event);
  return connection.remote(API) as typeof api;
}

describe("a callback of the page", () => {
  test.each<[string, (error: unknown) => Told]>([
    ["rejects", (error) => async () => Promise.reject(error)],
    [
      "throws",
      (error) => () => {
        throw error;
      },
    ],
  ])("that %s makes the worker's call reject with its very error", async (_, failing) => {
    for (const error of [new RangeError("disk full"), undefined, "text"]) {
      await expect(connect().tell(failing(error))).rejects.toBe(error);
      const loop = async () => {
        for await (const event of connect().events(failing(error))) expect(event).toBe(1);
      };
      await expect(loop()).rejects.toBe(error);
    }
  });

  test("is awaited in the worker", async () => {
    let running = 0;
    const steps: unknown[] = [];
    const told = async (value: unknown) => {
      expect(++running).toBe(1);
      await new Promise((resolve) => setTimeout(resolve, 5));
      steps.push(value);
      running--;
    };
    expect(await connect().tell(told)).toBe("done");
    expect(steps).toEqual([{ step: 1 }, { step: 2 }]);
  });
});
