// The matrix product, the only hot loop of the exact engine.
//
// Law: out[p][o] = start + in[0] * w[0][o] + in[1] * w[1][o] + ... with one rounding a multiplication and one an
// addition, in this order for every output, whatever tile it falls into. Lanes are outputs, so nothing is ever summed
// across lanes. A call is described by 32-bit words in memory (see src/exact/kernel.ts), so that a call costs three
// arguments.

// Words of a product's description.
const OUT: usize = 0; // address of output row 0
const OUT_STRIDE: usize = 4; // bytes from one row to the next
const START: usize = 8; // address of row 0 of the sums to go on from, or 0
const START_STRIDE: usize = 12;
const BIAS: usize = 16; // address of one number an output, or 0
const WEIGHTS: usize = 20; // panels of 8 outputs: [panel][input][8]
const PANEL_STRIDE: usize = 24; // bytes from one panel to the next
const OUTPUTS: usize = 28; // number of outputs, a multiple of 8
const RELU: usize = 32; // 1: negative results become 0
// Number of input segments; each is three words: address of row 0, row stride, number of inputs.
const SEGMENTS: usize = 36;
const SEGMENT_LIST: usize = 40;

@inline
function madd(sum: v128, x: v128, w: v128): v128 {
  return f32x4.add(sum, f32x4.mul(x, w)); // two roundings: never a fused operation
}

/** Sums to begin with: the bias, the sums so far, or (so far + bias). `lane` is the byte offset of four outputs. */
@inline
function begin(bias: usize, start: usize, lane: usize): v128 {
  const b = bias ? v128.load(bias + lane) : f32x4.splat(0);
  return start ? (bias ? f32x4.add(v128.load(start + lane), b) : v128.load(start + lane)) : b;
}

@inline
function finish(out: usize, sum: v128, floor: v128): void {
  v128.store(out, f32x4.pmax(sum, floor)); // sum < floor ? floor : sum, so a NaN passes on
}

/** Four rows, eight outputs. */
function tile4x8(d: usize, row: usize, panel: usize, floor: v128): void {
  const lane = panel << 5;
  const bias = load<u32>(d + BIAS) as usize;
  const startStride = load<u32>(d + START_STRIDE) as usize;
  const start = load<u32>(d + START) as usize;
  const s0 = start ? start + row * startStride : 0;
  const s1 = start ? s0 + startStride : 0;
  const s2 = start ? s1 + startStride : 0;
  const s3 = start ? s2 + startStride : 0;
  let c00 = begin(bias, s0, lane);
  let c01 = begin(bias, s0, lane + 16);
  let c10 = begin(bias, s1, lane);
  let c11 = begin(bias, s1, lane + 16);
  let c20 = begin(bias, s2, lane);
  let c21 = begin(bias, s2, lane + 16);
  let c30 = begin(bias, s3, lane);
  let c31 = begin(bias, s3, lane + 16);

  let w = (load<u32>(d + WEIGHTS) as usize) + panel * (load<u32>(d + PANEL_STRIDE) as usize);
  let segment = d + SEGMENT_LIST;
  const last = segment + (load<u32>(d + SEGMENTS) as usize) * 12;
  for (; segment < last; segment += 12) {
    const stride = load<u32>(segment, 4) as usize;
    let a0 = (load<u32>(segment) as usize) + row * stride;
    let a1 = a0 + stride;
    let a2 = a1 + stride;
    let a3 = a2 + stride;
    const end = a0 + ((load<u32>(segment, 8) as usize) << 2);
    for (; a0 < end; a0 += 4, a1 += 4, a2 += 4, a3 += 4, w += 32) {
      const w0 = v128.load(w);
      const w1 = v128.load(w, 16);
      let x = v128.load32_splat(a0);
      c00 = madd(c00, x, w0);
      c01 = madd(c01, x, w1);
      x = v128.load32_splat(a1);
      c10 = madd(c10, x, w0);
      c11 = madd(c11, x, w1);
      x = v128.load32_splat(a2);
      c20 = madd(c20, x, w0);
      c21 = madd(c21, x, w1);
      x = v128.load32_splat(a3);
      c30 = madd(c30, x, w0);
      c31 = madd(c31, x, w1);
    }
  }

  const outStride = load<u32>(d + OUT_STRIDE) as usize;
  let out = (load<u32>(d + OUT) as usize) + row * outStride + lane;
  finish(out, c00, floor);
  finish(out + 16, c01, floor);
  out += outStride;
  finish(out, c10, floor);
  finish(out + 16, c11, floor);
  out += outStride;
  finish(out, c20, floor);
  finish(out + 16, c21, floor);
  out += outStride;
  finish(out, c30, floor);
  finish(out + 16, c31, floor);
}

/** One row, thirty-two outputs: a single pixel. Eight sums hide the latency of an addition. */
function tile1x32(d: usize, row: usize, panel: usize, floor: v128): void {
  const lane = panel << 5;
  const bias = load<u32>(d + BIAS) as usize;
  let start = load<u32>(d + START) as usize;
  start = start ? start + row * (load<u32>(d + START_STRIDE) as usize) : 0;
  let c0 = begin(bias, start, lane);
  let c1 = begin(bias, start, lane + 16);
  let c2 = begin(bias, start, lane + 32);
  let c3 = begin(bias, start, lane + 48);
  let c4 = begin(bias, start, lane + 64);
  let c5 = begin(bias, start, lane + 80);
  let c6 = begin(bias, start, lane + 96);
  let c7 = begin(bias, start, lane + 112);

  const panelStride = load<u32>(d + PANEL_STRIDE) as usize;
  let wa = (load<u32>(d + WEIGHTS) as usize) + panel * panelStride;
  let wb = wa + panelStride;
  let wc = wb + panelStride;
  let wd = wc + panelStride;
  let segment = d + SEGMENT_LIST;
  const last = segment + (load<u32>(d + SEGMENTS) as usize) * 12;
  for (; segment < last; segment += 12) {
    let a = (load<u32>(segment) as usize) + row * (load<u32>(segment, 4) as usize);
    const end = a + ((load<u32>(segment, 8) as usize) << 2);
    for (; a < end; a += 4, wa += 32, wb += 32, wc += 32, wd += 32) {
      const x = v128.load32_splat(a);
      c0 = madd(c0, x, v128.load(wa));
      c1 = madd(c1, x, v128.load(wa, 16));
      c2 = madd(c2, x, v128.load(wb));
      c3 = madd(c3, x, v128.load(wb, 16));
      c4 = madd(c4, x, v128.load(wc));
      c5 = madd(c5, x, v128.load(wc, 16));
      c6 = madd(c6, x, v128.load(wd));
      c7 = madd(c7, x, v128.load(wd, 16));
    }
  }

  const out = (load<u32>(d + OUT) as usize) + row * (load<u32>(d + OUT_STRIDE) as usize) + lane;
  finish(out, c0, floor);
  finish(out + 16, c1, floor);
  finish(out + 32, c2, floor);
  finish(out + 48, c3, floor);
  finish(out + 64, c4, floor);
  finish(out + 80, c5, floor);
  finish(out + 96, c6, floor);
  finish(out + 112, c7, floor);
}

/** One row, eight outputs: what the wider tiles leave. */
function tile1x8(d: usize, row: usize, panel: usize, floor: v128): void {
  const lane = panel << 5;
  const bias = load<u32>(d + BIAS) as usize;
  let start = load<u32>(d + START) as usize;
  start = start ? start + row * (load<u32>(d + START_STRIDE) as usize) : 0;
  let c0 = begin(bias, start, lane);
  let c1 = begin(bias, start, lane + 16);

  let w = (load<u32>(d + WEIGHTS) as usize) + panel * (load<u32>(d + PANEL_STRIDE) as usize);
  let segment = d + SEGMENT_LIST;
  const last = segment + (load<u32>(d + SEGMENTS) as usize) * 12;
  for (; segment < last; segment += 12) {
    let a = (load<u32>(segment) as usize) + row * (load<u32>(segment, 4) as usize);
    const end = a + ((load<u32>(segment, 8) as usize) << 2);
    for (; a < end; a += 4, w += 32) {
      const x = v128.load32_splat(a);
      c0 = madd(c0, x, v128.load(w));
      c1 = madd(c1, x, v128.load(w, 16));
    }
  }

  const out = (load<u32>(d + OUT) as usize) + row * (load<u32>(d + OUT_STRIDE) as usize) + lane;
  finish(out, c0, floor);
  finish(out + 16, c1, floor);
}

/** Rows `first .. first + rows - 1` of the product described at `d`. */
export function product(d: usize, first: usize, rows: usize): void {
  const panels = (load<u32>(d + OUTPUTS) as usize) >> 3;
  const floor = f32x4.splat(load<u32>(d + RELU) ? 0 : -f32.POSITIVE_INFINITY);
  const end = first + rows;
  const tiled = first + (rows & ~3);
  // Panels outside: eight outputs' weights stay in the first cache while the rows stream past.
  for (let panel: usize = 0; panel < panels; panel++) {
    for (let row = first; row < tiled; row += 4) tile4x8(d, row, panel, floor);
  }
  for (let row = tiled; row < end; row++) {
    let panel: usize = 0;
    for (; panel + 4 <= panels; panel += 4) tile1x32(d, row, panel, floor);
    for (; panel < panels; panel++) tile1x8(d, row, panel, floor);
  }
}
