/** Our side in a worker of an isolated page, where it has threads: does what `ours-in-worker.mjs` asks. */
import * as api from "../../dist/browser.mjs";
import { Ours } from "./ours.mjs";

await api.init({ gpu: false, threads: navigator.hardwareConcurrency });
const side = new Ours(api, "cpu");

self.onmessage = async ({ data: { action, args } }) => {
  try {
    self.postMessage({ value: await side[action](...args) });
  } catch (error) {
    self.postMessage({ error: error.message });
  }
};
self.postMessage({});
