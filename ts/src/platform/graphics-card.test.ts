import { afterEach, describe, expect, test, vi } from "vitest";
import { findGraphicsCard } from "./graphics-card.js";

afterEach(() => vi.unstubAllGlobals());

const LIMITS = {
  maxComputeInvocationsPerWorkgroup: 256,
  maxComputeWorkgroupStorageSize: 16_384,
  maxStorageBuffersPerShaderStage: 8,
};
const adapter = {
  features: new Set(["timestamp-query"]),
  limits: LIMITS,
  info: { vendor: "maker", architecture: "kind", description: "", isFallbackAdapter: false },
};

function withAdapter(found: object | null): void {
  vi.stubGlobal("navigator", { gpu: { requestAdapter: async () => found } });
}

describe("a page's graphics card", () => {
  test("has a name", async () => {
    withAdapter(adapter);
    expect(await findGraphicsCard(false)).toEqual({ name: "maker kind", software: false });
    withAdapter({ ...adapter, info: { ...adapter.info, description: "Maker's card" } });
    expect(await findGraphicsCard(false)).toEqual({ name: "Maker's card", software: false });
    withAdapter({ ...adapter, info: { vendor: "", architecture: "", description: "" } });
    expect(await findGraphicsCard(false)).toEqual({ name: "unnamed", software: false });
  });

  test.for([
    ["no navigator", undefined, undefined, /no WebGPU here/],
    ["no WebGPU", {}, true, /no WebGPU here/],
    ["a page without https", {}, false, /secure pages/],
  ] as const)("%s", async ([, navigator, isSecureContext, reason]) => {
    vi.stubGlobal("navigator", navigator);
    vi.stubGlobal("isSecureContext", isSecureContext);
    expect(await findGraphicsCard(false)).toMatch(reason);
  });

  test.for([
    ["no adapter", null, /no adapter/],
    ["no timestamps", { ...adapter, features: new Set() }, /no timestamp-query/],
    [
      "small limits",
      { ...adapter, limits: { ...LIMITS, maxStorageBuffersPerShaderStage: 4 } },
      /maxStorageBuffersPerShaderStage is 4, and 8/,
    ],
    ["a program", { ...adapter, info: { ...adapter.info, isFallbackAdapter: true } }, /software adapter.*gpu: true/],
  ] as const)("%s", async ([, found, reason]) => {
    withAdapter(found);
    expect(await findGraphicsCard(false)).toMatch(reason);
  });

  test("a program is taken where it is asked for", async () => {
    withAdapter({ ...adapter, info: { ...adapter.info, isFallbackAdapter: true } });
    expect(await findGraphicsCard(true)).toMatchObject({ software: true });
  });
});
