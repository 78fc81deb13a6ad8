/**
 * The kernel in plain TypeScript: each operation of kernel/*.ts, in its order, rounded by Math.fround. The oracle of
 * the WebAssembly kernel, and slow. Only WebAssembly's own exact operations are used (+ - * /, comparisons, integer
 * shifts), never Math.exp.
 */

import { type Kernel, product as word } from "./descriptions.ts";

const f = Math.fround;

const LOG2E = f(Math.LOG2E);
const MAGIC = f(12582912);
const LN2_HIGH = f(0.693359375);
const LN2_LOW = f(-2.1219444e-4);
const EXP = [1.98756915e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1].map(f);
const TANH_P = [1.33546463981e-8, 2.06090695343e-5, 3.49558725054e-3, 1.338102486e-1, 1].map(f);
const TANH_Q = [7.77655159285e-7, 3.28563345905e-4, 2.58769787408e-2, 4.67143404505e-1, 1].map(f);

const LOG = [
  7.0376836292e-2, -1.151461031e-1, 1.167699874e-1, -1.2420140846e-1, 1.4249322787e-1, -1.6668057665e-1,
  2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1,
].map(f);

/** c0 x^n + c1 x^(n-1) + ..., Horner, two roundings per step. */
function polynomial(coefficients: readonly number[], x: number): number {
  let p = coefficients[0]!;
  for (let i = 1; i < coefficients.length; i++) p = f(coefficients[i]! + f(p * x));
  return p;
}

/** x held to low .. high; a NaN stays one. */
function hold(x: number, high: number, low: number): number {
  const y = Math.min(high, x);
  return Math.max(y, low);
}

/** exp of x held to -87 .. 87. */
function exp(value: number): number {
  const x = hold(value, 87, -87);
  const n = f(f(MAGIC + f(x * LOG2E)) - MAGIC);
  const r = f(f(x - f(n * LN2_HIGH)) - f(n * LN2_LOW));
  const p = f(f(r + f(polynomial(EXP, r) * f(r * r))) + 1);
  return f(p * 2 ** n); // n from -126 to 126: a power of two, exact
}

/** log of x >= 2^-126; a NaN and infinity become NaN. */
function log(x: number): number {
  const word = new Int32Array(Float32Array.of(x).buffer)[0]!;
  const n = (word - 0x3f3504f3) >> 23;
  const r = f(new Float32Array(Int32Array.of(word - (n << 23)).buffer)[0]! - 1);
  const z = f(r * r);
  const p = f(f(f(f(polynomial(LOG, r) * r) * z) + f(n * LN2_LOW)) + f(z * -0.5));
  return f(f(f(r + p) + f(n * LN2_HIGH)) + f(x - x));
}

export function logistic(x: number): number {
  return f(1 / f(1 + exp(-x)));
}

function tanhNumerator(x: number): number {
  return f(x * polynomial(TANH_P, f(x * x)));
}

function tanhDenominator(x: number): number {
  return polynomial(TANH_Q, f(x * x));
}

export function tanh(value: number): number {
  const x = hold(value, 9, -9);
  return f(tanhNumerator(x) / tanhDenominator(x));
}

/** tanh(a) * logistic(b), with one division. */
export function gate(a: number, b: number): number {
  const x = hold(a, 9, -9);
  return f(tanhNumerator(x) / f(tanhDenominator(x) * f(1 + exp(-b))));
}

/**
 * Cumulative frequencies of `levels` logits (float32), K + 1 integers from 0 to 2^24 into `out`. Returns false, and
 * writes nothing, when a logit is NaN or the largest is infinite.
 */
export function cumulativeFrequencies(logits: Float32Array, scale: number, out: Uint32Array): boolean {
  const levels = logits.length;
  const scaled = logits.map((l) => l * scale);
  let max = -Infinity;
  for (const l of scaled) max = Math.max(max, l); // a NaN wins
  if (!Number.isFinite(max)) return false;
  const weights = scaled.map((l) => Math.trunc(exp(hold(f(l - max), Infinity, -20)) * 2 ** 21));
  const total = weights.reduce((a, b) => a + b, 0);
  let sum = 0;
  out[0] = 0;
  for (let i = 0; i < levels; i++) {
    sum += weights[i]!;
    out[i + 1] = i + 1 + Math.floor((sum * (2 ** 24 - levels)) / total);
  }
  return true;
}

/** A sub-pixel of a mixture of logistics: kernel/bins.ts. */
export interface Mixture {
  readonly components: number;
  readonly levels: number;
  /** Weights, means and log-scales of the components, and their coefficients for each channel before. */
  readonly outputs: Float32Array;
  /** Levels of the channels before, as numbers from -1 to 1. */
  readonly seen: ArrayLike<number>;
  /** K + 1 edges of the bins. */
  readonly edges: ArrayLike<number>;
}

/** Logarithms of the probabilities of the K levels, up to a factor. */
export function mixtureLogWeights({ components: M, levels: K, outputs, seen, edges }: Mixture): Float32Array {
  const sums = new Float32Array(K);
  const top = outputs.subarray(0, M).reduce((a, b) => Math.max(a, b), -Infinity); // a NaN wins
  const width = f(2 / (K - 1));
  for (let m = 0; m < M; m++) {
    const weight = exp(hold(f(outputs[m]! - top), Infinity, -20));
    let mean = outputs[M + m]!;
    for (let c = 0; c < seen.length; c++) mean = f(mean + f(tanh(outputs[(3 + c) * M + m]!) * seen[c]!));
    const inverse = exp(-hold(outputs[2 * M + m]!, 7, -7));
    const t = tanh(f(0.5 * f(width * inverse)));
    const inner = f(weight * f(f(t + t) / f(1 + t)));
    const each = Array.from({ length: K + 1 }, (_, k) => exp(hold(f(f(edges[k]! - mean) * inverse), 50, -50)));
    const above = each.map((e) => f(1 / f(1 + e)));
    for (let k = 0; k < K; k++) {
      const share = k === 0 || k === K - 1 ? weight : inner;
      const below = f(each[k + 1]! * above[k + 1]!);
      sums[k] = f(sums[k]! + f(share * f(below * above[k]!)));
    }
  }
  return sums.map(log);
}

export function createReferenceKernel(bytes: number): Kernel {
  const memory = new ArrayBuffer(bytes);
  const floats = new Float32Array(memory);
  const words = new Uint32Array(memory);
  const octets = new Uint8Array(memory);

  const each =
    (apply: (x: number) => number) =>
    (input: number, output: number, count: number): void => {
      for (let i = 0; i < count; i++) floats[(output >> 2) + i] = apply(floats[(input >> 2) + i]!);
    };

  function product(description: number, first: number, rows: number): void {
    const at = (name: keyof typeof word): number => words[(description >> 2) + word[name]]!;
    const segments = at("segments");
    for (let row = first; row < first + rows; row++) {
      for (let o = 0; o < at("outputs"); o++) {
        const bias = at("bias") === 0 ? 0 : floats[(at("bias") >> 2) + o]!;
        let sum = at("start") === 0 ? bias : floats[((at("start") + row * at("startStride")) >> 2) + o]!;
        if (at("start") !== 0 && at("bias") !== 0) sum = f(sum + bias);
        let weight = ((at("weights") + (o >> 3) * at("panelStride")) >> 2) + (o & 7);
        for (let s = 0; s < segments; s++) {
          const entry = (description >> 2) + word.list + 3 * s;
          const input = (words[entry]! + row * words[entry + 1]!) >> 2;
          for (let i = 0; i < words[entry + 2]!; i++, weight += 8)
            sum = f(sum + f(floats[input + i]! * floats[weight]!));
        }
        if (at("relu") === 1 && sum < 0) sum = 0;
        floats[((at("out") + row * at("outStride")) >> 2) + o] = sum;
      }
    }
  }

  function gateRows(description: number, first: number, rows: number): void {
    const [out, outStride, a, b, stride, width] = words.subarray(
      description >> 2,
      (description >> 2) + 6,
    ) as unknown as number[];
    for (let row = first; row < first + rows; row++) {
      for (let i = 0; i < width!; i++) {
        const offset = ((row * stride!) >> 2) + i;
        floats[((out! + row * outStride!) >> 2) + i] = gate(floats[(a! >> 2) + offset]!, floats[(b! >> 2) + offset]!);
      }
    }
  }

  function cellRows(description: number, first: number, rows: number): void {
    const [out, outStride, of, , stride, width, before, beforeStride, memory, memoryStride] = words.subarray(
      description >> 2,
      (description >> 2) + 10,
    ) as unknown as number[];
    for (let row = first; row < first + rows; row++) {
      for (let k = 0; k < width!; k++) {
        const gates = ((of! + row * stride!) >> 2) + k;
        const [o, i, g] = [floats[gates]!, floats[gates + 2 * width!]!, floats[gates + 3 * width!]!];
        const kept = f(logistic(floats[gates + width!]!) * floats[((before! + row * beforeStride!) >> 2) + k]!);
        const c = f(kept + f(logistic(i) * tanh(g)));
        floats[((memory! + row * memoryStride!) >> 2) + k] = c;
        floats[((out! + row * outStride!) >> 2) + k] = f(logistic(o) * tanh(c));
      }
    }
  }

  function reluRows(description: number, first: number, rows: number): void {
    const [out, outStride, from, , stride, width] = words.subarray(
      description >> 2,
      (description >> 2) + 6,
    ) as unknown as number[];
    for (let row = first; row < first + rows; row++) {
      for (let i = 0; i < width!; i++) {
        const to = ((out! + row * outStride!) >> 2) + i;
        floats[to] = floats[((from! + row * stride!) >> 2) + i]!;
        if (floats[to]! < 0) floats[to] = 0; // minus zero and NaN stay
      }
    }
  }

  function binsRows(description: number, first: number, rows: number): void {
    const [out, outStride, of, seen, stride, seenStride, components, before, levels, edges] = words.subarray(
      description >> 2,
      (description >> 2) + 10,
    ) as unknown as number[];
    for (let row = first; row < first + rows; row++) {
      const [from, to] = [(of! + row * stride!) >> 2, (out! + row * outStride!) >> 2];
      const known = (seen! + row * seenStride!) >> 2;
      const mixture = {
        components: components!,
        levels: levels!,
        outputs: floats.subarray(from, from + (3 + before!) * components!),
        seen: floats.subarray(known, known + before!),
        edges: floats.subarray(edges! >> 2, (edges! >> 2) + levels! + 1),
      };
      floats.set(mixtureLogWeights(mixture), to);
    }
  }

  function frequencies(description: number, first: number, rows: number): number {
    const [logits, stride, levels, , out] = words.subarray(
      description >> 2,
      (description >> 2) + 5,
    ) as unknown as number[];
    const scale = floats[(description >> 2) + 3]!;
    for (let row = first; row < first + rows; row++) {
      const from = (logits! + row * stride!) >> 2;
      const to = (out! >> 2) + (row - first) * (levels! + 1);
      if (!cumulativeFrequencies(floats.subarray(from, from + levels!), scale, words.subarray(to, to + levels! + 1)))
        return row;
    }
    return -1;
  }

  function intervals(description: number, first: number, rows: number, levels: number, out: number): number {
    const table = words[(description >> 2) + 4]! >> 2;
    for (let row = first; row < first + rows; row++) {
      if (frequencies(description, row, 1) >= 0) return row;
      const level = table + octets[levels + row - first]!;
      words.set([words[level]!, words[level + 1]! - words[level]!], (out >> 2) + 2 * (row - first));
    }
    return -1;
  }

  return {
    name: "reference",
    memory,
    product,
    gate: gateRows,
    relu: reluRows,
    cell: cellRows,
    bins: binsRows,
    frequencies,
    intervals,
    exp: each(exp),
    log: each(log),
    tanh: each(tanh),
    logistic: each(logistic),
  };
}
