/** Firefox and WebKit, where they are installed. */

import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { type DrivenBrowser, startFirefox, startWebKit } from "./webdriver.js";

function onPath(...names: string[]): string | undefined {
  const folders = (process.env.PATH ?? "").split(delimiter);
  return names.flatMap((name) => folders.map((folder) => join(folder, name))).find((path) => existsSync(path));
}

function firefox(): (() => Promise<DrivenBrowser>) | undefined {
  const program = onPath("firefox-esr", "firefox");
  return program === undefined ? undefined : () => startFirefox(program);
}

function webKit(): (() => Promise<DrivenBrowser>) | undefined {
  const [driver, display] = [onPath("WebKitWebDriver"), onPath("Xvfb")];
  return driver === undefined || display === undefined ? undefined : () => startWebKit({ driver, display });
}

export const OTHER_BROWSERS = [
  { name: "Firefox", start: firefox(), packages: "firefox-esr", keepsFiles: true },
  // WebKitGTK has `navigator.storage` switched off, and where it is driven no disk for it.
  { name: "WebKit", start: webKit(), packages: "webkit2gtk-driver and xvfb", keepsFiles: false },
];
