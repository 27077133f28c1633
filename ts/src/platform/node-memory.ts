/**
 * Tells V8 how much memory the core's objects hold. It sees only their small JavaScript sides, and so would not look for
 * models that nobody names any more before the machine is full. Imported by `node.ts` alone.
 */
import type { ResourceHandle } from "../core.js";
import { call } from "../engine.js";
import { held } from "../resource.js";

/** What was announced for each handle. */
const announced = new Map<ResourceHandle, number>();

/** Brings the account up to date after a call; a handle that the call made is in it with the next. */
export function announceMemory(): void {
  let change = 0;
  for (const [handle, bytes] of announced) {
    if (held.has(handle)) continue;
    change -= bytes;
    announced.delete(handle);
  }
  for (const handle of held) {
    const bytes = handle.memory();
    change += bytes - (announced.get(handle) ?? 0);
    announced.set(handle, bytes);
  }
  if (change !== 0) call((core) => core.announceMemory?.(change));
}
