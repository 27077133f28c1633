/** A real browser for tests of pages: Debian's Chromium, or the one that `CHROMIUM_PATH` names. */
import { existsSync } from "node:fs";
import { type Browser, chromium } from "playwright-core";

const PATHS = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome", "/opt/google/chrome/chrome"];

const path = process.env.CHROMIUM_PATH ?? PATHS.find((path) => existsSync(path));

/** Why there is no browser; empty where there is one. */
export const noChromium = path === undefined ? `no Chromium at ${PATHS.join(", ")}; CHROMIUM_PATH can name one` : "";

export function launchChromium(): Promise<Browser> {
  if (path === undefined) throw new Error(noChromium);
  // Its sandbox needs rights that containers do not give; what is opened are our own pages.
  return chromium.launch({ executablePath: path, args: ["--no-sandbox"] });
}
