/** A worker whose module traps when the state of a generator is asked for: what asks for too much memory is refused before it would. */
import { Generator } from "#wasm";
import "../../ts/src/worker-host.ts";

Generator.prototype.getState = () => {
  throw new WebAssembly.RuntimeError("unreachable");
};
