// A mixture of logistics, cut into one bin a level (arXiv 1701.05517, section 2.1): from a sub-pixel's outputs to the
// logarithms of the K levels' probabilities, up to a factor, as docs/determinism.md fixes them. The difference of two
// logistic functions cancels; as sigma(b) - sigma(a) = sigma(b) sigma(-a) (1 - exp(a - b)) it is a product of positive
// numbers, each known to a few units in the last place. The sum over components is one of probabilities, not of their
// logarithms: the K of them sum to 1, so the largest is above 1 / K, and what underflows is far below one part of 2^24.

import { exp4, expWithin4, hold, log4, tanh4 } from "./functions";

const OUT: usize = 0; // address of row 0; K numbers a row, and up to 3 behind them are overwritten
const OUT_STRIDE: usize = 4;
const OF: usize = 8; // outputs: of each component a weight; then means; then log-scales; then, for each channel before
// this one, coefficients
const SEEN: usize = 12; // levels of the pixel's channels as numbers from -1 to 1
const STRIDE: usize = 16; // of the outputs
const SEEN_STRIDE: usize = 20;
const COMPONENTS: usize = 24;
const BEFORE: usize = 28; // channels before this one
const LEVELS: usize = 32;
const EDGES: usize = 36; // address of the edges of the bins: -infinity, K - 1 numbers, then infinity

/** z = (edge - mean) / scale, held to -50 .. 50: below e^-50 nothing matters, and no product becomes denormal. */
@inline
function offset(edges: usize, mean: v128, inverse: v128): v128 {
  const z = f32x4.mul(f32x4.sub(v128.load(edges), mean), inverse);
  return hold(z, f32x4.splat(50), f32x4.splat(-50));
}

/** Of the first and the last level the whole weight, of others its inner part. */
@inline
function atEnds(weight: v128, inner: v128, level: v128, levels: i32): v128 {
  const end = v128.or(i32x4.eq(level, i32x4.splat(0)), i32x4.eq(level, i32x4.splat(levels - 1)));
  return v128.bitselect(weight, inner, end);
}

export function bins(d: usize, first: usize, rows: usize): void {
  const outStride = load<u32>(d + OUT_STRIDE) as usize;
  const stride = load<u32>(d + STRIDE) as usize;
  const seenStride = load<u32>(d + SEEN_STRIDE) as usize;
  const part = (load<u32>(d + COMPONENTS) as usize) << 2;
  const before = load<u32>(d + BEFORE) as usize;
  const levels = load<u32>(d + LEVELS) as i32;
  const bytes = (levels as usize) << 2;
  const edges = load<u32>(d + EDGES) as usize;
  const width = f32x4.splat(<f32>2 / <f32>(levels - 1));
  const one = f32x4.splat(1);
  let out = (load<u32>(d + OUT) as usize) + first * outStride;
  let from = (load<u32>(d + OF) as usize) + first * stride;
  let seen = (load<u32>(d + SEEN) as usize) + first * seenStride;
  for (; rows > 0; rows--, out += outStride, from += stride, seen += seenStride) {
    let top = f32x4.splat(-f32.POSITIVE_INFINITY);
    for (let m = from; m < from + part; m += 4) top = f32x4.max(top, v128.load32_splat(m)); // a NaN wins
    for (let m = from; m < from + part; m += 4) {
      const weight = exp4(f32x4.pmax(f32x4.sub(v128.load32_splat(m), top), f32x4.splat(-20)));
      let mean = v128.load32_splat(m + part);
      let coefficient = m + 3 * part;
      for (let c: usize = 0; c < before; c++, coefficient += part) {
        const x = v128.load32_splat(seen + (c << 2));
        mean = f32x4.add(mean, f32x4.mul(tanh4(v128.load32_splat(coefficient)), x));
      }
      const inverse = exp4(f32x4.neg(hold(v128.load32_splat(m + 2 * part), f32x4.splat(7), f32x4.splat(-7))));
      // 1 - exp(-width / scale), which would cancel, by tanh: 2 t / (1 + t), t = tanh(width / scale / 2).
      const t = tanh4(f32x4.mul(f32x4.splat(0.5), f32x4.mul(width, inverse)));
      const inner = f32x4.mul(weight, f32x4.div(f32x4.add(t, t), f32x4.add(one, t)));

      let e = expWithin4(offset(edges, mean, inverse));
      let above = f32x4.div(one, f32x4.add(one, e)); // of the logistic, what is above a bin's lower edge
      let below = f32x4.mul(e, above); // and what is below it
      let level = i32x4(0, 1, 2, 3);
      for (let i: usize = 0; i < bytes; i += 16) {
        e = expWithin4(offset(edges + i + 16, mean, inverse));
        const nextAbove = f32x4.div(one, f32x4.add(one, e));
        const nextBelow = f32x4.mul(e, nextAbove);
        const upper = v128.shuffle<i32>(below, nextBelow, 1, 2, 3, 4);
        // The first bin goes on to -infinity and the last to infinity: nothing is cut off there.
        const factor = i == 0 || i + 16 >= bytes ? atEnds(weight, inner, level, levels) : inner;
        const share = f32x4.mul(factor, f32x4.mul(upper, above));
        v128.store(out + i, m == from ? share : f32x4.add(v128.load(out + i), share));
        above = nextAbove;
        below = nextBelow;
        level = i32x4.add(level, i32x4.splat(4));
      }
    }
    for (let i: usize = 0; i < bytes; i += 16) v128.store(out + i, log4(v128.load(out + i)));
  }
}
