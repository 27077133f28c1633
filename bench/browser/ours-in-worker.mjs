/** `Ours` in a worker of an isolated page, where it has threads. Steps are timed there, and one question is asked at a time. */
import { Ours } from "./ours.mjs";

/** Does there what `Ours` does here. */
export async function oursInWorker() {
  const worker = new Worker(new URL("ours-worker.mjs", import.meta.url), { type: "module" });
  const answer = () =>
    new Promise((resolve, reject) => {
      worker.onmessage = ({ data: { value, error } }) => (error ? reject(new Error(error)) : resolve(value));
      worker.onerror = ({ message }) => reject(new Error(message));
    });
  await answer();
  const ask =
    (action) =>
    (...args) => {
      worker.postMessage({ action, args });
      return answer();
    };
  const actions = Object.getOwnPropertyNames(Ours.prototype).filter((name) => name !== "constructor");
  return Object.fromEntries(actions.map((action) => [action, ask(action)]));
}
