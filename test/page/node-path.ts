/** What the tests use of `node:path`. */
export const join = (...parts: string[]): string => parts.join("/");
