/**
 * For tests: random models, and the network of docs/model.md computed naively, the whole image at every layer, no
 * buffers, no tiles. With float64 arithmetic it is the obviously right value; with float32 arithmetic in the order of
 * docs/determinism.md it must equal the engine to the bit.
 */

import {
  type DiagonalBilstmConfig,
  type GatedConfig,
  layersOf,
  type PixelcnnConfig,
  type PlainConfig,
  type RowLstmConfig,
} from "../models/config.ts";
import { checkPixelcnn, pixelcnnParameters } from "../models/networks.ts";
import { randomFrom } from "../random.ts";
import { type Shape, sizeOf, type Tensor, tensor } from "../tensor.ts";
import type { Condition } from "./conditions.ts";
import type { ExactModel } from "./plan.ts";
import { gate as gate32 } from "./reference.ts";

/** A config as a file of the exact engine may hold it: without a size, and with fields that are yet to be checked. */
export type Loose<C = GatedConfig> = Partial<Omit<C, "condition" | "head">> & {
  readonly head?: { readonly kind: string; readonly features: number; readonly components?: number };
  readonly condition?: object | null;
};

/** A small Gated PixelCNN, not checked, so that a wrong one can be handed on. */
export function configOf(changes: Loose = {}): GatedConfig {
  const base = { channels: 1, levels: 4, features: 6, depth: 3, firstKernel: 5, kernels: [3], dilations: [1], skip: 6 };
  return {
    family: "gated-pixelcnn",
    ...base,
    head: { kind: "categorical", features: 6 },
    condition: null,
    ...changes,
  } as GatedConfig;
}

/** A small plain PixelCNN, not checked either. */
export function plainConfigOf(changes: Loose<PlainConfig> = {}): PlainConfig {
  const base = { channels: 1, levels: 4, features: 6, depth: 3, firstKernel: 5, kernels: [3], dilations: [1] };
  return {
    family: "pixelcnn",
    ...base,
    head: { kind: "categorical", features: 6 },
    condition: null,
    ...changes,
  } as PlainConfig;
}

/** A small Row LSTM, not checked either. */
export function rowLstmConfigOf(changes: Loose<RowLstmConfig> = {}): RowLstmConfig {
  return { family: "row-lstm", ...recurrentBase, kernel: 3, ...changes } as RowLstmConfig;
}

/** A small Diagonal BiLSTM, not checked either. */
export function diagonalBilstmConfigOf(changes: Loose<DiagonalBilstmConfig> = {}): DiagonalBilstmConfig {
  return { family: "diagonal-bilstm", ...recurrentBase, ...changes } as DiagonalBilstmConfig;
}

const recurrentBase = {
  channels: 1,
  levels: 4,
  features: 6,
  depth: 3,
  firstKernel: 5,
  head: { kind: "categorical", features: 6 },
  condition: null,
};

/**
 * The order in which golden models draw their weights, which decides their golden hashes: not the order of the
 * parameters. Other families draw in the order of theirs.
 */
function drawOrder(config: PixelcnnConfig, names: readonly string[]): readonly string[] {
  if (config.family !== "gated-pixelcnn") return names;
  const groups = Array.from({ length: config.channels }, (_, c) => c);
  const halves = (name: string): string[] => [`${name}_f`, `${name}_g`];
  const wanted = [
    ...names.filter((name) => name.startsWith("map.")),
    ...layersOf(config).flatMap((_, i) => {
      const l = `layer${i + 1}`;
      return [
        ...["vertical", "horizontal"].flatMap((stack) =>
          ["W", "b", "V"].flatMap((what) => halves(`${l}.${stack}.${what}`)),
        ),
        ...halves(`${l}.link.W`),
        ...groups.flatMap((c) => halves(`${l}.centre${c}.W`)),
        ...groups.flatMap((c) => [`${l}.residual${c}.W`, `${l}.skip${c}.W`]),
        `${l}.residual.b`,
      ];
    }),
    "skip.b",
    ...groups.flatMap((c) => [`head.hidden${c}.W`, `head.logits${c}.W`]),
    ...["head.hidden.b", "head.logits.b"],
    ...groups.map((c) => `head.mixture${c}.W`),
    "head.mixture.b",
  ];
  // What options add comes last.
  return [...wanted.filter((name) => names.includes(name)), ...names.filter((name) => !wanted.includes(name))];
}

/**
 * Untrained weights, every bias and condition non-zero, of a size that keeps features lively and probabilities uneven.
 */
export function randomModel<C extends PixelcnnConfig>(
  config: C,
  seed = 1,
): ExactModel<C> & { parameters: Map<string, Tensor> } {
  const random = randomFrom(seed);
  const parameters = new Map<string, Tensor>();
  const checked = checkPixelcnn(config);
  const shapes = new Map<string, Shape>(pixelcnnParameters(checked).map(({ name, shape }) => [name, shape]));
  for (const name of drawOrder(checked, [...shapes.keys()])) {
    const shape = shapes.get(name)!;
    const inputs = sizeOf(shape.slice(0, -1));
    // A layer of m(h) gives each pixel four of its sixteen taps.
    const gain = /logits|^map\./.test(name) ? 4 : 2;
    const most = /\.(b|b_f|b_g)$/.test(name) ? 0.5 : gain / Math.sqrt(inputs);
    parameters.set(
      name,
      tensor(
        "float32",
        shape,
        Float32Array.from({ length: sizeOf(shape) }, () => (2 * random.uniform() - 1) * most),
      ),
    );
  }
  return { config, parameters };
}

/** `count` images of random levels, [count, H, W, C]. */
export function randomPixels(
  config: Pick<PixelcnnConfig, "channels" | "levels">,
  count: number,
  height: number,
  width: number,
  seed = 7,
): Uint8Array {
  const random = randomFrom(seed);
  return Uint8Array.from({ length: count * height * width * config.channels }, () => random.below(config.levels));
}

/**
 * Conditions of every sort that a model takes: of a class an index, then a mixture, and so on; the fourth image, the
 * ninth and so on have none.
 */
export function randomConditions(
  { condition }: Pick<PixelcnnConfig, "condition">,
  count: number,
  seed = 5,
): (Condition | null)[] {
  const random = randomFrom(seed);
  const numbers = (size: number): Float32Array => Float32Array.from({ length: size }, () => 2 * random.uniform() - 1);
  return Array.from({ length: count }, (_, i) => {
    if (condition === null || i % 5 === 3) return null;
    if (condition.kind === "vector") return numbers(condition.size);
    if (condition.kind === "map") return numbers(condition.height * condition.width * condition.channels);
    if (i % 2 === 0) return random.below(condition.classes.length);
    const weights = numbers(condition.classes.length).map(Math.abs);
    return weights.map((w) => w / weights.reduce((a, b) => a + b));
  });
}

export interface Arithmetic {
  readonly round: (x: number) => number;
  readonly gate: (f: number, g: number) => number;
}

export const float64: Arithmetic = { round: (x) => x, gate: (f, g) => Math.tanh(f) / (1 + Math.exp(-g)) };
export const float32: Arithmetic = { round: Math.fround, gate: gate32 };

type FeatureMap = number[][][];

/** m(h) of docs/conditioning.md, from the D numbers of a map: M numbers for each pixel. */
export function naiveMap(
  { config, parameters }: { config: Pick<PixelcnnConfig, "condition">; parameters: ReadonlyMap<string, Tensor> },
  numbers: ArrayLike<number>,
  { round }: Pick<Arithmetic, "round">,
): FeatureMap {
  // A vector is a map of one place.
  const { condition } = config;
  const [h0, w0] = condition?.kind === "map" ? [condition.height, condition.width] : [1, 1];
  const first = condition?.kind === "map" ? condition.channels + 1 : (condition as { size: number }).size;
  let s: FeatureMap = Array.from({ length: h0 }, (_, i) =>
    Array.from({ length: w0 }, (_, j) => Array.from({ length: first }, (_, c) => numbers[(i * w0 + j) * first + c]!)),
  );
  for (let k = 1; parameters.has(`map.layer${k}.W`); k++) {
    const { data, shape } = parameters.get(`map.layer${k}.W`)!;
    const [, , inputs, outputs] = shape as [number, number, number, number];
    const before = s;
    const sum = (y: number, x: number, o: number): number => {
      let total = 0;
      for (let ky = 0; ky < 4; ky++) {
        for (let kx = 0; kx < 4; kx++) {
          // No such row or column for a half, or outside.
          const from = before[(y + 1 - ky) / 2]?.[(x + 1 - kx) / 2];
          if (from === undefined) continue;
          for (let i = 0; i < inputs; i++)
            total = round(total + round(from[i]! * (data[((ky * 4 + kx) * inputs + i) * outputs + o] as number)));
        }
      }
      return Math.max(total, 0);
    };
    s = Array.from({ length: 2 * before.length }, (_, y) =>
      Array.from({ length: 2 * before[0]!.length }, (_, x) => Array.from({ length: outputs }, (_, o) => sum(y, x, o))),
    );
  }
  const line = parameters.get("map.linear.W");
  if (line) {
    const [size, height, width, L] = line.shape as [number, number, number, number];
    const h = Array.from({ length: size }, (_, i) => round(numbers[i]! * round(1 / Math.sqrt(size))));
    const at = (y: number, x: number, l: number): number => {
      const each = h.map((v, i) => round(v * (line.data[((i * height + y) * width + x) * L + l] as number)));
      return each.reduce((sum, product) => round(sum + product), 0);
    };
    s = Array.from({ length: height }, (_, y) =>
      Array.from({ length: width }, (_, x) => [...s[y]![x]!, ...Array.from({ length: L }, (_, l) => at(y, x, l))]),
    );
  }
  return s;
}

/**
 * Logits of every sub-pixel of one image [H, W, C]: K numbers for each, in raster order. `condition`: the D numbers of
 * docs/conditioning.md.
 */
export function naiveLogits(
  model: { config: GatedConfig; parameters: Map<string, Tensor> },
  pixels: Uint8Array,
  height: number,
  condition: ArrayLike<number> | null,
  arithmetic: Arithmetic,
): number[][] {
  const { config, parameters } = model;
  const { round, gate } = arithmetic;
  const { channels: C, levels: K, features: F, skip: S, depth: L } = config;
  const R = config.head.features;
  const width = pixels.length / height / C;
  const get = (name: string): Float32Array => parameters.get(name)!.data as Float32Array;
  const zeros = new Array<number>(Math.max(F, C)).fill(0);
  const pixelAt = (map: FeatureMap, i: number, j: number): number[] => map[i]?.[j] ?? zeros;
  /** sum + inputs[0] * W[from, o] + inputs[1] * W[from + 1, o] + ..., W having `outputs` columns. */
  const addProduct = (
    sum: number,
    inputs: readonly number[],
    weights: Float32Array,
    from: number,
    outputs: number,
    o: number,
  ): number => {
    for (const [i, x] of inputs.entries()) sum = round(sum + round(x * weights[(from + i) * outputs + o]!));
    return sum;
  };
  const mapOf = (pixel: (i: number, j: number) => number[]): FeatureMap =>
    Array.from({ length: height }, (_, i) => Array.from({ length: width }, (_, j) => pixel(i, j)));
  const list = (n: number, value: (i: number) => number): number[] => Array.from({ length: n }, (_, i) => value(i));
  const relu = (x: number): number => Math.max(x, 0);

  const scale = Math.fround(2 / (K - 1));
  const x = mapOf((i, j) => list(C, (c) => Math.fround(Math.fround(pixels[(i * width + j) * C + c]! * scale) - 1)));
  const conditionAt: FeatureMap | null =
    condition === null
      ? null
      : config.condition && "features" in config.condition && config.condition.features !== undefined
        ? naiveMap(model, condition, arithmetic)
        : mapOf(() => Array.from(condition));
  let v = x;
  let h = x;
  let s = mapOf(() => (S > 0 ? [...get("skip.b")] : []));

  for (const [index, { kernel, dilation }] of layersOf(config).entries()) {
    const radius = (kernel - 1) / 2;
    const up = radius + 1;
    const inputs = index === 0 ? C : F;
    const layer = `layer${index + 1}`;
    const begin = (stack: string, half: string, i: number, j: number, f: number): number => {
      const bias = get(`${layer}.${stack}.b_${half}`)[f]!;
      return conditionAt === null
        ? bias
        : addProduct(bias, conditionAt[i]![j]!, get(`${layer}.${stack}.V_${half}`), 0, F, f);
    };
    const verticalSum = (half: string, i: number, j: number, f: number): number => {
      let sum = begin("vertical", half, i, j, f);
      for (let k = 0; k < up; k++) {
        const row = index === 0 ? i - up + k : i - (up - 1 - k) * dilation;
        for (let m = 0; m < kernel; m++) {
          const tap = pixelAt(v, row, j + (m - radius) * dilation).slice(0, inputs);
          sum = addProduct(sum, tap, get(`${layer}.vertical.W_${half}`), (k * kernel + m) * inputs, F, f);
        }
      }
      return sum;
    };
    const pf = mapOf((i, j) => list(F, (f) => verticalSum("f", i, j, f)));
    const pg = mapOf((i, j) => list(F, (f) => verticalSum("g", i, j, f)));

    const horizontalSum = (half: string, i: number, j: number, f: number): number => {
      let sum = begin("horizontal", half, i, j, f);
      sum = addProduct(sum, [...pf[i]![j]!, ...pg[i]![j]!], get(`${layer}.link.W_${half}`), 0, F, f);
      for (let m = 0; m < radius; m++) {
        const tap = pixelAt(h, i, j - (radius - m) * dilation).slice(0, inputs);
        sum = addProduct(sum, tap, get(`${layer}.horizontal.W_${half}`), m * inputs, F, f);
      }
      const group = Math.floor(f / (F / C));
      const seen = index === 0 ? group : ((group + 1) * F) / C;
      if (seen === 0) return sum;
      return addProduct(sum, h[i]![j]!.slice(0, seen), get(`${layer}.centre${group}.W_${half}`), 0, F / C, f % (F / C));
    };
    const y = mapOf((i, j) => list(F, (f) => gate(horizontalSum("f", i, j, f), horizontalSum("g", i, j, f))));
    /** A grouped 1x1 of `outputs` maps in all: group c sees groups <= c of `from`. */
    const grouped = (start: number, from: readonly number[], name: string, outputs: number, o: number): number => {
      const group = Math.floor(o / (outputs / C));
      return addProduct(
        start,
        from.slice(0, ((group + 1) * from.length) / C),
        get(`${name}${group}.W`),
        0,
        outputs / C,
        o % (outputs / C),
      );
    };
    const before = h;
    if (S > 0) s = mapOf((i, j) => list(S, (o) => grouped(s[i]![j]![o]!, y[i]![j]!, `${layer}.skip`, S, o)));
    if (index + 1 < L || S === 0) {
      const bias = get(`${layer}.residual.b`);
      h = mapOf((i, j) =>
        list(F, (f) =>
          grouped(index === 0 ? bias[f]! : round(before[i]![j]![f]! + bias[f]!), y[i]![j]!, `${layer}.residual`, F, f),
        ),
      );
    }
    v = mapOf((i, j) => list(F, (f) => gate(pf[i]![j]![f]!, pg[i]![j]![f]!)));
  }

  const out: number[][] = [];
  for (const row of S > 0 ? s : h) {
    for (const pixel of row) {
      const a = pixel.map(relu);
      const b = list(R, (o) => {
        const group = Math.floor(o / (R / C));
        const start = get("head.hidden.b")[o]!;
        const seen = a.slice(0, ((group + 1) * a.length) / C);
        return relu(addProduct(start, seen, get(`head.hidden${group}.W`), 0, R / C, o % (R / C)));
      });
      for (let c = 0; c < C; c++) {
        const seen = b.slice(0, ((c + 1) * R) / C);
        out.push(list(K, (k) => addProduct(get("head.logits.b")[c * K + k]!, seen, get(`head.logits${c}.W`), 0, K, k)));
      }
    }
  }
  return out;
}

/** log softmax, in float64. */
export function logSoftmax(logits: readonly number[]): number[] {
  const max = Math.max(...logits);
  const sum = Math.log(logits.reduce((total, l) => total + Math.exp(l - max), 0));
  return logits.map((l) => l - max - sum);
}
