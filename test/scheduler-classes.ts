/** The scheduler classes that emberwing exports, by their names. */

import type { LoadableScheduler } from "emberwing";
import * as emberwing from "emberwing";

export const schedulerClasses = Object.fromEntries(
  Object.entries(emberwing).filter(
    ([name, value]) =>
      name !== "Scheduler" && typeof value === "function" && value.prototype instanceof emberwing.Scheduler,
  ),
) as unknown as Record<string, LoadableScheduler>;

export function schedulerClass(name: string): LoadableScheduler {
  const Class = schedulerClasses[name];
  if (!Class) throw new Error(`emberwing has no ${name}`);
  return Class;
}

/** Options as Python's files write them, as ours are called. */
export function camelCase(options: Record<string, unknown>): Record<string, unknown> {
  const renamed = (name: string): string => name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
  return Object.fromEntries(Object.entries(options).map(([name, value]) => [renamed(name), value]));
}
