/** The file system of the tests in a page: its own (OPFS), and the fixtures, which the test server has. */
/// <reference types="vite/client" />
import { EmberwingError } from "../../ts/src/errors.js";
import { directoryFiles } from "../../ts/src/platform/directory-files.js";
import { type Files, readerOf } from "../../ts/src/platform/files.js";

const FIXTURES = "/fixtures/";
const fixtures = Object.keys(import.meta.glob("../fixtures/**/*", { exhaustive: true })).map((path) => path.slice(2));

export const root = await navigator.storage.getDirectory();
const own = directoryFiles(root);

async function readFixture(wanted: string): Promise<Uint8Array> {
  const path = new URL(wanted, location.href).pathname; // without `..`
  if (!fixtures.includes(path)) throw new EmberwingError("MissingFile", `${path}: there is no such file`);
  return new Uint8Array(await (await fetch(`/test${path}`)).arrayBuffer());
}

function listFixtures(directory: string, recursive: boolean): string[] | undefined {
  const prefix = `${directory}/`;
  const inside = fixtures.filter((path) => path.startsWith(prefix)).map((path) => path.slice(prefix.length));
  if (inside.length === 0) return undefined;
  return inside.filter((name) => recursive || !name.includes("/")).sort();
}

export const pageFiles: Files = {
  ...own,
  read: (path) => (path.startsWith(FIXTURES) ? readFixture(path) : own.read(path)),
  open: async (path) => {
    if (!path.startsWith(FIXTURES)) return own.open(path);
    return readerOf(new Blob([(await readFixture(path)).slice()]));
  },
  kindOf: async (path) => {
    if (!path.startsWith(FIXTURES)) return own.kindOf(path);
    return fixtures.includes(path) ? "file" : listFixtures(path, true) && "folder";
  },
  walk: async (directory, isWanted) =>
    directory.startsWith(FIXTURES)
      ? listFixtures(directory, true)?.map((name) => ({ name }))
      : own.walk(directory, isWanted),
  list: async (directory, options) =>
    directory.startsWith(FIXTURES) ? listFixtures(directory, options.recursive) : own.list(directory, options),
};
