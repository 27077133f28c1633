/** The hashes by which the hub names contents. Browsers hash what is in memory as a whole. */

/** @param kind `"git"`: git's hash of a blob. */
export async function contentHash(content: Blob, kind: "SHA-256" | "git"): Promise<string> {
  const hashed = kind === "git" ? new Blob([`blob ${content.size}\0`, content]) : content;
  const digest = await crypto.subtle.digest(kind === "git" ? "SHA-1" : kind, await hashed.arrayBuffer());
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
