/**
 * Real models without a network, for the tests: integer counts over causal neighbours that adapt as an image goes by,
 * or weights drawn afresh at each sub-pixel ("spiky": most levels of almost no probability). Images do not see each
 * other.
 */

import { randomFrom } from "../random.ts";
import { modelDigest } from "./digest.ts";
import { cumulativeFromWeights, WEIGHT_ONE } from "./frequencies.ts";
import type { Condition, GroupSize, PixelSize, Predictor } from "./predictor.ts";

export interface ContextPredictorConfig {
  readonly channels?: number;
  readonly levels?: number;
  readonly conditionSize?: number;
  readonly mapSize?: PixelSize;
  readonly seed?: number;
  readonly kind?: "adaptive" | "spiky";
}

/** One image's frequencies: a table at a sub-pixel, then the level that it had. */
interface Model {
  table(pixels: Uint8Array, row: number, column: number, channel: number, out: Uint32Array, offset: number): void;
  update(level: number): void;
}

export async function contextPredictor(config: ContextPredictorConfig = {}): Promise<Predictor> {
  const { channels = 1, levels = 256, conditionSize = 0, mapSize, seed = 1, kind = "adaptive" } = config;
  const digest = await modelDigest({ family: "context", channels, levels, conditionSize, mapSize, seed, kind }, []);
  const modelsOf = ({ count, width }: GroupSize, conditions: readonly Condition[] | undefined): Model[] =>
    Array.from({ length: count }, (_, i) =>
      kind === "spiky" ? spikyModel(levels, seed) : adaptiveModel(width, channels, levels, seed, conditions?.[i]),
    );
  const pixelsOf = (pixels: Uint8Array, { count }: GroupSize): Uint8Array[] => {
    const perImage = pixels.length / count;
    return Array.from({ length: count }, (_, i) => pixels.subarray(i * perImage, (i + 1) * perImage));
  };
  return {
    channels,
    levels,
    digest,
    conditionSize,
    mapSize,
    async forced(images, size, onRow, options = {}) {
      const { count, height, width } = size;
      const models = modelsOf(size, options.conditions);
      const views = pixelsOf(images, size);
      const starts = new Uint32Array(width * channels * count);
      const frequencies = new Uint32Array(starts.length);
      const table = new Uint32Array(levels + 1);
      for (let row = 0; row < height; row++) {
        let k = 0;
        for (let column = 0; column < width; column++) {
          for (let channel = 0; channel < channels; channel++) {
            for (let i = 0; i < count; i++, k++) {
              const level = views[i]![(row * width + column) * channels + channel]!;
              models[i]!.table(views[i]!, row, column, channel, table, 0);
              models[i]!.update(level);
              starts[k] = table[level]!;
              frequencies[k] = table[level + 1]! - table[level]!;
            }
          }
        }
        onRow(row, starts, frequencies);
        await Promise.resolve();
      }
    },
    async stepwise(size, source, options = {}) {
      const { count, height, width } = size;
      const pixels = new Uint8Array(count * height * width * channels);
      const models = modelsOf(size, options.conditions);
      const views = pixelsOf(pixels, size);
      const cumulative = new Uint32Array(count * (levels + 1));
      const chosen = new Uint8Array(count);
      for (let row = 0; row < height; row++) {
        for (let column = 0; column < width; column++) {
          for (let channel = 0; channel < channels; channel++) {
            for (let i = 0; i < count; i++)
              models[i]!.table(views[i]!, row, column, channel, cumulative, i * (levels + 1));
            source({ row, column, channel }, cumulative, chosen);
            for (let i = 0; i < count; i++) {
              views[i]![(row * width + column) * channels + channel] = chosen[i]!;
              models[i]!.update(chosen[i]!);
            }
          }
        }
        await Promise.resolve();
      }
      return pixels;
    },
  };
}

function adaptiveModel(
  width: number,
  channels: number,
  levels: number,
  seed: number,
  condition: Condition | undefined,
): Model {
  const weights = new Uint32Array(4 * 4 * channels * levels).fill(1 + (seed % 7));
  const shift =
    condition === undefined
      ? 0
      : typeof condition === "number"
        ? condition + 1
        : Math.abs(Math.trunc(10 * condition[0]!));
  if (shift > 0) for (let i = 0; i < weights.length; i++) if ((i + shift) % levels === 0) weights[i] = 50;
  const bin = (level: number): number => 1 + Math.floor((level * 3) / levels);
  let at = 0;
  return {
    table(pixels, row, column, channel, out, offset) {
      const here = (row * width + column) * channels + channel;
      const west = column > 0 ? bin(pixels[here - channels]!) : 0;
      const north = row > 0 ? bin(pixels[here - width * channels]!) : 0;
      at = ((west * 4 + north) * channels + channel) * levels;
      cumulativeFromWeights(weights, levels, out, { weightsOffset: at, outOffset: offset });
    },
    update(level) {
      weights[at + level] = Math.min(WEIGHT_ONE, weights[at + level]! + 40);
    },
  };
}

function spikyModel(levels: number, seed: number): Model {
  const random = randomFrom(seed);
  const weights = new Uint32Array(levels);
  return {
    table(_pixels, _row, _column, _channel, out, offset) {
      for (let i = 0; i < levels; i++)
        weights[i] = random.below(8) === 0 ? random.below(WEIGHT_ONE + 1) : random.below(2);
      weights[random.below(levels)] = WEIGHT_ONE;
      cumulativeFromWeights(weights, levels, out, { outOffset: offset });
    },
    update() {},
  };
}

export type PixelKind = "random" | "constant" | "zeros" | "stripes" | "unlikely" | "sampled";

/** Pixels of one image, or of a group in lock step: drawn without a model, or level by level from its tables. */
export async function makePixels(
  predictor: Predictor,
  size: GroupSize,
  kind: PixelKind,
  seed = 1,
  conditions?: readonly Condition[],
): Promise<Uint8Array> {
  const { channels, levels } = predictor;
  const random = randomFrom(seed, 77);
  const length = size.count * size.height * size.width * channels;
  const constant = random.below(levels);
  if (kind === "random") return Uint8Array.from({ length }, () => random.below(levels));
  if (kind === "constant") return new Uint8Array(length).fill(constant);
  if (kind === "zeros") return new Uint8Array(length);
  if (kind === "stripes") return Uint8Array.from({ length }, (_, i) => (i % 3 === 0 ? levels - 1 : 0));
  return predictor.stepwise(
    size,
    (_step, cumulative, out) => {
      for (let i = 0; i < size.count; i++) {
        const table = cumulative.subarray(i * (levels + 1), (i + 1) * (levels + 1));
        out[i] = kind === "unlikely" ? leastLikely(table) : drawn(table, random.below(2 ** 24));
      }
    },
    { conditions },
  );
}

function leastLikely(table: Uint32Array): number {
  let least = 0;
  for (let i = 1; i < table.length - 1; i++)
    if (table[i + 1]! - table[i]! < table[least + 1]! - table[least]!) least = i;
  return least;
}

function drawn(table: Uint32Array, target: number): number {
  let level = 0;
  while (table[level + 1]! <= target) level++;
  return level;
}
