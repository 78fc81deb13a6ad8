/** `pixelcnn score`: bits of each image under a model, by the exact engine: what `compress` will need, to a few bits. */

import { valuesOf } from "../../codec/level-table.ts";
import type { Picture } from "../../data/picture.ts";
import { fail } from "../../errors.ts";
import { createEngine, type Engine } from "../../exact/engine.ts";
import type { ConditionValue } from "../../models/condition.ts";
import { type HeatmapImage, heatmapOf } from "../../pictures/heatmap.ts";
import { conditionArgs } from "../../runs/asked-conditions.ts";
import { openPixelcnn } from "../../runs/open-model.ts";
import { writeWhole } from "../../runs/run-folder.ts";
import { openSourceConditions } from "../../runs/source-conditions.ts";
import { openSourceImages, type SourceImage } from "../../runs/source-images.ts";
import { counted } from "../../words.ts";
import { numberOption } from "../options/number-option.ts";
import { defineCommand } from "../run-command.ts";

/** Most images of a heat map. */
const SHOWN = 64;
/** Images of one size that are scored together, and most sub-pixels of those. */
const TOGETHER = 1024;
const SUBPIXELS = 2 ** 22;

interface Scored {
  readonly file: string;
  readonly height: number;
  readonly width: number;
  readonly bits: number;
  readonly bitsPerDim: number;
  /** Bits of each sub-pixel, [H, W, C]. */
  readonly pixels?: number[];
}

export default defineCommand({
  name: "score",
  summary: "Bits of each image, to find the unusual ones: as a list, CSV or heat map",
  args: {
    model: { type: "positional", required: true, description: "A run or model folder, or the name of a shipped model" },
    images: {
      type: "positional",
      required: true,
      description:
        "Image files and folders, of any size; named sets and other data, or some of them: mnist:test:0-99. Files with more values than the model has levels are taken to the nearest (two levels: a threshold at 127)",
    },
    ...conditionArgs,
    split: { type: "string", valueHint: "S", default: "test", description: "test, train or all, of data that do not say" },
    limit: { type: "string", valueHint: "N", description: "Only the first N images" },
    csv: { type: "string", valueHint: "F.csv", description: "A table to write: file, bits, bits/dim, in the data's order" },
    heatmap: {
      type: "string",
      valueHint: "F.png",
      description: `A picture to write: each image beside the bits of its pixels, the first ${SHOWN}`,
    },
    scale: { type: "string", valueHint: "X", description: "Enlarge each pixel of the heat map so many times" },
    pixels: { type: "boolean", description: "With --json: the bits of each sub-pixel too, rows, columns, channels" },
    threads: { type: "string", valueHint: "T", description: "CPU threads; default one. No number depends on it" },
  },
  many: true,
  examples: [
    "score runs/digits mnist --csv digits.csv",
    "score runs/photos holiday.jpg photos/ --heatmap surprise.png",
    "score runs/classes cat.png --class cat",
  ],
  async run(args, { terminal, signal, seed, positionals }) {
    const limit = numberOption("limit", args.limit, { min: 1 });
    const scale = numberOption("scale", args.scale, { min: 1, max: 100 });
    const threads = numberOption("threads", args.threads, { min: 1, max: 1024 }) ?? 1;
    if (args.pixels && !args.json) fail("usage", "expected --json with --pixels, which prints nothing for a person to read");
    const opened = await openPixelcnn(args.model);
    const { config: model, run, parameters, name, step } = opened;
    const started = performance.now();
    const conditions = await openSourceConditions(args, opened, (text) => terminal.warn(text));
    const sources = await openSourceImages(positionals.slice(1), run, {
      ...{ split: args.split, seed, limit, conditionedOn: conditions?.from, terminal },
    });
    const engine = createEngine({ config: model, parameters }, { threads: threads > 1 ? threads : 0 });
    const scored: Scored[] = [];
    const shown: HeatmapImage[] = [];
    let rounded = 0;
    try {
      conditions?.checkCount(sources.length);
      const progress = terminal.counter("scoring", "images");
      for await (const group of bySize(sources.read(), model.channels)) {
        for (const image of group) conditions?.check(image);
        const values = await conditions?.of(group, scored.length);
        const bits = await scoreGroup(engine, group, values, signal, (done) => progress(scored.length + done, sources.length));
        for (const [i, image] of group.entries()) {
          const size = image.pixels.length;
          const own = bits.subarray(i * size, (i + 1) * size);
          const sum = own.reduce((a, b) => a + b, 0);
          const { file, height, width } = image;
          const pixels = args.pixels ? { pixels: [...own] } : {};
          scored.push({ file, height, width, bits: sum, bitsPerDim: sum / size, ...pixels });
          if (!image.exact) rounded++;
          if (args.heatmap !== undefined && shown.length < SHOWN) shown.push(shownOf(image, own, model.channels));
        }
      }
    } finally {
      await engine.close();
      await sources.close();
    }
    terminal.endProgress();
    if (rounded > 0) {
      const how = model.levels === 2 ? "two levels by a threshold at 127" : `the nearest of the model's ${model.levels} levels`;
      terminal.note(`${counted(rounded, "image")} of more than ${model.levels} values: scored after taking them to ${how}`);
    }
    const total = scored.reduce((sum, { bits }) => sum + bits, 0);
    const dims = scored.reduce((sum, { height, width }) => sum + height * width * model.channels, 0);
    const result = { images: scored.length, bits: total / scored.length, bitsPerDim: total / dims };
    if (args.csv !== undefined) await writeWhole(args.csv, csvOf(scored));
    let heatmap: { file: string; darkest: number; images: number } | undefined;
    if (args.heatmap !== undefined) {
      const { png, darkest } = heatmapOf(shown, { scale });
      await writeWhole(args.heatmap, png);
      heatmap = { file: args.heatmap, darkest, images: shown.length };
    }
    const seconds = (performance.now() - started) / 1000;
    const lines = [
      `${result.bits.toFixed(2)} bits an image, ${result.bitsPerDim.toFixed(4)} bits/dim: ${counted(scored.length, "image")} in ${seconds.toFixed(1)} s`,
      ...(conditions ? [`conditions: ${conditions.about}`] : []),
      ...extremes(scored),
      ...(args.csv === undefined ? [] : [`table: ${args.csv}`]),
      ...(heatmap ? [heatmapLine(heatmap, scored.length)] : []),
    ];
    const about = { model: name, step, ...result, conditions: conditions?.about, seconds };
    return { json: { ...about, heatmap, csv: args.csv, each: scored }, text: lines.join("\n") };
  },
});

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

function scoreGroup(
  engine: Engine,
  group: readonly SourceImage[],
  conditions: readonly ConditionValue[] | undefined,
  signal: AbortSignal,
  onImages: (done: number) => void,
): Promise<Float64Array> {
  const { height, width, pixels: first } = group[0]!;
  const pixels = new Uint8Array(group.length * first.length);
  for (const [i, image] of group.entries()) pixels.set(image.pixels, i * first.length);
  return engine.score({
    images: { height, width, pixels },
    conditions,
    signal,
    onProgress: ({ done, total }) => onImages(Math.floor((done / total) * group.length)),
  });
}

function shownOf({ height, width, pixels, table, file }: SourceImage, bits: Float64Array, channels: number): HeatmapImage {
  if (channels !== 1 && channels !== 3 && channels !== 4)
    return fail("usage", `expected a model of 1, 3 or 4 channels for a heat map but it has ${channels}`);
  const picture: Picture = { height, width, channels, pixels: valuesOf(pixels, table, file) };
  const perPixel = Float64Array.from({ length: height * width }, (_, p) => {
    return bits.subarray(p * channels, (p + 1) * channels).reduce((a, b) => a + b, 0);
  });
  return { picture, bits: perPixel };
}

/** The three most and least surprising, by bits/dim, since sizes may differ. */
function extremes(scored: readonly Scored[]): string[] {
  if (scored.length < 2) return [];
  const sorted = [...scored].sort((a, b) => b.bitsPerDim - a.bitsPerDim);
  const few = Math.min(3, Math.floor(sorted.length / 2));
  const line = ({ file, bits, bitsPerDim }: Scored): string =>
    `  ${bitsPerDim.toFixed(4)} bits/dim  ${bits.toFixed(1)} bits  ${file}`;
  return ["most surprising", ...sorted.slice(0, few).map(line), "least surprising", ...sorted.slice(-few).reverse().map(line)];
}

function heatmapLine({ file, darkest, images }: { file: string; darkest: number; images: number }, all: number): string {
  const which = images < all ? `, the first ${images} images` : "";
  return `heat map: ${file}${which}; each image beside its bits: the palest is 0 bits a pixel, the darkest ${darkest} and more`;
}

function csvOf(scored: readonly Scored[]): string {
  const cell = (text: string): string => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const rows = scored.map(({ file, bits, bitsPerDim }) => `${cell(file)},${bits},${bitsPerDim}`);
  return `${["file,bits,bits/dim", ...rows].join("\n")}\n`;
}
