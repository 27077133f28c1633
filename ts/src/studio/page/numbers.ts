/** Numbers as the page writes them. */

/** Four digits that count: `0.03127`, `1.25e-7`, `128.4`. */
export function shortNumber(value: number): string {
  const magnitude = Math.abs(value);
  if (value !== 0 && (magnitude < 1e-4 || magnitude >= 1e6)) return value.toExponential(2);
  return String(Number(value.toPrecision(4)));
}

export const wholeNumber = (value: number): string => value.toLocaleString("en");
