// Logits to cumulative integer frequencies with total 2^24, as ../shared/codec.md fixes them: after one conversion all is integer.
//   w_i = trunc(exp(max(l_i - max, -20)) * 2^21),  S = prefix sums of w,  C_i = i + floor(S_i * (2^24 - K) / S_K)
// The integers live in float64: S_i * (2^24 - K) < 2^53 for K <= 256, and the quotient's distance to the next integer, at least
// 1 / S_K >= 2^-29, is more than half a unit in the last place below 2^24, so floor(a / b) of the rounded quotient is exact.

import { exp4 } from "./functions";

/**
 * Rows `first .. first + rows - 1`. Words at `d`: logits, their row stride, number of levels K, scale (float32: 1 / temperature),
 * out (K + 1 integers a row, row 0 holding `first`'s; 12 bytes behind the last row are overwritten).
 * Returns the first row whose logits have a NaN or whose largest is infinite, else -1.
 */
export function frequencies(d: usize, first: i32, rows: i32): i32 {
  const stride = load<u32>(d, 4) as usize;
  const levels = load<u32>(d, 8) as usize;
  const scale = f32x4.splat(load<f32>(d, 12));
  let out = load<u32>(d, 16) as usize;
  const bytes = levels << 2;
  const room = <f64>(16777216 - <i32>levels);
  const lanes = i32x4(0, 1, 2, 3);
  const lowest = f32x4.splat(-f32.POSITIVE_INFINITY);
  for (let row = first; row < first + rows; row++, out += bytes + 4) {
    const logits = (load<u32>(d) as usize) + (row as usize) * stride;
    let top = lowest;
    for (let i: usize = 0; i < bytes; i += 16) {
      const real = i32x4.lt_s(lanes, i32x4.splat((bytes - i) as i32 >> 2));
      top = f32x4.max(top, v128.bitselect(f32x4.mul(v128.load(logits + i), scale), lowest, real));
    }
    const max = max2(
      max2(f32x4.extract_lane(top, 0), f32x4.extract_lane(top, 1)),
      max2(f32x4.extract_lane(top, 2), f32x4.extract_lane(top, 3)),
    );
    if (!(max - max == 0)) return row; // NaN or infinite

    // w_i, still as float32, into the place of C_(i+1); a last partial vector spills where the next row will be written.
    for (let i: usize = 0; i < bytes; i += 16) {
      let x = f32x4.sub(f32x4.mul(v128.load(logits + i), scale), f32x4.splat(max));
      x = f32x4.pmax(x, f32x4.splat(-20));
      v128.store(out + i, f32x4.trunc(f32x4.mul(exp4(x), f32x4.splat(2097152))), 4);
    }
    let total: f64 = 0;
    for (let i: usize = 0; i < bytes; i += 4) total += <f64>load<f32>(out + i, 4);
    let sum: f64 = 0;
    store<u32>(out, 0);
    for (let i: usize = 0; i < bytes; i += 4) {
      sum += <f64>load<f32>(out + i, 4);
      store<u32>(out + i, <u32>(i >> 2) + 1 + <u32>(<i32>((sum * room) / total)), 4);
    }
  }
  return -1;
}

@inline
function max2(a: f32, b: f32): f32 {
  return max<f32>(a, b); // f32.max: a NaN wins
}
