/** What all classes over a handle with memory in the core share: giving that memory back. */
import type { ResourceHandle } from "./core.js";
import { enqueue } from "./engine.js";

/** The handles that were not given back yet, for the account of their memory. */
export const held = new Set<ResourceHandle>();

/** Queued like any call, so that calls made before it still find the object. */
function release(handle: ResourceHandle): void {
  void enqueue(() => {
    handle.dispose();
    held.delete(handle);
  });
}

/** A net for objects that were never disposed: their memory goes back from the core's own thread. */
const abandoned = new FinalizationRegistry<ResourceHandle>(release);

/** Holds memory of the core until `dispose()`, the end of a `using` block, or garbage collection. */
export abstract class Resource<Handle extends ResourceHandle> {
  /** @internal */
  readonly handle: Handle;
  /** @internal Kept, as otherwise it might be collected, and given back, while the handle still works with it. */
  protected readonly uses: readonly object[];

  /** @param uses The objects whose handles this handle goes on to use. */
  protected constructor(handle: Handle, uses: readonly object[] = []) {
    this.handle = handle;
    this.uses = uses;
    held.add(handle);
    abandoned.register(this, handle, this);
  }

  /** Gives the memory back. Later calls reject with `Disposed`; disposing twice is fine. */
  dispose(): void {
    abandoned.unregister(this);
    release(this.handle);
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
