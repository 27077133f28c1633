/** What `devices()` names, for people. */

export interface DeviceChoice {
  /** As `device` takes it. */
  readonly value: string;
  readonly text: string;
}

/** An entry such as "no gpu (this browser has no WebGPU)" is no device, but says why there is none. */
export function deviceChoices(names: readonly string[]): { choices: DeviceChoice[]; reasons: string[] } {
  const absences = names.filter((name) => name.startsWith("no "));
  const choices = names.filter((name) => !absences.includes(name)).map((value) => ({ value, text: inWords(value) }));
  return { choices, reasons: absences.map((name) => name.replace(/^no gpu \((.*)\)$/, "No graphics card: $1")) };
}

const inWords = (name: string): string =>
  name === "cpu" ? "Processor (CPU)" : name.replace(/^gpu(:\d+)? \((.*)\)$/, "Graphics card: $2");
