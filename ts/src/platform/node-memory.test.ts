import { beforeEach, expect, test } from "vitest";
import type { Core, ResourceHandle } from "../core.js";
import { enqueue, useCore } from "../engine.js";
import { Resource } from "../resource.js";
import { announceMemory } from "./node-memory.js";

class Thing extends Resource<ResourceHandle> {
  constructor(handle: ResourceHandle) {
    super(handle);
  }
}

/** What V8 was told, all together. */
let account = 0;
const core = {
  announceMemory: (bytes: number) => {
    account += bytes;
  },
};

beforeEach(() => {
  account = 0;
  useCore(() => core as unknown as Core, undefined, announceMemory);
});

function thing(bytes: number) {
  const state = { bytes };
  const handle = {
    memory: () => state.bytes,
    dispose: () => {
      state.bytes = 0;
    },
  };
  return { state, thing: new Thing(handle) };
}

test("the account follows what handles hold, and what is given back leaves it", async () => {
  const { state, thing: model } = thing(100);
  const { thing: other } = thing(7);
  await enqueue(() => undefined);
  expect(account).toBe(107);
  state.bytes = 300;
  await enqueue(() => undefined);
  expect(account).toBe(307);
  model.dispose();
  model.dispose();
  await enqueue(() => undefined);
  expect(account).toBe(7);
  other.dispose();
  await enqueue(() => undefined);
  expect(account).toBe(0);
});

test("objects that come and go leave nothing", async () => {
  for (let i = 0; i < 100; i++) {
    const { thing: model } = thing(1000);
    await enqueue(() => undefined);
    model.dispose();
  }
  await enqueue(() => undefined);
  expect(account).toBe(0);
});
