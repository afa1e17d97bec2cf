// What two attention pictures beside each other say of their difference.

/**
 * How much of a query's weight lies on other positions than in the run beside: half the sum of all differences, 0 to 1
 * (the total variation distance); NaN = not known, or the picture shows no weights that sum to 1.
 *
 * @param {import("./values.js").Values} one
 * @param {import("./values.js").Values} other
 * @param {number} query  position, in both
 */
export function movedWeight(one, other, query) {
  if (one.choice.picture === "max" || other.choice.picture === "max") return Number.NaN;
  let sum = 0;
  for (const offset of new Set([...one.offsets(query), ...other.offsets(query)])) {
    const [mine, theirs] = [one, other].map((values) => (values.sees(query, offset) ? values.value(query, offset) : 0));
    sum += Math.abs(mine - theirs);
  }
  return sum / 2;
}
