/** Writes a file of a browser's file system. A page that is closed meanwhile leaves the old file or the new one. */

/** What TypeScript's library for pages leaves out: workers have these. */
interface WorkerFileHandle extends FileSystemFileHandle {
  createSyncAccessHandle(): Promise<SyncAccessHandle>;
  /** Safari's takes no name alone. */
  move(folder: FileSystemDirectoryHandle, name: string): Promise<void>;
}

interface SyncAccessHandle {
  truncate(size: number): void;
  write(content: Uint8Array): number;
  close(): void;
}

export async function fillFile(
  folder: FileSystemDirectoryHandle,
  name: string,
  content: Blob | Uint8Array<ArrayBuffer> | string,
): Promise<void> {
  if ("createWritable" in FileSystemFileHandle.prototype) {
    await replaceContent(await folder.getFileHandle(name, { create: true }), content);
  } else if ("createSyncAccessHandle" in FileSystemFileHandle.prototype) {
    await replaceFile(folder, name, new Uint8Array(await new Blob([content]).arrayBuffer()));
  } else {
    throw new Error("this browser lets only workers write files: Safari before 26. See createWorker({ directory })");
  }
}

/** The browser writes to a file of its own and puts that in place when it is closed. */
async function replaceContent(file: FileSystemFileHandle, content: FileSystemWriteChunkType): Promise<void> {
  const stream = await file.createWritable();
  try {
    await stream.write(content);
  } catch (error) {
    await stream.abort();
    throw error;
  }
  await stream.close();
}

/** Safari before 26 writes in place, and only in workers: to a file beside it then. */
async function replaceFile(folder: FileSystemDirectoryHandle, name: string, content: Uint8Array): Promise<void> {
  const file = (await folder.getFileHandle(`${name}.part`, { create: true })) as WorkerFileHandle;
  const access = await file.createSyncAccessHandle();
  try {
    // Left by a page that was closed.
    access.truncate(0);
    if (access.write(content) < content.length) throw new DOMException("", "QuotaExceededError");
  } finally {
    access.close();
  }
  await file.move(folder, name);
}
