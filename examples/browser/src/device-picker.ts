/** Where the model computes. */
import { activity, setActivity, usableDuring } from "./activity.js";
import { hideAlert, showAlert } from "./alert.js";
import { deviceChoices } from "./device-names.js";
import { byId, h } from "./dom.js";
import { moveModel } from "./model.js";
import type { Session } from "./session.js";

/** @param names What `devices()` gave. */
export function showDevices(session: Session, names: readonly string[]): void {
  const { choices, reasons } = deviceChoices(names);
  const select = byId("device", HTMLSelectElement);
  select.replaceChildren(...choices.map(({ value, text }) => h("option", { value }, text)));
  select.value = session.device;
  const note = byId("device-note", HTMLParagraphElement);
  note.hidden = reasons.length === 0;
  note.replaceChildren(reasons.join("; "));
  select.addEventListener("change", () => void move(session, select));
  usableDuring(choices.length > 1 ? ["idle"] : [], select);
}

async function move(session: Session, select: HTMLSelectElement): Promise<void> {
  const before = activity();
  hideAlert();
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
