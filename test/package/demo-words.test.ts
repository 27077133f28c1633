/** How the demo page puts devices and times. */

import { expect, test } from "vitest";
import { deviceChoices } from "../../examples/browser/src/device-names.js";
import { Speed, timeInWords } from "../../examples/browser/src/speed.js";

test("devices are choices, and a reason why there is none is not", () => {
  expect(deviceChoices(["cpu", "gpu:0 (Apple M2, WebGPU)"])).toEqual({
    choices: [
      { value: "cpu", text: "Processor (CPU)" },
      { value: "gpu:0 (Apple M2, WebGPU)", text: "Graphics card: Apple M2, WebGPU" },
    ],
    reasons: [],
  });
  expect(deviceChoices(["cpu", "no gpu (this browser has no WebGPU)"])).toEqual({
    choices: [{ value: "cpu", text: "Processor (CPU)" }],
    reasons: ["No graphics card: this browser has no WebGPU"],
  });
});

test("the speed is that of the last steps, and the time left counts the samples", () => {
  const speed = new Speed();
  expect([speed.imagesPerSecond, speed.secondsLeft(3, 1)]).toEqual([undefined, undefined]);
  speed.noteStep(16, 100);
  for (let step = 0; step < 12; step++) speed.noteStep(16, 2);
  speed.noteSampling(5);
  expect([speed.imagesPerSecond, speed.secondsLeft(3, 1)]).toEqual([8, 11]);
});

test.each([
  [0.2, "1 s"],
  [89, "89 s"],
  [100, "2 min"],
  [5399, "1 h 30 min"],
])("%d seconds are %s", (seconds, text) => expect(timeInWords(seconds)).toBe(text));
