/** How often the sides take steps, and how the programs are told. */

export const WARM_UP = 2;
/** Rounds of `--quick`: enough to see that it runs, and roughly where it stands. */
const QUICK_ROUNDS = 3;

/** The number asked for, or none: each case then has its own. */
export function roundsOf({ rounds, quick = false }) {
  if (rounds === undefined) return quick ? QUICK_ROUNDS : undefined;
  if (!/^[1-9]\d*$/.test(rounds)) throw new Error(`--rounds: expected a positive integer, got ${rounds}`);
  return Number(rounds);
}

/** The named ones of a list, in the order given. */
export function named(option, given, all) {
  return given.split(",").map((name) => {
    const found = all.find((each) => each.name === name);
    if (!found) throw new Error(`${option}: expected some of ${all.map((each) => each.name).join(", ")}, got ${name}`);
    return found;
  });
}
