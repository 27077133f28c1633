/**
 * Names of files that are not UTF-8, as old archives leave them, as strings: a byte that belongs to no character is the lone
 * surrogate U+DC00 + byte, as in Python ([PEP 383](https://peps.python.org/pep-0383/)). The core reads them the same way.
 */

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export function nameOfBytes(bytes: Uint8Array): string {
  let name = "";
  for (let at = 0; at < bytes.length; ) {
    const character = characterAt(bytes, at);
    name += character?.text ?? String.fromCharCode(0xdc00 + (bytes[at] as number));
    at += character?.length ?? 1;
  }
  return name;
}

function characterAt(bytes: Uint8Array, at: number): { text: string; length: number } | undefined {
  for (let length = 1; length <= 4 && at + length <= bytes.length; length++) {
    try {
      return { text: strict.decode(bytes.subarray(at, at + length)), length };
    } catch {
      // Perhaps a longer character, perhaps none.
    }
  }
  return undefined;
}

/** The path as Node's functions take it. */
export function systemPath(path: string): string | Buffer {
  if (!/[\uDC80-\uDCFF]/.test(path)) return path;
  const parts = Array.from(path, (character) => {
    const code = character.codePointAt(0) as number;
    return code >= 0xdc80 && code <= 0xdcff ? Buffer.of(code - 0xdc00) : Buffer.from(character);
  });
  return Buffer.concat(parts);
}
