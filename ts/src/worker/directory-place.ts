/** A directory on its way to a worker. Safari cannot send one, but those of the browser's own file system have names. */

/** The names from the root of that file system on, or a directory of the user's disk. */
export type DirectoryPlace = string[] | FileSystemDirectoryHandle;

export async function placeOf(directory: FileSystemDirectoryHandle): Promise<DirectoryPlace> {
  const own = await navigator.storage.getDirectory();
  return (await own.resolve(directory)) ?? directory;
}

export async function directoryAt(place: DirectoryPlace): Promise<FileSystemDirectoryHandle> {
  if (!Array.isArray(place)) return place;
  let directory = await navigator.storage.getDirectory();
  for (const name of place) directory = await directory.getDirectoryHandle(name);
  return directory;
}
