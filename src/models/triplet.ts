/**
 * The triplet loss with semi-hard negatives (Schroff, Kalenichenko and Philbin 2015, FaceNet, section 3), mined inside
 * a batch of labelled images: an image should be nearer to every other image of its class than to any image of another,
 * by a margin, in squared distance. Which negative is taken is decided by comparisons, which carry no derivative; its
 * distance is then selected by a constant mask.
 */

import { fail } from "../errors.ts";
import type { Value } from "../onnx/graph.ts";
import {
  add,
  cast,
  div,
  equal,
  greater,
  max,
  mul,
  neg,
  reduceMax,
  reduceSum,
  reshape,
  sqrt,
  sub,
  where,
} from "../onnx/ops.ts";

/** Added under the root of a norm, so that the zero vector has a derivative. */
const TINY = 1e-12;
/** Above every squared distance that anyone trains with: stands for "no such negative". */
const FAR = 1e30;

/** Rows of length one: x [B, m] -> x / |x|. */
export function normalised(x: Value): Value {
  const squares = reduceSum(mul(x, x), { axes: [1], keepAxes: true });
  return div(x, sqrt(add(squares, TINY)));
}

/** Squared distances between all rows: x [B, m] -> [B, B], exactly 0 between equal rows. */
export function squaredDistances(x: Value): Value {
  const [B, m] = x.shape as [number, number];
  // By differences, not by |a|^2 + |b|^2 - 2ab, which loses the small distances that matter here.
  const difference = sub(reshape(x, [B, 1, m]), reshape(x, [1, B, m]));
  return reduceSum(mul(difference, difference), { axes: [2] });
}

/**
 * Mean of max(0, d(a, p) - d(a, n) + margin) over all pairs (a, p) of different images of one class, as a scalar: n is
 * the nearest image of another class that is farther from a than p is or, where none is, the farthest of another class.
 * Equally distant ones share the derivative. Pairs whose anchor has no image of another class beside it do not count;
 * without any pair the loss is 0. embeddings [B, m], labels [B] int32.
 */
export function tripletLoss(embeddings: Value, labels: Value, margin: number): Value {
  const { graph, dtype } = embeddings;
  const [B] = embeddings.shape as [number];
  if (labels.dtype !== "int32" || labels.shape.length !== 1 || labels.shape[0] !== B)
    fail("internal", `expected int32 labels [${B}] for the triplet loss but received ${labels.dtype}[${labels.shape}]`);
  return graph.scope("triplet", () => {
    const number = (condition: Value): Value => cast(condition, dtype);
    const d = squaredDistances(embeddings);
    const same = equal(reshape(labels, [B, 1]), reshape(labels, [1, B]));
    const diagonal = graph.constant(
      dtype as "float32",
      [B, B],
      Array.from({ length: B * B }, (_, i) => (i % (B + 1) === 0 ? 1 : 0)),
    );

    // Axes anchor, positive, negative.
    const positive = reshape(d, [B, B, 1]);
    const negative = reshape(d, [B, 1, B]);
    const other = reshape(sub(1, number(same)), [B, 1, B]);
    const last = { axes: [2], keepAxes: true };
    const semiHard = mul(number(greater(negative, positive)), other);
    const nearest = neg(reduceMax(where(greater(semiHard, 0), neg(negative), -FAR), last));
    const nearestOnes = mul(semiHard, number(equal(negative, nearest)));
    const farthest = reduceMax(where(greater(other, 0), negative, -FAR), last);
    const farthestOnes = mul(other, number(equal(negative, farthest)));
    const chosen = where(greater(FAR / 2, nearest), nearestOnes, farthestOnes);
    const share = div(chosen, max(reduceSum(chosen, last), 1));
    const hardNegative = reduceSum(mul(share, negative), { axes: [2] });

    const pairs = mul(sub(number(same), diagonal), number(greater(reduceSum(other, { axes: [2] }), 0)));
    const slack = add(sub(d, hardNegative), margin);
    // As a product with a mask, not relu: a distance that is not a number must not become a loss of 0.
    const hinge = mul(slack, mul(pairs, number(greater(slack, 0))));
    return div(reduceSum(hinge), max(reduceSum(pairs), 1));
  });
}
