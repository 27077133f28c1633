/** What all classes over a handle with memory in the core share: giving that memory back. */
import { enqueue } from "./engine.js";

interface Disposable {
  dispose(): void;
}

/** Queued like any call, so that calls made before it still find the object. */
function release(handle: Disposable): void {
  void enqueue(() => handle.dispose());
}

/** A net for objects that were never disposed: their memory goes back from the core's own thread. */
const abandoned = new FinalizationRegistry<Disposable>(release);

/** Holds memory of the core until `dispose()`, the end of a `using` block, or garbage collection. */
export abstract class Resource<Handle extends Disposable> {
  /** @internal */
  readonly handle: Handle;
  /** @internal Kept, as otherwise it might be collected, and given back, while the handle still works with it. */
  protected readonly uses: readonly object[];

  /** @param uses The objects whose handles this handle goes on to use. */
  protected constructor(handle: Handle, uses: readonly object[] = []) {
    this.handle = handle;
    this.uses = uses;
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
