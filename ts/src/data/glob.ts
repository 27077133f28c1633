/** Paths with wildcards, as shells write them: `*`, `?`, `[a-z]`, `{a,b}`, and `**` for folders at any depth. */

export interface Glob {
  /** The folder before the first wildcard. */
  directory: string;
  /** The names in it that match. */
  matches(name: string): boolean;
}

/** `undefined` for a path without wildcards. */
export function parseGlob(path: string): Glob | undefined {
  const first = path.search(/[*?[{]/);
  if (first < 0) return undefined;
  const before = path.slice(0, first).replace(/[^/\\]*$/, "");
  const pattern = new RegExp(`^${toRegExp(path.slice(before.length).replaceAll("\\", "/"))}$`);
  return { directory: before === "" ? "." : before, matches: (name) => pattern.test(name) };
}

function toRegExp(pattern: string): string {
  return pattern.replaceAll(/\*\*\/|\*+|\?|\[[!^]?\]?[^\]]*\]|\{[^{}]*\}|[\s\S]/g, (token) => {
    const inside = token.slice(1, -1);
    if (token === "**/") return "(.*/)?";
    if (token.startsWith("*")) return token === "**" ? ".*" : "[^/]*";
    if (token === "?") return "[^/]";
    if (token.startsWith("[") && inside !== "")
      return `[${inside.replace(/^[!^]/, "^").replaceAll(/[\\\]]/g, "\\$&")}]`;
    if (token.startsWith("{") && inside !== "") return `(${inside.split(",").map(toRegExp).join("|")})`;
    return token.replace(/[\\^$.*+?()[\]{}|]/, "\\$&");
  });
}
