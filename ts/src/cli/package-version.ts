import { createRequire } from "node:module";

/** From the package itself: this file lies at another depth once it is bundled. */
export function packageVersion(): string {
  const require = createRequire(import.meta.url);
  return (require("emberwing/package.json") as { version: string }).version;
}
