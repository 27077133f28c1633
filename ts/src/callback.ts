/**
 * What the caller is told by. It may be an async function: it is awaited, and where it fails, the call that told it
 * rejects with its very error.
 *
 * Two kinds of functions, not one that gives `void | Promise<void>`: to that, `(step) => steps.push(step)` could not be given.
 */
export type Callback<T> = ((value: T) => void) | ((value: T) => Promise<void>);
