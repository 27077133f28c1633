/** What the page says where there is no run: what it looks for, and where. */
import type { RunList } from "../protocol.js";
import { byId, h } from "./dom.js";

export function showEmpty({ roots, leftOut }: RunList): void {
  const folders = roots.map(({ path, problem }) => {
    return h("li", {}, h("code", {}, path), problem === undefined ? "" : ` ${problem}`);
  });
  const command = "npx emberwing train --output-dir my_run";
  byId("empty", HTMLElement).replaceChildren(
    h("h2", {}, "No runs yet"),
    h("p", {}, "The studio looks for folders with a ", h("code", {}, "metrics.jsonl"), ", up to four levels below:"),
    h("ul", {}, ...folders),
    h("p", {}, "They appear here by themselves. To make one:"),
    h("pre", {}, h("code", {}, command)),
    h("p", { class: "soft" }, leftOut ?? ""),
  );
}
