import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DDPMScheduler } from "emberwing";
import { expect, test } from "vitest";

test("folders are made down to the file", async () => {
  const root = await mkdtemp(join(tmpdir(), "emberwing-"));
  await new DDPMScheduler().savePretrained(join(root, "a", "b"));
  expect(await DDPMScheduler.fromPretrained(join(root, "a", "b"))).toBeInstanceOf(DDPMScheduler);
});

test("a folder below a file is refused", async () => {
  const file = join(await mkdtemp(join(tmpdir(), "emberwing-")), "file");
  await writeFile(file, "");
  await expect(new DDPMScheduler().savePretrained(join(file, "a"))).rejects.toMatchObject({ code: "WriteFailed" });
});

// Node's own recursive mkdir does not return here.
test.runIf(process.platform === "linux")("a folder in /proc is refused at once", async () => {
  await expect(new DDPMScheduler().savePretrained("/proc/emberwing")).rejects.toMatchObject({ code: "WriteFailed" });
});
