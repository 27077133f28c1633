import { beforeEach, describe, expect, test, vi } from "vitest";
import type { Core } from "./core.js";
import { call, enqueue, useCore } from "./engine.js";
import { EmberwingError } from "./errors.js";

const core = { devices: () => '["cpu"]' } as Core;

beforeEach(() => useCore(() => core));

describe("enqueue", () => {
  test("starts a call when the one before it has settled, also when that one failed", async () => {
    const log: string[] = [];
    const work =
      (name: string, milliseconds: number, fails = false) =>
      async () => {
        log.push(`${name} starts`);
        await new Promise((resolve) => setTimeout(resolve, milliseconds));
        log.push(`${name} ends`);
        if (fails) throw new Error(`[InvalidArgument] ${name}: no`);
        return name;
      };
    const results = await Promise.allSettled([
      enqueue(work("slow", 20)),
      enqueue(work("failing", 5, true)),
      enqueue(work("quick", 0)),
    ]);
    expect(log).toEqual(["slow starts", "slow ends", "failing starts", "failing ends", "quick starts", "quick ends"]);
    expect(results.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
  });
});

describe("errors", () => {
  const thrownBy = (error: unknown): unknown => {
    try {
      return call(() => {
        throw error;
      });
    } catch (thrown) {
      return thrown;
    }
  };

  test("[Code] message becomes an EmberwingError once, with its cause", async () => {
    const cause = new Error("[ShapeMismatch] sample: expected [1, 2],\ngot [3]");
    expect(thrownBy(cause)).toMatchObject({
      code: "ShapeMismatch",
      message: "sample: expected [1, 2],\ngot [3]",
      cause,
    });
    await expect(enqueue(() => Promise.reject(cause))).rejects.toMatchObject({ code: "ShapeMismatch", cause });
  });

  test("an error without a code is a bug of ours", () => {
    expect(thrownBy(new Error("unreachable"))).toMatchObject({ code: "Internal", message: "unreachable" });
  });

  test("our own errors, and a signal's reason, pass unchanged", () => {
    const ours = new EmberwingError("MissingFile", "a: there is no such file");
    expect(thrownBy(ours)).toBe(ours);
    expect(thrownBy("stop")).toBe("stop");
  });
});

describe("useCore", () => {
  test("loads the core once, when it is needed", () => {
    let loads = 0;
    useCore(() => {
      loads++;
      return core;
    });
    expect(loads).toBe(0);
    expect([call((core) => core.devices()), call((core) => core.devices())]).toEqual(['["cpu"]', '["cpu"]']);
    expect(loads).toBe(1);
  });

  test("without one, an error says what to do", async () => {
    vi.resetModules();
    const fresh = await import("./engine.js");
    expect(() => fresh.devices()).toThrow(/await init\(\)/);
    await expect(fresh.enqueue((core) => core.devices())).rejects.toThrow(/await init\(\)/);
  });

  test("a core that does not load is reported as it is", async () => {
    const missing = new EmberwingError("NotInitialized", "build it first");
    useCore(() => {
      throw missing;
    });
    expect(() => call((core) => core.devices())).toThrow(missing);
    await expect(enqueue((core) => core.devices())).rejects.toThrow(missing);
  });
});
