/** Axes: where a value lies between the two ends, and at which round values the ticks stand. */

export interface Scale {
  /** 0 at the low end of the axis, 1 at the high end. */
  position(value: number): number;
  readonly ticks: readonly number[];
}

/** Steps of 1, 2 or 5 times a power of ten, about `count` of them between `low` and `high`. */
function roundStep(low: number, high: number, count: number): number {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const factor = [1, 2, 5].find((candidate) => rough <= candidate * power) ?? 10;
  return factor * power;
}

/** An axis from `low` to `high`, both included; equal ends are spread to a range of one. */
export function linearScale(low: number, high: number, tickCount = 6): Scale {
  const end = high > low ? high : low + 1;
  const step = roundStep(low, end, tickCount);
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(end / step + 1e-9);
  return {
    position: (value) => (value - low) / (end - low),
    ticks: Array.from({ length: last - first + 1 }, (_, index) => Number(((first + index) * step).toPrecision(12))),
  };
}

/** A logarithmic axis that covers `low` to `high` (both positive), ticks at 1, 2 and 5 times powers of ten. */
export function logScale(low: number, high: number): Scale {
  const bottom = Math.log10(low);
  const top = high > low ? Math.log10(high) : bottom + 1;
  const powers = Array.from(
    { length: Math.ceil(top) - Math.floor(bottom) + 1 },
    (_, index) => Math.floor(bottom) + index,
  );
  const multiples = top - bottom > 3 ? [1] : [1, 2, 5];
  const candidates = powers.flatMap((power) => multiples.map((multiple) => Number(`${multiple}e${power}`)));
  return {
    position: (value) => (Math.log10(value) - bottom) / (top - bottom),
    ticks: candidates.filter((tick) => Math.log10(tick) >= bottom - 1e-9 && Math.log10(tick) <= top + 1e-9),
  };
}

/** A tick's value as short text: `1500`, `0.05`, `1e-6`. */
export function tickLabel(value: number): string {
  const size = Math.abs(value);
  return size !== 0 && (size < 1e-4 || size >= 1e6) ? value.toExponential() : String(value);
}
