/** Zip files of saved folders, whole and damaged, and those that unpack to far more than they are. */
import { DDPMScheduler, DiffusionPipeline } from "emberwing";
import { zipSync } from "fflate";
import { describe, expect, test } from "vitest";
import { fuzz } from "./fuzz.js";
import { corpus, damaged } from "./mutations.js";

const seeds = corpus("zip");
const open = (bytes: Uint8Array): Promise<DDPMScheduler> =>
  DDPMScheduler.fromPretrained(new Blob([bytes as Uint8Array<ArrayBuffer>]), { subfolder: "scheduler" });

fuzz("zip", { inputs: damaged([...seeds, withEnd64(seeds[0] as Uint8Array)]), read: open });

describe("zip files", () => {
  test.each([0, 1, 2, 3])("the whole file %i of the corpus is read", async (index) => {
    const scheduler = await open(seeds[index] as Uint8Array);
    expect(scheduler.config.numTrainTimesteps).toBe(1000);
  });

  test("one whose end has 64 bits is read", async () => {
    await expect(open(withEnd64(seeds[0] as Uint8Array))).resolves.toBeInstanceOf(DDPMScheduler);
  });

  test("one with a byte that differs is refused", async () => {
    const bytes = zipSync(
      { "scheduler_config.json": new TextEncoder().encode('{"num_train_timesteps": 5}') },
      { level: 0 },
    );
    const index = bytes.indexOf("5".charCodeAt(0), 30);
    bytes[index] = "7".charCodeAt(0);
    await expectRefusal(bytes, /scheduler_config\.json is damaged/);
  });
});

describe("a zip file does not ask for more memory than it yields", () => {
  const zeros = new Uint8Array(10_000_000);

  test("where it says that it unpacks to far more than it is", async () => {
    const bytes = zipSync({ "a.bin": zeros });
    setSizes(bytes, 200_000_000);
    await expectRefusal(bytes, /say that they unpack to 200000000.*unpack it, and load the folder/);
  });

  test("where it says that it unpacks to little", async () => {
    const bytes = zipSync({ "a.bin": zeros });
    setSizes(bytes, 10);
    await expectRefusal(bytes, /a\.bin is damaged/);
  });

  test("where many names share one content", async () => {
    const one = zipSync({ "a.bin": zeros });
    await expectRefusal(withEntryRepeated(one, 1000), /say that they unpack to 10000000000/);
  });

  test("where it says that it has four thousand million files", async () => {
    const bytes = withEnd64(seeds[0] as Uint8Array, 2 ** 32 - 1);
    await expectRefusal(bytes, /says that it has 4294967295 files/);
  });

  async function expectRefusal(bytes: Uint8Array, message: RegExp): Promise<void> {
    const before = process.memoryUsage().arrayBuffers;
    await refusal(bytes, message);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 26 + 10 * bytes.length);
  }
});

const expectRefusal = (bytes: Uint8Array, message: RegExp): Promise<void> => refusal(bytes, message);

async function refusal(bytes: Uint8Array, message: RegExp): Promise<void> {
  const blob = new Blob([bytes as Uint8Array<ArrayBuffer>]);
  await expect(DiffusionPipeline.fromPretrained(blob)).rejects.toMatchObject({
    name: "EmberwingError",
    code: "InvalidFile",
    message: expect.stringMatching(message),
  });
}

/** Where the list of files begins, and where it ends. */
function listOf(bytes: Uint8Array): { view: DataView; start: number; end: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let end = bytes.length - 22;
  while (view.getUint32(end, true) !== 0x06054b50) end--;
  return { view, start: view.getUint32(end + 16, true), end };
}

function setSizes(bytes: Uint8Array, size: number): void {
  const { view, start } = listOf(bytes);
  view.setUint32(start + 24, size, true);
}

function withEntryRepeated(bytes: Uint8Array, times: number): Uint8Array {
  const { start, end } = listOf(bytes);
  const entry = bytes.subarray(start, end);
  const result = new Uint8Array(bytes.length + entry.length * (times - 1));
  result.set(bytes.subarray(0, start));
  for (let index = 0; index < times; index++) result.set(entry, start + index * entry.length);
  result.set(bytes.subarray(end), start + times * entry.length);
  const view = new DataView(result.buffer);
  const newEnd = start + times * entry.length;
  view.setUint16(newEnd + 8, times, true);
  view.setUint16(newEnd + 10, times, true);
  view.setUint32(newEnd + 12, times * entry.length, true);
  return result;
}

/** The same file with the end that files of more than 4 GiB have. */
function withEnd64(bytes: Uint8Array, count?: number): Uint8Array {
  const { view, start, end } = listOf(bytes);
  const result = new Uint8Array(bytes.length + 56 + 20);
  result.set(bytes.subarray(0, end));
  result.set(bytes.subarray(end), end + 76);
  const added = new DataView(result.buffer, end);
  added.setUint32(0, 0x06064b50, true);
  added.setBigUint64(4, 44n, true);
  added.setBigUint64(24, BigInt(count ?? view.getUint16(end + 10, true)), true);
  added.setBigUint64(32, BigInt(count ?? view.getUint16(end + 10, true)), true);
  added.setBigUint64(40, BigInt(end - start), true);
  added.setBigUint64(48, BigInt(start), true);
  added.setUint32(56, 0x07064b50, true);
  added.setBigUint64(64, BigInt(end), true);
  added.setUint32(72, 1, true);
  return result;
}
