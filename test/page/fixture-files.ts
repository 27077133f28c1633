/** In place of `test/fixture-files.ts` in a page: the test server has the files. */

export function fixturePath(path: string): string {
  return `/fixtures/${path}`;
}

/** Waits for the answer, as reading a file does. */
export function readFixture(path: string): Uint8Array {
  const request = new XMLHttpRequest();
  request.open("GET", `/test${fixturePath(path)}`, false);
  // Bytes as characters: a request that waits must not ask for a buffer.
  request.overrideMimeType("text/plain; charset=x-user-defined");
  request.send();
  if (request.status !== 200) throw new Error(`fixture ${path}: status ${request.status}`);
  return Uint8Array.from(request.responseText, (character) => character.charCodeAt(0) & 0xff);
}
