import { expect, test } from "vitest";
import { parseGlob } from "./glob.js";

test.each([
  ["a/b/*.parquet", "a/b/", ["x.parquet"], ["x.png", "c/x.parquet", "xparquet"]],
  ["/x*", "/", ["x", "xyz"], ["ax", "x/y"]],
  ["*.png", ".", ["a.png"], ["a/b.png"]],
  ["a/**/x.png", "a/", ["x.png", "b/x.png", "b/c/x.png"], ["xx.png", "b/ax.png"]],
  ["a/**", "a/", ["x", "b/c"], []],
  ["a/[!0-9]?.{png,jp*g}", "a/", ["ab.png", "a1.jpeg"], ["1b.png", "ab.gif", "abc.png"]],
  ["a/[]-]x", "a/", ["]x", "-x"], ["x", "ax"]],
  ["a/{b,c/d}/$(.+)^|.png*", "a/", ["b/$(.+)^|.png", "c/d/$(.+)^|.png1"], ["b/.png"]],
  ["C:\\data\\*\\x-?.parquet", "C:\\data\\", ["a/x-1.parquet"], ["x-1.parquet"]],
  ["a/[", "a/", ["["], ["a"]],
  ["a/{}*", "a/", ["{}x"], ["x"]],
])("%s", (path, directory, matching, others) => {
  const glob = parseGlob(path);
  expect(glob?.directory).toBe(directory);
  for (const name of matching) expect(glob?.matches(name), name).toBe(true);
  for (const name of others) expect(glob?.matches(name), name).toBe(false);
});

test("a path without wildcards is none", () => {
  for (const path of ["", "a/b.png", "C:\\a", "a b (1).png"]) expect(parseGlob(path)).toBeUndefined();
});
