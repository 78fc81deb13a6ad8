/**
 * Every law of both PixelRNNs; the Row LSTM's triangle, and that the Diagonal BiLSTM sees every earlier sub-pixel and
 * no other.
 */

import type { ConditionConfig, DiagonalBilstmConfig, RowLstmConfig } from "./config.ts";
import type { Family } from "./family-cases.test-support.ts";
import { checkFamily } from "./family-laws.test-support.ts";
import { resolvePixelcnn } from "./schema.ts";

const classes: ConditionConfig = { kind: "class", classes: ["a", "b", "c"] };
const vector = { kind: "vector", size: 3 } as const;
const spread = { kind: "vector", size: 3, scale: 1.5, features: 12 } as const;
const map = { kind: "map", height: 2, width: 1, channels: 2, features: 12 } as const;
const mixture = { kind: "mixture", components: 3, features: 48 } as const;
const image = { height: 5, width: 7, channels: 1, levels: 4, depth: 3, firstKernel: 3 };
const colour = { channels: 3, levels: 3, features: 24, head: { features: 48 } };

interface Shape {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly depth: number;
  readonly firstKernel: number;
}

/**
 * Sub-pixels in order; `sees(up, right)` says which other pixels are seen, all of their channels; of the pixel itself
 * the earlier channels are.
 */
function field({ height, width, channels: C }: Shape, sees: (up: number, right: number) => boolean): Set<number>[] {
  return Array.from({ length: height * width * C }, (_, s) => {
    const [p, c] = [Math.floor(s / C), s % C];
    const [i, j] = [Math.floor(p / width), p % width];
    const seen = new Set<number>();
    for (let q = 0; q < height * width; q++) {
      const [up, right] = [i - Math.floor(q / width), (q % width) - j];
      if (q < p && sees(up, right)) for (let e = 0; e < C; e++) seen.add(q * C + e);
    }
    for (let e = 0; e < c; e++) seen.add(p * C + e);
    return seen;
  });
}

/** Inside the image: a forget gate wants memory before, the right-to-left stream a row above. */
const hears = ({ width }: { readonly width: number }, i: number, j: number): boolean => i > 0 && j > 0 && j < width - 1;

const rowConfig = (changes: object = {}): RowLstmConfig =>
  resolvePixelcnn({
    family: "row-lstm",
    ...image,
    features: 12,
    head: { features: 48 },
    ...changes,
  } as const) as RowLstmConfig;

const row: Family<RowLstmConfig> = {
  title: "Row LSTM",
  /**
   * To the left in its own row: the first convolution, then one input convolution a layer. Upwards: the first
   * convolution reaches r rows; a layer's states go on any number of rows up, (k - 1) / 2 columns aside for each.
   */
  closedForm(config) {
    const { depth, firstKernel, kernel } = config;
    const [r, m] = [(firstKernel - 1) / 2, (kernel - 1) / 2];
    const layers = depth - 1;
    return field(config, (up, right) => {
      if (up === 0) return -right <= r + layers * m;
      // Some rows by the states, none to all; the rest, at least none, by the first convolution, which looks to both
      // sides only above its own row.
      for (let own = 0; own <= Math.min(up, r); own++) {
        const states = up - own;
        const first = own === 0 ? { left: r, right: -1 } : { left: r, right: r };
        if (layers === 0 && states > 0) continue;
        const aside = states * m;
        // A layer reads its own row's inputs to the left beside its states.
        if (right <= first.right + aside && -right <= first.left + aside + layers * m) return true;
      }
      return false;
    });
  },
  conditionMatrices: ({ depth }) => [
    "layer1.V",
    ...Array.from({ length: depth - 1 }, (_, i) =>
      ["o", "f", "i", "g"].map((part) => `layer${i + 2}.V_${part}`),
    ).flat(),
  ],
  hears,
  tiny: (C) => ({ features: 2 * C, head: { kind: "categorical", features: 4 * C } }),
};

checkFamily(row, [
  { title: "grey, kernels 3", config: rowConfig(), covers: false },
  { title: "grey, kernels 7 5", config: rowConfig({ firstKernel: 7, kernel: 5 }), covers: false },
  { title: "colour, a class", config: rowConfig({ ...colour, condition: classes }), covers: false },
  { title: "grey, a vector", config: rowConfig({ condition: vector }), covers: false },
  { title: "grey, a vector through m(h)", config: rowConfig({ condition: spread }), covers: false },
  { title: "grey, a map", config: rowConfig({ condition: map }), covers: false },
  { title: "grey, a mixture, a vector", config: rowConfig({ head: mixture, condition: vector }), covers: false },
  {
    title: "colour, a mixture, a class",
    config: rowConfig({ ...colour, head: mixture, condition: classes }),
    covers: false,
  },
]);

const diagonalConfig = (changes: object = {}): DiagonalBilstmConfig =>
  resolvePixelcnn({
    family: "diagonal-bilstm",
    ...image,
    features: 12,
    head: { features: 48 },
    ...changes,
  } as const) as DiagonalBilstmConfig;

const diagonal: Family<DiagonalBilstmConfig> = {
  title: "Diagonal BiLSTM",
  closedForm: (config) => field(config, () => true),
  conditionMatrices: ({ depth }) => [
    "layer1.V",
    ...Array.from({ length: depth - 1 }, (_, i) =>
      ["left", "right"].flatMap((side) => ["o", "f", "i", "g"].map((part) => `layer${i + 2}.${side}.V_${part}`)),
    ).flat(),
  ],
  hears,
  tiny: (C) => ({ features: 2 * C, head: { kind: "categorical", features: 4 * C } }),
};

checkFamily(diagonal, [
  { title: "grey", config: diagonalConfig(), covers: true },
  { title: "grey, first kernel 7, one layer", config: diagonalConfig({ firstKernel: 7, depth: 2 }), covers: true },
  { title: "colour, a class", config: diagonalConfig({ ...colour, condition: classes }), covers: true },
  { title: "grey, a vector", config: diagonalConfig({ condition: vector }), covers: true },
  { title: "grey, a vector through m(h)", config: diagonalConfig({ condition: spread }), covers: true },
  { title: "grey, a map", config: diagonalConfig({ condition: map }), covers: true },
  { title: "grey, a mixture, a vector", config: diagonalConfig({ head: mixture, condition: vector }), covers: true },
  {
    title: "colour, a mixture, a class",
    config: diagonalConfig({ ...colour, head: mixture, condition: classes }),
    covers: true,
  },
]);
