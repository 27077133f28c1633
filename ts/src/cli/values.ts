/** Values of flags: text to numbers, or a refusal that says what was expected. */
import { InvalidArgumentError } from "commander";

/** Whole numbers from `minimum` to `maximum`, both included. */
export function integerFrom(minimum: number, maximum = Infinity): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^[+-]?\d+$/.test(text) && Number.isSafeInteger(value) && value >= minimum && value <= maximum) return value;
    const most = maximum === Infinity ? "" : ` and at most ${maximum}`;
    throw new InvalidArgumentError(`Expected a whole number of at least ${minimum}${most}.`);
  };
}

/** Whole numbers with commas between them. */
export function integersFrom(minimum: number): (text: string) => number[] {
  return (text) => text.split(",").map(integerFrom(minimum));
}

/** Numbers from `minimum` up to, not including, `limit`. */
export function numberFrom(minimum: number, limit = Infinity): (text: string) => number {
  return (text) => {
    const value = text.trim() === "" ? Number.NaN : Number(text);
    if (value >= minimum && value < limit) return value;
    const below = limit === Infinity ? "" : ` and below ${limit}`;
    throw new InvalidArgumentError(`Expected a number of at least ${minimum}${below}.`);
  };
}

/** The channels that picture files have. */
export function pictureChannels(text: string): 1 | 3 {
  if (text === "1" || text === "3") return text === "1" ? 1 : 3;
  throw new InvalidArgumentError("Expected 1 (grey) or 3 (colour).");
}
