/**
 * A graphics card for the tests of Node: a Vulkan driver that computes on the CPU. lavapipe, Mesa's, has float16 and is quick
 * enough for whole models; SwiftShader, which comes with Chromium, is slower. `EMBERWING_TEST_ADAPTER` chooses: `lavapipe`,
 * `swiftshader`, or `hardware` for the machine's own card.
 */

import { existsSync, readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { canInstallPackages, installPackages } from "./debian.mjs";

/**
 * @typedef {object} Adapter
 * @property {"lavapipe" | "swiftshader" | "hardware"} name
 * @property {Record<string, string>} environment what a process needs to find the card
 */

/** Where Vulkan looks for drivers. */
const DRIVER_FOLDERS = ["/usr/share/vulkan/icd.d", "/usr/local/share/vulkan/icd.d", "/etc/vulkan/icd.d"];

/** Where Chromium keeps its own. */
const CHROMIUM_FOLDERS = [
  "/usr/lib/chromium",
  "/usr/lib64/chromium-browser",
  "/opt/google/chrome",
  "/usr/lib/chromium-browser",
];
const SWIFTSHADER = "vk_swiftshader_icd.json";

/** @returns {Adapter | undefined} */
function lavapipe() {
  for (const folder of DRIVER_FOLDERS.filter((path) => existsSync(path))) {
    // Named after the processor on some systems, as lvp_icd.x86_64.json.
    const driver = readdirSync(folder).find((name) => /^lvp_icd\.(.+\.)?json$/.test(name));
    if (driver === undefined) continue;
    // Mesa complains where there is no place for sockets of windows, which nobody opens.
    const XDG_RUNTIME_DIR = process.env.XDG_RUNTIME_DIR ?? tmpdir();
    return { name: "lavapipe", environment: { VK_DRIVER_FILES: join(folder, driver), XDG_RUNTIME_DIR } };
  }
  return undefined;
}

/** @returns {Adapter | undefined} */
function swiftShader() {
  const folder = CHROMIUM_FOLDERS.find((path) => existsSync(join(path, SWIFTSHADER)));
  if (folder === undefined) return undefined;
  // Chromium brings Vulkan's loader too, for machines that have none.
  const libraries = [process.env.LD_LIBRARY_PATH, folder].filter((path) => path).join(":");
  return {
    name: "swiftshader",
    environment: { VK_DRIVER_FILES: join(folder, SWIFTSHADER), LD_LIBRARY_PATH: libraries },
  };
}

/**
 * Undefined where there is none.
 * @returns {Adapter | undefined}
 */
export function testAdapter() {
  switch (process.env.EMBERWING_TEST_ADAPTER) {
    case "hardware":
      return { name: "hardware", environment: {} };
    case "lavapipe":
      return lavapipe();
    case "swiftshader":
      return swiftShader();
    default:
      return lavapipe() ?? swiftShader();
  }
}

/** Installs what the tests of cards and pages need, where that takes no question: as root on Debian. */
export async function prepareAdapter() {
  if (process.env.EMBERWING_TEST_ADAPTER === "hardware" || !canInstallPackages()) return;
  if (!lavapipe()) await install("lavapipe, a graphics card in software", "mesa-vulkan-drivers");
  if (!swiftShader()) await install("Chromium", "chromium");
}

/**
 * @param {string} what
 * @param {string} name
 */
async function install(what, name) {
  console.log(`> ${what}`);
  try {
    await installPackages(() => [name], ["--no-install-recommends"]);
  } catch (error) {
    console.log(`${name} could not be installed: ${error}`);
  }
}
