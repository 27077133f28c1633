/** A name as messages show it: bytes that are no text, which `node-names.ts` keeps as lone surrogates, by their numbers. */
export function shownName(name: string): string {
  return Array.from(name, (character) => {
    const code = character.codePointAt(0) as number;
    return code >= 0xdc80 && code <= 0xdcff ? `\\x${(code - 0xdc00).toString(16)}` : character;
  }).join("");
}
