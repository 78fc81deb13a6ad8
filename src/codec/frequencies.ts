/**
 * From integer weights of the levels to the integer frequencies that every symbol source draws from. The weights are
 * w_i = trunc(exp(l_i - max) * 2^21); the exponential is the exact engine's, so nothing here rounds differently
 * anywhere. Why these numbers, and what the floor of one part costs: docs/range-coding.md.
 */

import { fail, show } from "../errors.ts";
import { TOTAL } from "./range-coder.ts";

/** A change of any rule below is a new version, and so another model digest. */
export const FREQUENCY_VERSION = 1;

/** Weight of the likeliest level. */
export const WEIGHT_ONE = 2 ** 21;

/** The most levels: 256 weights of 2^21 times 2^24 parts are just 2^53. */
export const MAX_LEVELS = 256;

/**
 * C_i = i + floor(S_i * (2^24 - K) / S_K), S the prefix sums of `weights`: K + 1 numbers into `out`, from 0 to 2^24,
 * strictly increasing. Weights are integers from 0 to 2^21, at least one of them positive.
 */
export function cumulativeFromWeights(
  weights: Uint32Array | Int32Array,
  levels: number,
  out: Uint32Array,
  options: { weightsOffset?: number; outOffset?: number } = {},
): void {
  const from = options.weightsOffset ?? 0;
  const to = options.outOffset ?? 0;
  let sum = 0;
  for (let i = 0; i < levels; i++) {
    const weight = weights[from + i]!;
    if (!(weight >= 0 && weight <= WEIGHT_ONE)) {
      fail("internal", `expected an integer weight from 0 to 2^21 for level ${i} but received ${show(weight)}`);
    }
    sum += weight;
  }
  if (sum === 0) fail("internal", "expected a positive weight among the levels but received zeros only");
  const share = TOTAL - levels;
  let prefix = 0;
  for (let i = 0; i < levels; i++) {
    // Exact: the product is below 2^53, and no quotient lies within 2^-29 under an integer, where doubles are 2^-29
    // apart; being below 2^24 and not negative, `| 0` is its floor, and faster.
    out[to + i] = i + (((prefix * share) / sum) | 0);
    prefix += weights[from + i]!;
  }
  out[to + levels] = TOTAL;
}

/** The fewest bits that a symbol of `levels` levels can cost: all others keep one part each. */
export function leastBits(levels: number): number {
  return -Math.log1p(-(levels - 1) / TOTAL) / Math.LN2;
}
