/** The entry `emberwing/worker`, for pages: the same API, with everything that computes in a Web Worker. */
import { startWorker } from "./platform/start-worker.js";
import { Connection } from "./worker/connection.js";
import { placeOf } from "./worker/directory-place.js";
import { API } from "./worker/messages.js";
import type { RemoteApi } from "./worker/remote.js";

export type { Remote, RemoteApi } from "./worker/remote.js";

export interface CreateWorkerOptions {
  /**
   * Where the wasm module for one thread is, or the module itself, compiled once for several workers. Default: beside the
   * script.
   */
  wasm?: URL | string | WebAssembly.Module;
  /**
   * How many threads compute. Default: all cores where the page is cross-origin isolated, otherwise one, which is best for several
   * workers at once.
   */
  threads?: number;
  /** The same as `wasm` for the module for several threads. */
  threadsWasm?: URL | string | WebAssembly.Module;
  /** Whether the worker looks for a graphics card: see `init`. */
  gpu?: boolean;
  /** The same for the module for graphics cards. */
  gpuWasm?: URL | string | WebAssembly.Module;
  /** Where paths start, such as `await navigator.storage.getDirectory()`. Default: there are no paths. */
  directory?: FileSystemDirectoryHandle;
  /** Another hub than Hugging Face's, or a mirror. */
  hubEndpoint?: URL | string;
  /** A worker of your own whose script imports `emberwing/worker-host`. Default: one of ours. */
  worker?: Worker;
}

/** The API in a worker, and its end. */
export type WorkerApi = RemoteApi & {
  /** Ends the worker at once, with all that is in it; what is asked of it rejects with `WorkerLost`. */
  terminate(): void;
};

/**
 * Starts a worker and loads the wasm module there. Classes and functions have the names and arguments that they have
 * everywhere; `new` gives a promise, as do methods and properties, since the answers come from the worker.
 *
 * @throws `WorkerLost` where the worker's script does not load, and what `init` throws.
 *
 * @example
 * const { DDPMPipeline, DDPMScheduler, loadDataset, Trainer, UNet2DModel } = await createWorker();
 * const model = await UNet2DModel.create({ sampleSize: 32 });
 * const scheduler = await new DDPMScheduler();
 * const dataset = await loadDataset("butterflies", { resolution: 32 });
 * const trainer = await new Trainer({ model, scheduler, dataset, epochs: 5 });
 * for await (const event of trainer.run({ signal })) if (event.type === "step") console.log(event.loss);
 * const pipeline = await new DDPMPipeline({ unet: model, scheduler });
 * const { images } = await pipeline.generate({ batchSize: 4, onStep: ({ step }) => console.log(step) });
 */
export async function createWorker(options: CreateWorkerOptions = {}): Promise<WorkerApi> {
  const { wasm, threadsWasm, gpuWasm, directory, hubEndpoint, worker = startHost(), ...sent } = options;
  const connection = new Connection(worker);
  const addresses = {
    ...(wasm && { wasm: sendable(wasm) }),
    ...(threadsWasm && { threadsWasm: sendable(threadsWasm) }),
    ...(gpuWasm && { gpuWasm: sendable(gpuWasm) }),
    ...(hubEndpoint && { hubEndpoint: String(hubEndpoint) }),
  };
  try {
    const place = directory && { directory: await placeOf(directory) };
    await connection.ask({ type: "start", ...sent, ...addresses, ...place });
  } catch (error) {
    connection.close("it did not start");
    throw error;
  }
  const api = connection.remote(API);
  const terminate = (): void => connection.close("terminate was called");
  return new Proxy(api, {
    get: (target, name) => (name === "terminate" ? terminate : Reflect.get(target, name)),
  }) as WorkerApi;
}

/** An address as it is from everywhere. */
function sendable(wasm: URL | string | WebAssembly.Module): string | WebAssembly.Module {
  return wasm instanceof URL || typeof wasm === "string" ? new URL(wasm, import.meta.url).href : wasm;
}

function startHost(): Worker {
  return startWorker(
    () => new Worker(new URL("./worker-host.mjs", import.meta.url), { type: "module", name: "emberwing" }),
    "./worker-host.mjs",
    import.meta.url,
  );
}
