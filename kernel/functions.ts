// exp, log, tanh, the logistic function and the gate, four lanes at a time: polynomials in a fixed order, each
// operation rounded to float32 as written here. src/exact/reference.ts repeats every line. Sources: exp and log are
// Cephes' expf and logf; tanh is a minimax fit (Remez, relative error 2.1e-8 before rounding) of x P(x^2) / Q(x^2) on
// -9 .. 9, whose positive coefficients lose nothing to cancellation.

// Constants are read from memory: V8 rebuilds a vector literal from immediates inside the loop, which made the gate
// 1.7x slower.
const TABLE: usize = memory.data<f32>(
  [
    87, -87,
    1.44269504088896341, // log2(e)
    12582912, // 1.5 * 2^23: adding it leaves the nearest integer in the low bits, ties to even
    0.693359375, // high part of ln 2, 9 bits: its product with every |n| <= 127 is exact
    -2.1219444e-4, // low part of ln 2
    1.987569150e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1,
    1,
    9, -9,
    1.33546463981e-8, 2.06090695343e-5, 3.49558725054e-3, 1.338102486e-1, // P from its highest power; P(0) rounds to 1
    7.77655159285e-7, 3.28563345905e-4, 2.58769787408e-2, 4.67143404505e-1, // Q likewise
    7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1, -1.6668057665e-1,
    2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1, -0.5,
  ],
  16,
);

@inline
function constant(index: usize): v128 {
  return v128.load32_splat(TABLE + (index << 2));
}

@inline
function madd(sum: v128, x: v128, w: v128): v128 {
  return f32x4.add(sum, f32x4.mul(x, w));
}

/** x held to low .. high. pmin and pmax keep a NaN that is their first operand. */
@inline
export function hold(x: v128, high: v128, low: v128): v128 {
  return f32x4.pmax(f32x4.pmin(x, high), low);
}

/**
 * exp of x held to -87 .. 87, so neither an overflow nor a denormal comes out. exp(0) is exactly 1. A NaN stays one.
 */
@inline
export function exp4(x: v128): v128 {
  return expWithin4(hold(x, constant(0), constant(1)));
}

/** exp of x that lies within -87 .. 87 already. */
@inline
export function expWithin4(x: v128): v128 {
  const t = madd(constant(3), x, constant(2));
  const n = f32x4.sub(t, constant(3));
  let r = f32x4.sub(x, f32x4.mul(n, constant(4)));
  r = f32x4.sub(r, f32x4.mul(n, constant(5)));
  let p = constant(6);
  p = madd(constant(7), p, r);
  p = madd(constant(8), p, r);
  p = madd(constant(9), p, r);
  p = madd(constant(10), p, r);
  p = madd(constant(11), p, r);
  p = madd(r, p, f32x4.mul(r, r));
  p = f32x4.add(p, constant(12));
  // 2^n from the low bits of t: shifted left, the magic number's own bits leave at the top.
  return f32x4.mul(p, i32x4.add(i32x4.shl(t, 23), constant(12)));
}

/**
 * The natural logarithm of x >= 2^-126: x = 2^e m, m from sqrt(1/2) to sqrt(2), log x = e ln 2 + log m. log(1) is
 * exactly 0. A NaN stays one, and so does infinity; zero and negative numbers give numbers without a meaning.
 */
@inline
export function log4(x: v128): v128 {
  const half: i32 = 0x3f3504f3; // sqrt(1/2) in bits
  const e = i32x4.shr_s(i32x4.sub(x, i32x4.splat(half)), 23);
  const r = f32x4.sub(i32x4.sub(x, i32x4.shl(e, 23)), constant(12));
  const n = f32x4.convert_i32x4_s(e);
  const z = f32x4.mul(r, r);
  let p = constant(23);
  p = madd(constant(24), p, r);
  p = madd(constant(25), p, r);
  p = madd(constant(26), p, r);
  p = madd(constant(27), p, r);
  p = madd(constant(28), p, r);
  p = madd(constant(29), p, r);
  p = madd(constant(30), p, r);
  p = madd(constant(31), p, r);
  p = f32x4.mul(f32x4.mul(p, r), z);
  p = madd(p, n, constant(5));
  p = madd(p, z, constant(32));
  const y = madd(f32x4.add(r, p), n, constant(4));
  return f32x4.add(y, f32x4.sub(x, x)); // infinity and NaN: the bits above took them for numbers
}

/** x P(z), the numerator of tanh, for x already held to -9 .. 9 and z = x^2. */
@inline
function tanhNumerator(x: v128, z: v128): v128 {
  let p = constant(15);
  p = madd(constant(16), p, z);
  p = madd(constant(17), p, z);
  p = madd(constant(18), p, z);
  p = madd(constant(12), p, z);
  return f32x4.mul(x, p);
}

@inline
function tanhDenominator(z: v128): v128 {
  let q = constant(19);
  q = madd(constant(20), q, z);
  q = madd(constant(21), q, z);
  q = madd(constant(22), q, z);
  return madd(constant(12), q, z);
}

@inline
export function tanh4(x: v128): v128 {
  x = hold(x, constant(13), constant(14));
  const z = f32x4.mul(x, x);
  return f32x4.div(tanhNumerator(x, z), tanhDenominator(z));
}

@inline
function logistic4(x: v128): v128 {
  return f32x4.div(constant(12), f32x4.add(constant(12), exp4(f32x4.neg(x))));
}

/**
 * tanh(f) * logistic(g) with one division. Where logistic(g) < 1e-36 the denominator may overflow: then the gate is 0.
 */
@inline
function gate4(f: v128, g: v128): v128 {
  f = hold(f, constant(13), constant(14));
  const z = f32x4.mul(f, f);
  const open = f32x4.add(constant(12), exp4(f32x4.neg(g)));
  return f32x4.div(tanhNumerator(f, z), f32x4.mul(tanhDenominator(z), open));
}

/**
 * Elementwise over `count` numbers, a multiple of 4. The model uses them inside `gate`, `bins` and `frequencies`;
 * alone they are tested.
 */
export function exp(input: usize, output: usize, count: usize): void {
  for (let i: usize = 0; i < count << 2; i += 16) v128.store(output + i, exp4(v128.load(input + i)));
}

export function log(input: usize, output: usize, count: usize): void {
  for (let i: usize = 0; i < count << 2; i += 16) v128.store(output + i, log4(v128.load(input + i)));
}

export function logistic(input: usize, output: usize, count: usize): void {
  for (let i: usize = 0; i < count << 2; i += 16) v128.store(output + i, logistic4(v128.load(input + i)));
}

export function tanh(input: usize, output: usize, count: usize): void {
  for (let i: usize = 0; i < count << 2; i += 16) v128.store(output + i, tanh4(v128.load(input + i)));
}

/**
 * y = tanh(f) * logistic(g) for rows `first .. first + rows - 1`. Words at `d`: out, out stride, f, g, stride of f and
 * g, width (a multiple of 4).
 */
export function gate(d: usize, first: usize, rows: usize): void {
  const outStride = load<u32>(d, 4) as usize;
  const stride = load<u32>(d, 16) as usize;
  const bytes = (load<u32>(d, 20) as usize) << 2;
  let out = (load<u32>(d) as usize) + first * outStride;
  let f = (load<u32>(d, 8) as usize) + first * stride;
  let g = (load<u32>(d, 12) as usize) + first * stride;
  for (; rows > 0; rows--, out += outStride, f += stride, g += stride) {
    for (let i: usize = 0; i < bytes; i += 16) v128.store(out + i, gate4(v128.load(f + i), v128.load(g + i)));
  }
}

/** y = x < 0 ? 0 : x for rows `first .. first + rows - 1`: the words of a gate, without g. A NaN passes on. */
export function relu(d: usize, first: usize, rows: usize): void {
  const outStride = load<u32>(d, 4) as usize;
  const stride = load<u32>(d, 16) as usize;
  const bytes = (load<u32>(d, 20) as usize) << 2;
  const zero = f32x4.splat(0);
  let out = (load<u32>(d) as usize) + first * outStride;
  let x = (load<u32>(d, 8) as usize) + first * stride;
  for (; rows > 0; rows--, out += outStride, x += stride) {
    for (let i: usize = 0; i < bytes; i += 16) v128.store(out + i, f32x4.pmax(v128.load(x + i), zero));
  }
}

/**
 * An LSTM cell for rows `first .. first + rows - 1`: c = logistic(f) * before + logistic(i) * tanh(g), y =
 * logistic(o) * tanh(c). Words at `d`: out, out stride, gates (parts o, f, i, g, one behind another), unused, stride of
 * the gates, width of a part (a multiple of 4), memory before, its stride, memory, its stride.
 */
export function cell(d: usize, first: usize, rows: usize): void {
  const outStride = load<u32>(d, 4) as usize;
  const stride = load<u32>(d, 16) as usize;
  const bytes = (load<u32>(d, 20) as usize) << 2;
  const beforeStride = load<u32>(d, 28) as usize;
  const memoryStride = load<u32>(d, 36) as usize;
  let out = (load<u32>(d) as usize) + first * outStride;
  let gates = (load<u32>(d, 8) as usize) + first * stride;
  let before = (load<u32>(d, 24) as usize) + first * beforeStride;
  let memory = (load<u32>(d, 32) as usize) + first * memoryStride;
  for (; rows > 0; rows--, out += outStride, gates += stride, before += beforeStride, memory += memoryStride) {
    for (let k: usize = 0; k < bytes; k += 16) {
      const at = gates + k;
      const kept = f32x4.mul(logistic4(v128.load(at + bytes)), v128.load(before + k));
      const fresh = f32x4.mul(logistic4(v128.load(at + 2 * bytes)), tanh4(v128.load(at + 3 * bytes)));
      const c = f32x4.add(kept, fresh);
      v128.store(memory + k, c);
      v128.store(out + k, f32x4.mul(logistic4(v128.load(at)), tanh4(c)));
    }
  }
}
