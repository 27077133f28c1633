/** The script of a thread: a worker that shares a module's memory and takes part in what it computes, until it is ended. */
import { initSync, joinThreads, loseThread } from "#wasm-threads";

self.onmessage = ({ data: [module, memory] }: MessageEvent<[WebAssembly.Module, WebAssembly.Memory]>) => {
  initSync({ module, memory });
  self.postMessage("joined");
  try {
    joinThreads();
  } catch (error) {
    loseThread();
    throw error;
  }
};
