/**
 * A graphics card for the tests: SwiftShader, a Vulkan driver that computes on the CPU, which comes with Chromium.
 * It is slow and exact, and the same everywhere. `EMBERWING_TEST_ADAPTER=hardware` takes the machine's own card.
 */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { canInstallPackages, installPackages } from "./debian.mjs";

/** Where Chromium keeps the driver. */
const FOLDERS = ["/usr/lib/chromium", "/usr/lib64/chromium-browser", "/opt/google/chrome", "/usr/lib/chromium-browser"];
const DRIVER = "vk_swiftshader_icd.json";

/** @returns {string | undefined} */
const driverFolder = () => FOLDERS.find((folder) => existsSync(join(folder, DRIVER)));

/**
 * What a process needs in its environment to find the card; undefined where there is none.
 * @returns {Record<string, string> | undefined}
 */
export function adapterEnvironment() {
  if (process.env.EMBERWING_TEST_ADAPTER === "hardware") return {};
  const folder = driverFolder();
  if (folder === undefined) return undefined;
  // Chromium brings Vulkan's loader too, for machines that have none.
  const libraries = [process.env.LD_LIBRARY_PATH, folder].filter((path) => path).join(":");
  return { VK_DRIVER_FILES: join(folder, DRIVER), LD_LIBRARY_PATH: libraries };
}

/** Installs Chromium where that needs no question: as root on Debian. */
export async function prepareAdapter() {
  if (adapterEnvironment() || !canInstallPackages()) return;
  console.log("> Chromium, for its software graphics card");
  try {
    await installPackages(() => ["chromium"], ["--no-install-recommends"]);
  } catch (error) {
    console.log(`Chromium could not be installed: ${error}`);
  }
}
