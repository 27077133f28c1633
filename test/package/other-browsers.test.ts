/** The package in pages of Firefox and of WebKit, unbundled: what it does in Chromium, it does there. */

import { afterAll, beforeAll, describe, test } from "vitest";
import { ISOLATION } from "../../scripts/serve-folder.mjs";
import { OTHER_BROWSERS } from "./browser-programs.js";
import { expectThreads, expectTrained, PageProject, type PageResult } from "./page-project.js";
import type { DrivenBrowser } from "./webdriver.js";

for (const { name, start, packages, keepsFiles } of OTHER_BROWSERS) {
  if (!start) console.warn(`${name}: skipped, no program was found (Debian's packages: ${packages})`);

  describe.skipIf(!start)(name, () => {
    let project: PageProject;
    let browser: DrivenBrowser;

    beforeAll(async () => {
      project = await PageProject.create();
      browser = await (start as NonNullable<typeof start>)();
      console.log(`${name} ${browser.version}`);
    }, 120_000);

    afterAll(async () => {
      await browser?.close();
      await project?.remove();
    });

    async function open(url: string): Promise<PageResult> {
      await browser.open(url);
      return browser.run("return globalThis.result");
    }

    test("trains, draws, saves and stops, in the page and in a worker", async () => {
      await expectTrained(await open(await project.serve()), { keepsFiles });
    });

    test("computes on threads where the page is isolated", async () => {
      await expectThreads(project, project.folder, open, { keepsFiles });
    });

    test("takes the package from another site", async () => {
      const folder = await project.withPackageElsewhere();
      await expectTrained(await open(await project.serve(folder)), { keepsFiles });
      await expectTrained(await open(await project.serve(folder, { headers: ISOLATION })), { keepsFiles });
    });
  });
}
