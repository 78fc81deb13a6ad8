/**
 * How well embeddings tell whether two images show the same person: over all pairs of images, the distance of the two
 * as the score. Pure arithmetic over vectors and labels, in float64.
 */

import { fail } from "../errors.ts";

export interface Verification {
  /** Pairs of two images, N (N - 1) / 2. */
  readonly pairs: number;
  /** Of them, pairs of the same person. */
  readonly same: number;
  /**
   * Area under the ROC curve: how often a pair of the same person is nearer than a pair of two persons, ties counted
   * half; 0.5 is chance.
   */
  readonly auc: number;
  /**
   * "The same person" where the distance is at most this: the one with the best balanced accuracy, halfway to the next
   * distance.
   */
  readonly threshold: number;
  /**
   * Balanced accuracy at the threshold: the mean of the shares right of the same and of the different pairs, since
   * those are many times more.
   */
  readonly accuracy: number;
}

/** Verification over all pairs. vectors [N, m], such as embeddings; labels [N], each image's person. */
export function verification(vectors: Float32Array, labels: ArrayLike<number>): Verification {
  const count = labels.length;
  const size = vectors.length / count;
  if (count < 2 || !Number.isInteger(size) || size === 0)
    fail(
      "usage",
      `expected a vector for each of at least 2 labels but received ${vectors.length} numbers for ${count} labels`,
    );
  const unknown = Array.from(labels).findIndex((label) => label < 0);
  if (unknown >= 0)
    fail("data", `expected the person of each image to verify embeddings with but image ${unknown} has none`);
  const pairs = (count * (count - 1)) / 2;
  const distances = new Float64Array(pairs);
  const same = new Uint8Array(pairs);
  let k = 0;
  for (let i = 0; i < count; i++) {
    for (let j = i + 1; j < count; j++, k++) {
      let sum = 0;
      for (let at = 0; at < size; at++) sum += (vectors[i * size + at]! - vectors[j * size + at]!) ** 2;
      distances[k] = Math.sqrt(sum);
      same[k] = labels[i] === labels[j] ? 1 : 0;
    }
  }
  const positives = same.reduce((sum, one) => sum + one, 0);
  if (positives === 0 || positives === pairs)
    fail(
      "data",
      `expected pairs of the same person and of two persons but received ${positives} and ${pairs - positives}`,
    );
  return { pairs, same: positives, ...verifyPairs(distances, same) };
}

/**
 * Area under the ROC curve and best threshold of given pairs: their distances, and 1 where both images show the same
 * person.
 */
export function verifyPairs(
  distances: ArrayLike<number>,
  same: ArrayLike<number>,
): Pick<Verification, "auc" | "threshold" | "accuracy"> {
  const order = Uint32Array.from({ length: distances.length }, (_, i) => i).sort(
    (a, b) => distances[a]! - distances[b]!,
  );
  let positives = 0;
  for (let i = 0; i < same.length; i++) positives += same[i]!;
  const negatives = same.length - positives;
  // Walks the distances upwards, equal ones at once: the ROC curve, and under it the area as trapezoids.
  let [below, belowNegative, area] = [0, 0, 0];
  let [threshold, accuracy] = [0, -1];
  for (let at = 0; at < order.length; ) {
    const distance = distances[order[at]!]!;
    let [here, hereNegative] = [0, 0];
    for (; at < order.length && distances[order[at]!] === distance; at++) {
      if (same[order[at]!] === 1) here++;
      else hereNegative++;
    }
    area += hereNegative * (below + here / 2);
    below += here;
    belowNegative += hereNegative;
    const right = (below / positives + (negatives - belowNegative) / negatives) / 2;
    if (right > accuracy) {
      accuracy = right;
      threshold = at < order.length ? (distance + distances[order[at]!]!) / 2 : distance;
    }
  }
  return { auc: area / positives / negatives, threshold, accuracy };
}
