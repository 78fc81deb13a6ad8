/**
 * For tests: the mixture of logistics from its definition, sigma(z1) - sigma(z0), in integers of 400 binary digits, so
 * that no difference cancels and nothing is shared with the head or the kernel.
 */

export interface NaiveMixture {
  readonly levels: number;
  readonly components: number;
  /** Weights, means, log-scales, and coefficients for one channel before after another. */
  readonly outputs: ArrayLike<number>;
  /** Levels of the channels before, from -1 to 1. */
  readonly seen: ArrayLike<number>;
}

const DIGITS = 400n;
const ONE = 1n << DIGITS;
const times = (a: bigint, b: bigint): bigint => (a * b) >> DIGITS;
const over = (a: bigint, b: bigint): bigint => (a << DIGITS) / b;

/** A float64 number, exactly but for what lies below 2^-400. */
function exactly(x: number): bigint {
  // 2^52 x 2^e, in whole numbers.
  const e = x === 0 ? 0 : Math.floor(Math.log2(Math.abs(x)));
  const shift = DIGITS + BigInt(e) - 52n;
  const whole = BigInt(Math.round(x * 2 ** (52 - e)));
  return shift >= 0n ? whole << shift : whole >> -shift;
}

/** exp of x: of x / 2^12 by its series, squared twelve times. */
function exp(x: bigint): bigint {
  const small = x >> 12n;
  let sum = ONE;
  let term = ONE;
  for (let n = 1n; term !== 0n && term !== -1n; n++) {
    term = times(term, small) / n;
    sum += term;
  }
  for (let i = 0; i < 12; i++) sum = times(sum, sum);
  return sum;
}

/** The logistic function; 0 or 1 beyond +-200, where the other is below 2^-288. */
function logistic(x: bigint): bigint {
  if (x < -200n * ONE) return 0n;
  if (x > 200n * ONE) return ONE;
  return over(ONE, ONE + exp(-x));
}

/** log p of each level; -Infinity where p is below 2^-400. */
export function mixtureLogProbabilities({ levels: K, components: M, outputs, seen }: NaiveMixture): number[] {
  const at = (part: number, m: number): number => outputs[part * M + m]!;
  const most = Math.max(...Array.from({ length: M }, (_, m) => at(0, m)));
  const sums = new Array<bigint>(K).fill(0n);
  let total = 0n;
  for (let m = 0; m < M; m++) {
    const weight = exp(exactly(Math.max(-200, at(0, m) - most)));
    total += weight;
    let mean = exactly(at(1, m));
    for (let c = 0; c < seen.length; c++) mean += exactly(Math.tanh(at(3 + c, m)) * seen[c]!);
    const inverse = exp(exactly(-Math.max(-7, Math.min(7, at(2, m)))));
    let below = 0n;
    for (let k = 0; k < K; k++) {
      const edge = (BigInt(2 * (k + 1) - K) << DIGITS) / BigInt(K - 1);
      const next = k === K - 1 ? ONE : logistic(times(edge - mean, inverse));
      sums[k]! += times(weight, next - below);
      below = next;
    }
  }
  return sums.map((sum) => logarithm(over(sum, total)));
}

/** log of a number, in float64: of its first 60 binary digits, and of how many follow. */
function logarithm(x: bigint): number {
  if (x <= 0n) return -Infinity;
  const digits = BigInt(x.toString(2).length);
  const shift = digits > 60n ? digits - 60n : 0n;
  return Math.log(Number(x >> shift)) + Number(shift - DIGITS) * Math.LN2;
}
