import { afterEach, describe, expect, test, vi } from "vitest";
import { checkWebAssembly, loadingFailed } from "./web-assembly.js";

describe("checkWebAssembly", () => {
  afterEach(() => {
    vi.restoreAllMocks();
    vi.unstubAllGlobals();
  });

  test("is content with what Node has", () => {
    expect(checkWebAssembly).not.toThrow();
  });

  test("looks at a module that uses SIMD, and names browsers that have it", () => {
    const validate = vi.spyOn(WebAssembly, "validate").mockReturnValue(false);
    expect(checkWebAssembly).toThrow(expect.objectContaining({ code: "Unsupported" }));
    expect(checkWebAssembly).toThrow(/SIMD.*Chrome 100/);
    const [[module] = []] = validate.mock.calls;
    validate.mockRestore();
    expect(WebAssembly.validate(module as Uint8Array<ArrayBuffer>)).toBe(true);
    expect([...(module as Uint8Array)]).toContain(0xfd); // the prefix of SIMD's instructions
  });

  test("says that there is no WebAssembly", () => {
    vi.stubGlobal("WebAssembly", undefined);
    expect(checkWebAssembly).toThrow(/no WebAssembly/);
  });
});

test.each([
  ["a page in place of the module", "expected magic word 00 61 73 6d, found 3c 21 64 6f", /a page/],
  ["no module", "failed to fetch Wasm: 404 Not Found", /404.*beside the script.*init\(\{ wasm/],
])("%s is explained", (_, message, explanation) => {
  const error = loadingFailed(new Error(message), "emberwing_bg.wasm", "wasm");
  expect(error.code).toBe("NotInitialized");
  expect(error.message).toMatch(explanation);
});
