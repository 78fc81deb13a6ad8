/** ROC AUC and thresholds against counts over all pairs of pairs. */

import fc from "fast-check";
import { expect, test } from "vitest";
import { verification, verifyPairs } from "./verification.ts";

/** How often a "same" pair is nearer than a "different" one, ties half, by comparing every two. */
function naiveAuc(distances: readonly number[], same: readonly number[]): number {
  let [wins, all] = [0, 0];
  for (const [i, a] of distances.entries())
    for (const [j, b] of distances.entries())
      if (same[i] === 1 && same[j] === 0) {
        all++;
        wins += a < b ? 1 : a === b ? 0.5 : 0;
      }
  return wins / all;
}

function balanced(distances: readonly number[], same: readonly number[], threshold: number): number {
  const share = (kind: number): number => {
    const those = distances.filter((_, i) => same[i] === kind);
    return those.filter((d) => d <= threshold === (kind === 1)).length / those.length;
  };
  return (share(1) + share(0)) / 2;
}

const scored = fc.array(fc.record({ distance: fc.integer({ min: 0, max: 6 }), same: fc.constantFrom(0, 1) }), {
  minLength: 2,
  maxLength: 30,
});

test("the area and the best threshold are those of a naive count, with ties", () => {
  fc.assert(
    fc.property(scored, (pairs) => {
      const distances = pairs.map(({ distance }) => distance);
      const same = pairs.map((pair) => pair.same);
      fc.pre(same.includes(0) && same.includes(1));
      const found = verifyPairs(distances, same);
      expect(found.auc).toBeCloseTo(naiveAuc(distances, same), 12);
      const best = Math.max(...distances.map((d) => balanced(distances, same, d)));
      expect(found.accuracy).toBeCloseTo(best, 12);
      expect(balanced(distances, same, found.threshold)).toBeCloseTo(best, 12);
    }),
  );
});

test("people far apart are told apart wholly, strangers drawn alike not at all", () => {
  const apart = verification(Float32Array.of(0, 0, 0, 0.1, 5, 5, 5, 5.1), [7, 7, 3, 3]);
  expect(apart).toMatchObject({ pairs: 6, same: 2, auc: 1, accuracy: 1 });
  // Halfway between 0.1 and the nearest of two persons, 4.9 * sqrt(2) by and large.
  expect(apart.threshold).toBeCloseTo((0.1 + Math.hypot(5, 4.9)) / 2, 6);
  expect(verification(new Float32Array(8), [0, 0, 1, 1])).toMatchObject({ auc: 0.5, accuracy: 0.5 });
});

test("distances are Euclidean, over all pairs", () => {
  const vectors = Float32Array.of(0, 0, 3, 4, 6, 8, 0, 1);
  const labels = [0, 1, 0, 1];
  const [distances, same]: [number[], number[]] = [[], []];
  for (let i = 0; i < 4; i++)
    for (let j = i + 1; j < 4; j++) {
      distances.push(Math.hypot(vectors[2 * i]! - vectors[2 * j]!, vectors[2 * i + 1]! - vectors[2 * j + 1]!));
      same.push(labels[i] === labels[j] ? 1 : 0);
    }
  const { auc } = verification(vectors, labels);
  expect(auc).toBeCloseTo(naiveAuc(distances, same), 12);
});

test("what cannot be verified is refused in words", () => {
  expect(() => verification(new Float32Array(5), [0, 1])).toThrow(
    "expected a vector for each of at least 2 labels but received 5 numbers for 2 labels",
  );
  expect(() => verification(new Float32Array(3), [0, -1, 1])).toThrow(
    "expected the person of each image to verify embeddings with but image 1 has none",
  );
  expect(() => verification(new Float32Array(3), [0, 0, 0])).toThrow(
    "expected pairs of the same person and of two persons but received 3 and 0",
  );
});
