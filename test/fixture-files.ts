/** Where the fixtures lie. In a page `page/fixture-files.ts` stands in for it. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

export function fixturePath(path: string): string {
  return fileURLToPath(new URL(`fixtures/${path}`, import.meta.url));
}

export function readFixture(path: string): Uint8Array {
  return readFileSync(fixturePath(path));
}
