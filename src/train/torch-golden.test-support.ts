/** The numbers that PyTorch committed (test/golden/torch_golden.py), as tensors. */

import { readFileSync } from "node:fs";
import type { PixelcnnConfig } from "../models/config.ts";
import { pixelcnnParameters } from "../models/networks.ts";
import { resolvePixelcnn } from "../models/schema.ts";
import { flatten, type ParameterMap, unflatten } from "../network/parameters.ts";
import { tensor } from "../tensor.ts";
import type { AdamSettings } from "./adam.ts";

interface Numbers {
  readonly shape: readonly number[];
  readonly data: readonly number[];
}

interface File {
  readonly config: unknown;
  readonly parameters: Record<string, Numbers>;
  readonly images: Numbers;
  readonly condition?: Numbers;
  readonly loss: number;
  readonly logProbabilities: readonly number[];
  readonly gradients: Record<string, readonly number[]>;
}

interface TrainedFile extends File {
  readonly adam: {
    readonly steps: number;
    readonly learningRate: number;
    readonly warmup: number;
    readonly beta1: number;
    readonly beta2: number;
    readonly epsilon: number;
    readonly weightDecay: number;
    readonly clip: number;
    readonly averageDecay: number;
    readonly losses: readonly number[];
    readonly gradientNorms: readonly number[];
    readonly parameters: Record<string, readonly number[]>;
    readonly average: Record<string, readonly number[]>;
  };
}

export interface Golden extends Omit<File, "config" | "parameters"> {
  readonly name: string;
  readonly model: PixelcnnConfig;
  readonly batch: number;
  readonly pixels: Uint8Array;
  /** [B, D]; null for a model without a condition. */
  readonly h: Float32Array | null;
  readonly parameters: ParameterMap;
  /** The parameters in flat order. */
  readonly weights: Float32Array;
}

/** And ten steps of Adam. */
export interface TrainedGolden extends Golden, Pick<TrainedFile, "adam"> {
  readonly settings: AdamSettings;
}

/** Gated PixelCNNs of two layers, trained for ten steps. */
export const GOLDEN = ["grey", "colour", "condition"] as const;

export function readGolden(name: (typeof GOLDEN)[number]): TrainedGolden {
  const file = read<TrainedFile>(`two-layer-${name}`);
  const { beta1, beta2, epsilon, weightDecay, clip } = file.adam;
  return { ...goldenOf(name, file), adam: file.adam, settings: { beta1, beta2, epsilon, weightDecay, clip } };
}

/** A first convolution and two LSTM layers each; no steps. */
export const RECURRENT_GOLDEN = [
  "row-lstm-grey",
  "row-lstm-colour",
  "diagonal-bilstm-grey",
  "diagonal-bilstm-colour",
] as const;

export const readRecurrentGolden = (name: (typeof RECURRENT_GOLDEN)[number]): Golden =>
  goldenOf(name, read<File>(name));

const read = <F>(name: string): F =>
  JSON.parse(readFileSync(new URL(`../../test/golden/${name}.json`, import.meta.url), "utf8")) as F;

function goldenOf(name: string, file: File): Golden {
  const model = resolvePixelcnn(file.config);
  const parameters = new Map(
    Object.entries(file.parameters).map(([name, { shape, data }]) => [
      name,
      tensor("float32", shape, Float32Array.from(data)),
    ]),
  );
  return {
    ...file,
    name,
    model,
    batch: file.images.shape[0]!,
    pixels: Uint8Array.from(file.images.data),
    h: file.condition ? Float32Array.from(file.condition.data) : null,
    parameters,
    weights: flatten(pixelcnnParameters(model), parameters),
  };
}

/**
 * For each parameter of a flat vector, how far its worst number is from PyTorch's, in parts of that parameter's largest
 * number. A parameter whose numbers are all below `floor` counts as if its largest were `floor`.
 */
export function distances(
  model: PixelcnnConfig,
  flat: Float32Array,
  expected: Readonly<Record<string, readonly number[]>>,
  floor: number,
): Map<string, number> {
  const found = unflatten(pixelcnnParameters(model), flat);
  if ([...found.keys()].sort().join() !== Object.keys(expected).sort().join())
    throw new Error(`expected the parameters ${Object.keys(expected)} but found ${[...found.keys()]}`);
  return new Map(
    Object.entries(expected).map(([name, numbers]) => {
      const { data } = found.get(name)!;
      if (data.length !== numbers.length)
        throw new Error(`expected ${numbers.length} numbers for ${name} but found ${data.length}`);
      const largest = numbers.reduce((m, x) => Math.max(m, Math.abs(x)), floor);
      const worst = numbers.reduce((m, x, i) => Math.max(m, Math.abs(x - data[i]!)), 0);
      return [name, Number.isNaN(worst) ? Number.POSITIVE_INFINITY : worst / largest];
    }),
  );
}
