/** What went wrong, in words that say what to do. */
import { EmberwingError } from "emberwing";
import { byId, h } from "./dom.js";

const host = byId("alert", HTMLDivElement);

/** Shows a failure until it is closed or the next thing is begun. */
export function showAlert(problem: unknown, doing = ""): void {
  const close = h("button", { type: "button", "aria-label": "Close this message" }, "×");
  close.addEventListener("click", hideAlert);
  host.replaceChildren(h("p", {}, doing === "" ? "" : `${doing}: `, inWords(problem)), close);
  host.hidden = false;
}

export function hideAlert(): void {
  host.hidden = true;
  host.replaceChildren();
}

export function inWords(problem: unknown): string {
  if (!(problem instanceof EmberwingError)) return problem instanceof Error ? problem.message : String(problem);
  switch (problem.code) {
    case "WorkerLost":
      return "The calculation has ended before its time, perhaps for want of memory. Please reload the page; training goes on from its last checkpoint.";
    case "InUse":
      return "Another tab of this page is training. Please stop it there first.";
    case "NotFinite":
      return `The loss is no longer a number. Please try a smaller learning rate. (${problem.message})`;
    case "OutOfMemory":
      return `There is not enough memory. Please try a smaller batch. (${problem.message})`;
    case "WriteFailed":
      return `The browser could not keep a file, perhaps because its storage is full. (${problem.message})`;
    default:
      return problem.message;
  }
}
