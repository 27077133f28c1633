/** Workers whose scripts are the package's, wherever it is served from. */

/**
 * Starts a worker, also where the package comes from another site than the page, such as a CDN: browsers start only scripts of the
 * page's own site, but these may import others.
 *
 * @param start `new Worker(new URL("./script.mjs", import.meta.url), { … })`, from which Vite and webpack see what to bundle.
 * @param script The script's address in it.
 * @param base `import.meta.url` of the caller.
 */
export function startWorker(start: () => Worker, script: string, base: string): Worker {
  const address = new URL(script, base);
  try {
    if (!isOtherSite(address)) return start();
  } catch (error) {
    if ((error as Error).name !== "SecurityError") throw error;
  }
  // Not by an import statement: in pages that are cross-origin isolated, WebKit takes what is imported so for the worker's own
  // script. What the page sends meanwhile is kept for the script, and its failure told as that of one that is missing.
  const content = `
    const early = [];
    onmessage = (event) => early.push(event);
    import(${JSON.stringify(address.href)}).then(
      () => early.forEach((event) => onmessage(event)),
      (error) => setTimeout(() => { throw error; }),
    );`;
  // Its address stays: browsers differ in when they read it.
  return new Worker(URL.createObjectURL(new Blob([content], { type: "text/javascript" })), { type: "module" });
}

/**
 * Asked before, as not every browser throws: Firefox starts a worker that then fails like one whose script is missing. webpack
 * gives the script's address on the disk that it was built from, which says nothing.
 */
function isOtherSite({ protocol, origin }: URL): boolean {
  return protocol.startsWith("http") && origin !== globalThis.origin;
}
