/**
 * Weights as an archive keeps them: rounded, then range-coded with frequencies that adapt. What comes back is the
 * model, so rounding costs likelihood and never exactness: every rounded weight is a float32 that few bits name.
 */

import { fail } from "../errors.ts";
import type { ParameterMap, ParameterSpec } from "../network/parameters.ts";
import { sizeOf, tensor } from "../tensor.ts";
import { cumulativeFromWeights } from "./frequencies.ts";
import { RangeDecoder, RangeEncoder } from "./range-coder.ts";

/**
 * How a weight is rounded: to the 16 bits of a bfloat16, or a matrix's to a whole number of steps, of 8 or of 6 bits,
 * with one step for each of its outputs.
 */
export type WeightPrecision = "bfloat16" | "int8" | "int6";

/** Bits of a weight, and the most steps that a whole number of them has; none where all are bfloat16. */
const ROUNDING: Readonly<Record<WeightPrecision, { readonly bits: number; readonly steps: number }>> = {
  bfloat16: { bits: 16, steps: 0 },
  int8: { bits: 8, steps: 127 },
  int6: { bits: 6, steps: 31 },
};

export const WEIGHT_PRECISIONS = Object.keys(ROUNDING) as readonly WeightPrecision[];

export const bitsOf = (precision: WeightPrecision): number => ROUNDING[precision].bits;

/** Bytes of one kind: their frequencies follow those that were coded before. */
class AdaptiveBytes {
  /** Of each value, in `GAIN` parts and one more, so that none is impossible. */
  readonly #weights = new Uint32Array(256).fill(1);
  readonly #cumulative = new Uint32Array(257);
  #sum = 256;
  #seen = 0;

  constructor() {
    cumulativeFromWeights(this.#weights, 256, this.#cumulative);
  }

  encode(value: number, encoder: RangeEncoder): void {
    const start = this.#cumulative[value]!;
    encoder.encode(start, this.#cumulative[value + 1]! - start);
    this.#learn(value);
  }

  decode(decoder: RangeDecoder): number {
    const value = decoder.decode(this.#cumulative, 0, 256);
    this.#learn(value);
    return value;
  }

  #learn(value: number): void {
    this.#weights[value]! += GAIN;
    this.#sum += GAIN;
    if (this.#sum > MOST) {
      this.#sum = 0;
      for (const [i, weight] of this.#weights.entries()) this.#sum += this.#weights[i] = (weight >> 1) | 1;
    }
    // A new table a byte would take most of the time and save next to nothing.
    if (++this.#seen % EVERY === 0) cumulativeFromWeights(this.#weights, 256, this.#cumulative);
  }
}
const GAIN = 24;
const MOST = 2 ** 20;
const EVERY = 16;

/** What codes a value at a place, and says what it has become. */
interface WeightCoder {
  half(value: number): number;
  whole(value: number): number;
}

/** The bytes of `parameters`, all of them finite, in the order of `specs`. */
export function encodeWeights(
  parameters: ParameterMap,
  specs: readonly ParameterSpec[],
  precision: WeightPrecision,
): Uint8Array {
  const encoder = new RangeEncoder();
  const [high, low, steps] = [new AdaptiveBytes(), new AdaptiveBytes(), new AdaptiveBytes()];
  const coder: WeightCoder = {
    half(value) {
      const bits = halfOf(value);
      high.encode(bits >>> 8, encoder);
      low.encode(bits & 255, encoder);
      return floatOf(bits);
    },
    whole(value) {
      steps.encode(value + 128, encoder);
      return value;
    },
  };
  for (const { name, shape } of specs) {
    walk(parameters.get(name)!.data.slice(), shape, precision, coder);
  }
  return encoder.finish();
}

/** The weights that {@link encodeWeights} wrote. Their model's digest says whether they are the right ones. */
export function decodeWeights(
  stream: Uint8Array,
  specs: readonly ParameterSpec[],
  precision: WeightPrecision,
): ParameterMap {
  const decoder = new RangeDecoder(stream);
  const [high, low, steps] = [new AdaptiveBytes(), new AdaptiveBytes(), new AdaptiveBytes()];
  const coder: WeightCoder = {
    half() {
      const value = floatOf((high.decode(decoder) << 8) | low.decode(decoder));
      return Number.isFinite(value) ? value : fail("corrupt", `expected finite weights but found ${value}`);
    },
    whole: () => steps.decode(decoder) - 128,
  };
  const parameters = specs.map(({ name, shape }) => {
    const data = new Float32Array(sizeOf(shape));
    walk(data, shape, precision, coder);
    return [name, tensor("float32", shape, data)] as const;
  });
  decoder.finish();
  return new Map(parameters);
}

/**
 * One parameter, [..., out]: of a matrix in whole steps, output by output, its step and its numbers; of any other, its
 * numbers. What `coder` makes of them is left in `data`, .
 */
function walk(data: Float32Array, shape: readonly number[], precision: WeightPrecision, coder: WeightCoder): void {
  const { steps } = ROUNDING[precision];
  if (steps === 0 || shape.length < 2) {
    for (let i = 0; i < data.length; i++) data[i] = coder.half(data[i]!);
    return;
  }
  const outputs = shape.at(-1)!;
  for (let out = 0; out < outputs; out++) {
    let largest = 0;
    for (let i = out; i < data.length; i += outputs) largest = Math.max(largest, Math.abs(data[i]!));
    const step = coder.half(roundedUp(largest / steps));
    // Exact: a step has 8 binary digits, a number of steps 7.
    for (let i = out; i < data.length; i += outputs) {
      data[i] = step * coder.whole(step === 0 ? 0 : Math.round(data[i]! / step));
      if (!Number.isFinite(data[i])) fail("corrupt", `expected weights of moderate size but found steps of ${step}`);
    }
  }
}

const floats = new Float32Array(1);
const words = new Uint32Array(floats.buffer);

/** The upper 16 bits of the nearest float32 that has no others; of two, the even one. */
function halfOf(value: number): number {
  floats[0] = value;
  const bits = words[0]!;
  const rounded = (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
  // The largest float32 is nearer to infinity than to a bfloat16.
  return (rounded & 0x7f80) === 0x7f80 ? rounded - 1 : rounded;
}

function floatOf(half: number): number {
  words[0] = half << 16;
  return floats[0]!;
}

/** The next bfloat16 that is not below `value`, which is not negative. */
function roundedUp(value: number): number {
  floats[0] = value;
  if (floats[0] < value) words[0]!++;
  const half = words[0]! >>> 16;
  return floatOf((words[0]! & 0xffff) === 0 ? half : half + 1);
}
