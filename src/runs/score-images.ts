/** Bits of each image under a model, by the exact engine: what an archive of them will need, to a few bits. */

import { valuesOf } from "../codec/level-table.ts";
import { writeCsv } from "../csv.ts";
import { fail } from "../errors.ts";
import { createEngine } from "../exact/engine.ts";
import type { OnProgress, Share } from "../jobs.ts";
import type { PixelcnnConfig } from "../models/config.ts";
import type { Model } from "../models/model.ts";
import type { HeatmapImage } from "../pictures/heatmap.ts";
import type { SourceConditions } from "./source-conditions.ts";
import type { SourceImage } from "./source-image.ts";
import { pixelsOf, type SourceImages } from "./source-images.ts";

/** Images of one size that are scored together, and most sub-pixels of those. */
const TOGETHER = 1024;
const SUBPIXELS = 2 ** 22;

export interface ScoredImage {
  readonly file: string;
  readonly height: number;
  readonly width: number;
  readonly bits: number;
  readonly bitsPerDim: number;
  /** Bits of each sub-pixel, [H, W, C]. */
  readonly pixels?: number[] | undefined;
}

/** Means over images. */
export interface MeanBits {
  /** Per image. */
  readonly bits: number;
  readonly bitsPerDim: number;
}

export interface Scores extends MeanBits {
  /** In the order of the images. */
  readonly each: readonly ScoredImage[];
  /** Images that had more values than the model has levels. */
  readonly rounded: number;
  /** The first images, for a heat map. */
  readonly shown: readonly HeatmapImage[];
}

export interface ScoreOptions {
  readonly conditions?: SourceConditions | null | undefined;
  /** Keep the bits of each sub-pixel. */
  readonly pixels?: boolean | undefined;
  /** Keep so many of the first images for a heat map; default 0. */
  readonly show?: number | undefined;
  readonly threads?: number | undefined;
  /** Score these images alone, by their places; default all. */
  readonly share?: Share | undefined;
  /** Called with the images that are scored, a group at a time, in their order. */
  readonly onScored?: ((images: readonly ScoredImage[]) => Promise<void>) | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: OnProgress | undefined;
}

/** Scores images of any size. The caller closes the source. */
export async function scoreImages(
  model: Model<PixelcnnConfig>,
  sources: SourceImages,
  { conditions, pixels, show = 0, threads = 1, share, onScored, signal, onProgress }: ScoreOptions = {},
): Promise<Scores> {
  const { channels } = model.config;
  const each: ScoredImage[] = [];
  const shown: HeatmapImage[] = [];
  const { from, to } = share ?? { from: 0, to: sources.length };
  let [rounded, before] = [0, 0];
  const engine = createEngine(model, { threads: threads > 1 ? threads : 0 });
  try {
    conditions?.checkCount?.(sources.length);
    for await (const together of bySize(sources.read(), channels)) {
      const first = before;
      before += together.length;
      const [start, end] = [Math.max(0, from - first), Math.min(together.length, to - first)];
      if (end <= 0) break;
      if (start >= end) continue;
      const group = together.slice(start, end);
      const { height, width } = group[0]!;
      const size = height * width * channels;
      const bits = await engine.score({
        images: { height, width, pixels: pixelsOf(group) },
        // An encoder rounds by what it is given together: that must not depend on the share.
        conditions: (await conditions?.of(together, first))?.slice(start, end),
        signal,
        onProgress: ({ done, total: rows }) =>
          onProgress?.({ done: each.length + Math.floor((done / rows) * group.length), total: to - from }),
      });
      for (const [i, image] of group.entries()) {
        const own = bits.subarray(i * size, (i + 1) * size);
        const sum = own.reduce((a, b) => a + b, 0);
        const score = { file: image.file, height, width, bits: sum, bitsPerDim: sum / size };
        each.push(pixels ? { ...score, pixels: [...own] } : score);
        if (!image.exact) rounded++;
        if (shown.length < show) shown.push(shownOf(image, own, channels));
      }
      await onScored?.(each.slice(-group.length));
    }
  } finally {
    await engine.close();
  }
  return { each, ...meanBits(each, channels), rounded, shown };
}

/** Summed in the order of the images. */
export function meanBits(each: readonly ScoredImage[], channels: number): MeanBits {
  let [total, dims] = [0, 0];
  for (const { bits, height, width } of each) {
    total += bits;
    dims += height * width * channels;
  }
  return { bits: total / each.length, bitsPerDim: total / dims };
}

/** Neighbours of one size, together. */
async function* bySize(images: AsyncGenerator<SourceImage>, channels: number): AsyncGenerator<SourceImage[]> {
  let group: SourceImage[] = [];
  for await (const image of images) {
    const [first] = group;
    const full = group.length >= TOGETHER || (group.length + 1) * image.height * image.width * channels > SUBPIXELS;
    if (first && (full || first.height !== image.height || first.width !== image.width)) {
      yield group;
      group = [];
    }
    group.push(image);
  }
  if (group.length > 0) yield group;
}

function shownOf(
  { height, width, pixels, table, file }: SourceImage,
  bits: Float64Array,
  channels: number,
): HeatmapImage {
  if (channels !== 1 && channels !== 3 && channels !== 4)
    return fail("usage", `expected a model of 1, 3 or 4 channels for a heat map but it has ${channels}`);
  const perPixel = Float64Array.from({ length: height * width }, (_, p) => {
    return bits.subarray(p * channels, (p + 1) * channels).reduce((a, b) => a + b, 0);
  });
  return { picture: { height, width, channels, pixels: valuesOf(pixels, table, file) }, bits: perPixel };
}

/** The first row of a table of scores. */
export const SCORES_HEAD = writeCsv([["file", "bits", "bits/dim"]]);

/** Rows of file, bits and bits/dim. */
export function scoreRows(each: readonly ScoredImage[]): string {
  return writeCsv(each.map(({ file, bits, bitsPerDim }) => [file, bits, bitsPerDim]));
}
