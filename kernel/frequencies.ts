// Logits to cumulative integer frequencies with total 2^24, as docs/determinism.md fixes them: after one conversion all
// is integer.
//   w_i = trunc(exp(max(l_i - max, -20)) * 2^21),  S = prefix sums of w,  C_i = i + floor(S_i * (2^24 - K) / S_K)
// The quotients are float64: S_i * (2^24 - K) < 2^53 for K <= 256, and the quotient's distance to the next integer, at
// least 1 / S_K >= 2^-29, is more than half a unit in the last place below 2^24, so floor(a / b) of the rounded
// quotient is exact.

import { exp4 } from "./functions";

/** i32x4 lanes 1 where lane i of the vector at byte `at` is one of the levels, which take `bytes`. */
@inline
function real(at: usize, bytes: usize): v128 {
  return i32x4.lt_s(i32x4(0, 1, 2, 3), i32x4.splat(((bytes - at) as i32) >> 2));
}

/**
 * Writes the integers w_i of one row at `out` and returns their sum, or 0 if a logit is NaN or the largest is infinite.
 * A last partial vector is filled up with zeros, so up to 12 bytes behind the row are overwritten.
 */
function weigh(logits: usize, bytes: usize, scale: v128, out: usize): i32 {
  const lowest = f32x4.splat(-f32.POSITIVE_INFINITY);
  let top = lowest;
  for (let i: usize = 0; i < bytes; i += 16) {
    // f32x4.max, unlike pmax, lets a NaN win from either side.
    top = f32x4.max(top, v128.bitselect(f32x4.mul(v128.load(logits + i), scale), lowest, real(i, bytes)));
  }
  const max01 = max<f32>(f32x4.extract_lane(top, 0), f32x4.extract_lane(top, 1));
  const most = max<f32>(max01, max<f32>(f32x4.extract_lane(top, 2), f32x4.extract_lane(top, 3)));
  if (!(most - most == 0)) return 0;

  let sums = i32x4.splat(0);
  for (let i: usize = 0; i < bytes; i += 16) {
    let x = f32x4.sub(f32x4.mul(v128.load(logits + i), scale), f32x4.splat(most));
    x = f32x4.pmax(x, f32x4.splat(-20));
    // Whole numbers up to 2^21; on top of 2^23 they are the low bits of the float.
    const whole = f32x4.add(f32x4.trunc(f32x4.mul(exp4(x), f32x4.splat(2097152))), f32x4.splat(8388608));
    const w = v128.and(i32x4.sub(whole, i32x4.splat(0x4b000000)), real(i, bytes));
    sums = i32x4.add(sums, w);
    v128.store(out + i, w);
  }
  const sum01 = i32x4.extract_lane(sums, 0) + i32x4.extract_lane(sums, 1);
  return sum01 + i32x4.extract_lane(sums, 2) + i32x4.extract_lane(sums, 3);
}

/**
 * Rows `first .. first + rows - 1`. Words at `d`: logits, their row stride, number of levels K, scale (float32: 1 /
 * temperature), out (K + 1 integers per row, row `first` foremost; 12 bytes behind the last row are overwritten).
 * Returns the first row whose logits have a NaN or whose largest is infinite, else -1.
 */
export function frequencies(d: usize, first: i32, rows: i32): i32 {
  const stride = load<u32>(d, 4) as usize;
  const bytes = (load<u32>(d, 8) as usize) << 2;
  const scale = f32x4.splat(load<f32>(d, 12));
  let out = load<u32>(d, 16) as usize;
  const room = f64x2.splat(<f64>(16777216 - <i32>(bytes >> 2)));
  for (let row = first; row < first + rows; row++, out += bytes + 4) {
    // w_i into the place of C_(i+1).
    const total = weigh((load<u32>(d) as usize) + (row as usize) * stride, bytes, scale, out + 4);
    if (total == 0) return row;
    const divisor = f64x2.splat(<f64>total);
    store<u32>(out, 0);
    let before = i32x4.splat(0);
    let level = i32x4(1, 2, 3, 4);
    for (let i: usize = 0; i < bytes; i += 16) {
      let sum = v128.load(out + i, 4);
      const zero = i32x4.splat(0);
      sum = i32x4.add(sum, v128.shuffle<i32>(zero, sum, 0, 4, 5, 6));
      sum = i32x4.add(sum, v128.shuffle<i32>(zero, sum, 0, 1, 4, 5));
      sum = i32x4.add(sum, before);
      before = v128.shuffle<i32>(sum, sum, 3, 3, 3, 3);
      const low = f64x2.div(f64x2.mul(f64x2.convert_low_i32x4_s(sum), room), divisor);
      const upper = f64x2.convert_low_i32x4_s(v128.shuffle<i32>(sum, sum, 2, 3, 2, 3));
      const high = f64x2.div(f64x2.mul(upper, room), divisor);
      const lowInteger = i32x4.trunc_sat_f64x2_s_zero(low);
      const highInteger = i32x4.trunc_sat_f64x2_s_zero(high);
      v128.store(out + i, i32x4.add(v128.shuffle<i32>(lowInteger, highInteger, 0, 1, 4, 5), level), 4);
      level = i32x4.add(level, i32x4.splat(4));
    }
  }
  return -1;
}

/**
 * Only what one known level of each row owns: [C_level, C_(level+1) - C_level], two integers per row, at `out`.
 * `levels` is the address of one byte per row. Otherwise as {@link frequencies}, whose integers it gives; `d`'s out
 * serves as scratch for one row.
 */
export function intervals(d: usize, first: i32, rows: i32, levels: usize, out: usize): i32 {
  const stride = load<u32>(d, 4) as usize;
  const bytes = (load<u32>(d, 8) as usize) << 2;
  const scale = f32x4.splat(load<f32>(d, 12));
  const scratch = load<u32>(d, 16) as usize;
  const room = <f64>(16777216 - <i32>(bytes >> 2));
  for (let row = first; row < first + rows; row++, levels++, out += 8) {
    const total = weigh((load<u32>(d) as usize) + (row as usize) * stride, bytes, scale, scratch);
    if (total == 0) return row;
    const level = load<u8>(levels) as usize;
    let below: i32 = 0;
    const end = scratch + (level << 2);
    let w = scratch;
    if (level >= 4) {
      let sums = i32x4.splat(0);
      for (; w + 16 <= end; w += 16) sums = i32x4.add(sums, v128.load(w));
      const sum01 = i32x4.extract_lane(sums, 0) + i32x4.extract_lane(sums, 1);
      below = sum01 + i32x4.extract_lane(sums, 2) + i32x4.extract_lane(sums, 3);
    }
    for (; w < end; w += 4) below += load<i32>(w);
    const start = <i32>level + <i32>((<f64>below * room) / <f64>total);
    const stop = <i32>level + 1 + <i32>((<f64>(below + load<i32>(end)) * room) / <f64>total);
    store<i32>(out, start);
    store<i32>(out, stop - start, 4);
  }
  return -1;
}
