import { beforeEach, expect, test, vi } from "vitest";

const calls: string[] = [];
const joinThreads = vi.fn(() => void calls.push("join"));
vi.mock("#wasm-threads", () => ({
  initSync: ({ module, memory }: Record<string, string>) => calls.push(`init ${module} ${memory}`),
  joinThreads,
  loseThread: () => calls.push("lose"),
}));

const scope = { onmessage: (_: { data: unknown }): void => {}, postMessage: (answer: string) => calls.push(answer) };
vi.stubGlobal("self", scope);
await import("./thread.js");

beforeEach(() => void calls.splice(0));

test("a thread takes the memory, answers, and joins", () => {
  scope.onmessage({ data: ["module", "memory"] });
  expect(calls).toEqual(["init module memory", "joined", "join"]);
});

test("a thread that fails says so to those that wait for it, and the console is told", () => {
  joinThreads.mockImplementationOnce(() => {
    throw new WebAssembly.RuntimeError("unreachable");
  });
  expect(() => scope.onmessage({ data: ["module", "memory"] })).toThrow("unreachable");
  expect(calls).toEqual(["init module memory", "joined", "lose"]);
});
