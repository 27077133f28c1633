/** What the page is busy with: the worker does one thing at a time, and what cannot be begun now is switched off. */

export type Activity = "starting" | "idle" | "painting" | "loading" | "training" | "paused";

type Control = HTMLButtonElement | HTMLInputElement | HTMLSelectElement | HTMLFieldSetElement;

let current: Activity = "starting";
const rules: (() => void)[] = [];

export const activity = (): Activity => current;

export function setActivity(next: Activity): void {
  current = next;
  document.body.dataset.activity = next;
  refreshControls();
}

/** Controls that can be used during some activities only. */
export function usableDuring(activities: readonly Activity[], ...controls: readonly Control[]): void {
  usableWhen(() => activities.includes(current), ...controls);
}

/** Asked at every change of the activity, and by `refreshControls`. */
export function usableWhen(isUsable: () => boolean, ...controls: readonly Control[]): void {
  rules.push(() => {
    for (const control of controls) control.disabled = !isUsable();
  });
}

export function refreshControls(): void {
  for (const rule of rules) rule();
}
