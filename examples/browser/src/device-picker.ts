/** Where the model computes: what `devices()` names, and why there is not more. */
import { activity, setActivity, usableDuring } from "./activity.js";
import { showAlert } from "./alert.js";
import { byId, h } from "./dom.js";
import { moveModel } from "./model.js";
import type { Session } from "./session.js";

/** "no gpu (reason)" is no device. */
const isDevice = (name: string): boolean => !name.startsWith("no ");

export function showDevices(session: Session, names: readonly string[]): void {
  const select = byId("device", HTMLSelectElement);
  const choices = names.filter(isDevice);
  select.replaceChildren(...choices.map((name) => h("option", { value: name }, inWords(name))));
  select.value = session.device;
  const reasons = names.filter((name) => !isDevice(name));
  const note = byId("device-note", HTMLParagraphElement);
  note.hidden = reasons.length === 0;
  note.replaceChildren(reasons.join("; "));
  select.addEventListener("change", () => void move(session, select));
  usableDuring(choices.length > 1 ? ["idle"] : [], select);
}

const inWords = (name: string): string => (name === "cpu" ? "Processor (CPU)" : name);

async function move(session: Session, select: HTMLSelectElement): Promise<void> {
  const before = activity();
  setActivity("loading");
  try {
    session.model = await moveModel(session.api, session.model, select.value);
    session.device = select.value;
  } catch (error) {
    select.value = session.device;
    showAlert(error, "Changing the device");
  } finally {
    setActivity(before);
  }
}
