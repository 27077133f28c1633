import { expect, test } from "vitest";

test("pages get what Node gets", async () => {
  const [node, browser] = [await import("../ts/src/node.js"), await import("../ts/src/browser.js")];
  expect(Object.keys(browser).sort()).toEqual(Object.keys(node).sort());
  expect(node).toHaveProperty("UNet2DModel");
});
