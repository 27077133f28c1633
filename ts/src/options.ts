/** Checks of what does not cross into the core as it is; the core checks the rest. */
import { describe, EmberwingError, invalidArgument } from "./errors.js";

/** Refuses keys that `what` does not know, so that a misspelt option is never silently ignored. */
export function checkOptions(what: string, given: object, allowed: readonly string[]): void {
  if (given === null || typeof given !== "object" || Array.isArray(given)) {
    throw invalidArgument(what, "an options object", given);
  }
  const unknown = Object.keys(given).find((key) => !allowed.includes(key));
  if (unknown === undefined) return;
  throw new EmberwingError(
    "InvalidConfig",
    `${what}: unknown option ${describe(unknown)}, expected one of ${allowed.map((key) => `\`${key}\``).join(", ")}`,
  );
}

/** Options as the core takes them. JSON has no NaN and no infinities: it would leave them out. */
export function toJson(options: unknown): string {
  return JSON.stringify(options, (name, value: unknown) => {
    if (typeof value === "number" && !Number.isFinite(value)) throw invalidArgument(name, "a finite number", value);
    return value;
  });
}

/** An object of one of our classes; `expected` names it with its article. */
export function checkInstance(argument: string, value: unknown, expected: string, Class: AnyClass): void {
  if (!(value instanceof Class)) throw invalidArgument(argument, expected, value);
}

/** Also a class whose constructor is private. */
interface AnyClass {
  [Symbol.hasInstance](value: unknown): boolean;
}

/** An integer of at least `minimum`. */
export function checkInteger(argument: string, value: number, minimum: number): void {
  if (!Number.isSafeInteger(value) || value < minimum) {
    throw invalidArgument(argument, `an integer of at least ${minimum}`, value);
  }
}
