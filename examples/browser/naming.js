/**
 * Name a clip by the cosine of its vector with those of examples, as in
 * `stars_infer/classification/classifiers.py`.
 *
 * @typedef {{action: string, vector: Float32Array}} Example
 */

/** How far each class mean is moved toward the mean of all examples. */
const SHRINKAGE = 0.1;
/** What the winner of a tie gets more. */
const TRACE = 1e-9;

/** A vector of length 1 in the same direction. */
export function unit(vector) {
  const length = Math.max(Math.hypot(...vector), 1e-12);
  return Float64Array.from(vector, (value) => value / length);
}

const dot = (one, other) => one.reduce((sum, value, i) => sum + value * other[i], 0);

/**
 * All examples by their cosine with a vector, nearest first.
 *
 * @param {Float32Array} vector
 * @param {Example[]} examples
 * @returns {{example: Example, cosine: number}[]}
 */
export function neighbors(vector, examples) {
  const direction = unit(vector);
  return examples.map((example) => ({ example, cosine: dot(direction, unit(example.vector)) }))
    .sort((a, b) => b.cosine - a.cosine);
}

/**
 * The majority vote of the n nearest examples (STARS, section 4.3). Among actions that tie, the one
 * with the largest sum of cosines wins.
 *
 * @returns {Map<string, number>} The share of the votes of each action that gets one, best first.
 */
export function vote(vector, examples, n) {
  const near = neighbors(vector, examples).slice(0, n);
  const count = new Map(), sums = new Map();
  for (const { example: { action }, cosine } of near) {
    count.set(action, (count.get(action) ?? 0) + 1);
    sums.set(action, (sums.get(action) ?? 0) + cosine);
  }
  const best = [...count.keys()].sort((a, b) => count.get(b) - count.get(a) || sums.get(b) - sums.get(a));
  return new Map(best.map((action, place) =>
    [action, count.get(action) / near.length + (place ? 0 : TRACE)]));
}

/**
 * Compare with the mean of the examples of each action, all of length 1.
 *
 * @returns {Map<string, number>} 1 minus the squared distance to each mean, nearest first.
 */
export function prototypes(vector, examples) {
  const direction = unit(vector), width = direction.length;
  const mean = (some) => {
    const sum = new Float64Array(width);
    for (const { vector: one } of some) unit(one).forEach((value, i) => { sum[i] += value / some.length; });
    return sum;
  };
  const all = mean(examples), scores = [];
  for (const action of new Set(examples.map((example) => example.action))) {
    const own = mean(examples.filter((example) => example.action === action));
    const prototype = own.map((value, i) => (1 - SHRINKAGE) * value + SHRINKAGE * all[i]);
    scores.push([action, 2 * dot(direction, prototype) - dot(prototype, prototype)]);
  }
  return new Map(scores.sort(([, a], [, b]) => b - a));
}
