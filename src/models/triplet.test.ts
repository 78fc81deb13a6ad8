/** The triplet loss and its mining against loops over every triple, ties and lonely images included. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { checkDerivatives, derivatives, randomTensor } from "../autodiff/central-differences.test-support.ts";
import { evaluate, numbers } from "../onnx/evaluate.test-support.ts";
import { tensor } from "../tensor.ts";
import { normalised, squaredDistances, tripletLoss } from "./triplet.ts";

const distance = (a: readonly number[], b: readonly number[]): number =>
  a.reduce((sum, v, i) => sum + (v - b[i]!) ** 2, 0);

/** The loss as its source says it, triple by triple. */
function naiveLoss(rows: readonly (readonly number[])[], labels: readonly number[], margin: number): number {
  let [sum, pairs] = [0, 0];
  for (const [a, anchor] of rows.entries())
    for (const [p, positive] of rows.entries()) {
      if (a === p || labels[a] !== labels[p]) continue;
      const others = rows.filter((_, n) => labels[n] !== labels[a]).map((row) => distance(anchor, row));
      if (others.length === 0) continue;
      const near = distance(anchor, positive);
      const farther = others.filter((d) => d > near);
      const hard = farther.length > 0 ? Math.min(...farther) : Math.max(...others);
      sum += Math.max(0, near - hard + margin);
      pairs++;
    }
  return pairs === 0 ? 0 : sum / pairs;
}

async function lossOf(
  rows: readonly (readonly number[])[],
  labels: readonly number[],
  margin: number,
): Promise<number> {
  const shape = [rows.length, rows[0]!.length];
  const { y } = await evaluate((g) => ({
    y: tripletLoss(
      g.constant("float64", shape, rows.flat()),
      g.constant("int32", [labels.length], Int32Array.from(labels)),
      margin,
    ),
  }));
  return numbers(y!)[0]!;
}

const B = 6;
const labelled = fc.array(fc.integer({ min: 0, max: 3 }), { minLength: B, maxLength: B });
const rowsOf = (coordinate: fc.Arbitrary<number>): fc.Arbitrary<number[][]> =>
  fc.array(fc.array(coordinate, { minLength: 2, maxLength: 2 }), { minLength: B, maxLength: B });

describe("the loss is its loops", () => {
  test("for real embeddings, of classes of one image and of all", async () => {
    const real = fc.double({ min: -1.5, max: 1.5, noNaN: true });
    await fc.assert(
      fc.asyncProperty(rowsOf(real), labelled, fc.constantFrom(0.05, 0.2, 1), async (rows, labels, margin) => {
        expect(await lossOf(rows, labels, margin)).toBeCloseTo(naiveLoss(rows, labels, margin), 12);
      }),
      { numRuns: 60, endOnFailure: true },
    );
  });

  test("where many distances are equal, some of them zero", async () => {
    // Whole coordinates from 0 to 2: few different distances, and those exact.
    await fc.assert(
      fc.asyncProperty(rowsOf(fc.integer({ min: 0, max: 2 })), labelled, async (rows, labels) => {
        expect(await lossOf(rows, labels, 0.5)).toBeCloseTo(naiveLoss(rows, labels, 0.5), 12);
      }),
      { numRuns: 60, endOnFailure: true },
    );
  });
});

describe("mining, by hand", () => {
  // On a line: anchor 0 and positive 1 of class 0.
  const line = (...places: number[]): number[][] => places.map((x) => [x]);
  test("the nearest negative that is farther than the positive is taken, not the nearest of all", async () => {
    // From 0: positive at 1, negatives at 0.5 (nearer), 1.1 and 3. From 1: positive at 0, negatives 0.1, 0.5 and 2
    // away: semi-hard is 3.
    const loss = await lossOf(line(0, 1, 0.5, 1.1, 3), [0, 0, 1, 2, 3], 0.4);
    expect(loss).toBeCloseTo((1 - 1.21 + 0.4 + 0) / 2, 12);
  });
  test("without one farther, the farthest is taken", async () => {
    const loss = await lossOf(line(0, 1, 0.5, 0.4), [0, 0, 1, 2], 0.2);
    // From 0: 0.5^2; from 1: 0.6^2.
    expect(loss).toBeCloseTo((1 - 0.25 + 0.2 + (1 - 0.36 + 0.2)) / 2, 12);
  });
  test("a negative as far as the positive is not farther", async () => {
    expect(await lossOf(line(0, 1, -1), [0, 0, 1], 0.2)).toBeCloseTo((0.2 + 0) / 2, 12);
  });
  test("a batch of one class, and one of strangers, has no loss", async () => {
    expect(await lossOf(line(0, 1, 2), [4, 4, 4], 0.2)).toBe(0);
    expect(await lossOf(line(0, 1, 2), [1, 2, 3], 0.2)).toBe(0);
  });
  test("all embeddings equal cost the margin", async () => {
    expect(await lossOf(line(1, 1, 1, 1), [0, 0, 1, 1], 0.2)).toBeCloseTo(0.2, 12);
  });
  test("an embedding that is not a number is a loss that is not a number", async () => {
    expect(await lossOf(line(0, Number.NaN, 1), [0, 0, 1], 0.2)).toBeNaN();
  });
});

describe("derivatives", () => {
  const labels = [0, 0, 1, 1, 1, 2, 0];
  const x = randomTensor([labels.length, 3], 5, 0.1);
  test("of the loss are those of central differences, through the mining and the norm", async () => {
    const found = await checkDerivatives({ x }, ({ x }, g) =>
      tripletLoss(normalised(x!), g.constant("int32", [labels.length], Int32Array.from(labels)), 0.7),
    );
    expect(found.x!.filter((d) => d === 0).length).toBeLessThan(x.data.length / 2);
  });
  test("equally distant negatives share theirs", async () => {
    // Anchors 0 and 1 at (0, 0) and (1, 0); negatives mirror each other above and below the line.
    const rows = tensor("float64", [4, 2], Float64Array.of(0, 0, 1, 0, 0.5, 1, 0.5, -1));
    const { rows: d } = await derivatives({ rows }, ({ rows }, g) =>
      tripletLoss(rows!, g.constant("int32", [4], Int32Array.of(0, 0, 1, 2)), 1),
    );
    expect(d![5]).toBeCloseTo(-d![7]!, 12);
    expect(Math.abs(d![5]!)).toBeGreaterThan(0.1);
    expect(d![4]).toBeCloseTo(d![6]!, 12);
  });
});

test("squared distances are exact for whole numbers, and zero on the diagonal", async () => {
  const { d } = await evaluate((g) => ({ d: squaredDistances(g.constant("float32", [3, 2], [0, 0, 3, 4, 1, 1])) }));
  expect(numbers(d!)).toEqual([0, 25, 2, 25, 0, 13, 2, 13, 0]);
});

test("normalised rows have length one, and the zero row stays", async () => {
  const { y } = await evaluate((g) => ({ y: normalised(g.constant("float32", [3, 2], [3, 4, -0.001, 0, 0, 0])) }));
  [0.6, 0.8, -1, 0, 0, 0].forEach((expected, i) => {
    expect(numbers(y!)[i]).toBeCloseTo(expected, 6);
  });
});

test("labels of another type or length are refused", async () => {
  await expect(lossOf([[0], [1]], [0, 1, 1], 0.2)).rejects.toThrow(
    "expected int32 labels [2] for the triplet loss but received int32[3]",
  );
});
