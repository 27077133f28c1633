/** Lines before they are drawn: smoothing and thinning. */

export interface Point {
  readonly x: number;
  readonly y: number;
}

/**
 * The mean over a window around each value. The window grows to `halfWidth` on both sides over the first values,
 * because a loss starts steeply and a wide window would lift the line off it; at the end its right side is cut.
 */
export function runningMean(values: readonly number[], halfWidth: number): number[] {
  const sums = [0];
  for (const [index, value] of values.entries()) sums.push((sums[index] ?? 0) + value);
  return values.map((_, index) => {
    const reach = Math.min(halfWidth, Math.floor(index / 3));
    const end = Math.min(index + reach + 1, values.length);
    return ((sums[end] ?? 0) - (sums[index - reach] ?? 0)) / (end - index + reach);
  });
}

/** At most about `limit` points that keep every bucket's lowest and highest value: the picture stays the same. */
export function thinned(points: readonly Point[], limit: number): readonly Point[] {
  if (points.length <= limit) return points;
  const size = Math.ceil((2 * points.length) / limit);
  const buckets = Array.from({ length: Math.ceil(points.length / size) }, (_, index) =>
    points.slice(index * size, (index + 1) * size),
  );
  return buckets.flatMap(extremes);
}

/** The lowest and the highest of a bucket, in their order; one where they are the same. */
function extremes(bucket: readonly Point[]): Point[] {
  const [first] = bucket;
  if (first === undefined) return [];
  let [low, high] = [first, first];
  for (const point of bucket) {
    if (point.y < low.y) low = point;
    if (point.y > high.y) high = point;
  }
  if (low === high) return [low];
  return low.x < high.x ? [low, high] : [high, low];
}
