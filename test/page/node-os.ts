/** What the tests use of `node:os`. */
export const tmpdir = (): string => "/temporary";
