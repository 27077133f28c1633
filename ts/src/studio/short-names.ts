/** Names for folders: the last part of the path, with as many before it as tell it from the others. */
export function shortNames(paths: readonly string[]): string[] {
  const parts = paths.map((path) => path.split(/[/\\]/).filter((part) => part !== ""));
  const named = (index: number, length: number): string => (parts[index] ?? []).slice(-length).join("/");
  return parts.map((own, index) => {
    const isUnique = (length: number): boolean =>
      parts.every((_, other) => other === index || named(other, length) !== named(index, length));
    let length = 1;
    while (length < own.length && !isUnique(length)) length++;
    return named(index, length);
  });
}
