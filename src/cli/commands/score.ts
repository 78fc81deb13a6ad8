/**
 * `pixelcnn score`: bits of each image under a model, by the exact engine: what `compress` will need, to a few bits.
 */

import { fail } from "../../errors.ts";
import { histogramSvg } from "../../pictures/chart.ts";
import { heatmapOf } from "../../pictures/heatmap.ts";
import { conditionArgs } from "../../runs/asked-conditions.ts";
import { openPixelcnn } from "../../runs/open-model.ts";
import { writeOutput } from "../../runs/output.ts";
import { type ScoredImage, scoreImages, scoresCsv } from "../../runs/score-images.ts";
import { openSourceConditions } from "../../runs/source-conditions.ts";
import { openSourceImages } from "../../runs/source-images.ts";
import { counted } from "../../words.ts";
import { numberOption } from "../options/number-option.ts";
import { checkOption, forceArg } from "../options/output.ts";
import { defineCommand } from "../run-command.ts";

/** Most images of a heat map. */
const SHOWN = 64;
export default defineCommand({
  name: "score",
  summary: "Bits of each image, to find the unusual ones: as a list, CSV or heat map",
  args: {
    model: { type: "positional", required: true, description: "A run or model folder, or the name of a shipped model" },
    images: {
      type: "positional",
      required: true,
      description:
        "Image files and folders, of any size; named sets and other data, or some of them: mnist:test:0-99. " +
        "Files with more values than the model has levels are taken to the nearest (two levels: a threshold at " +
        "127)",
    },
    ...conditionArgs,
    split: {
      type: "string",
      valueHint: "S",
      default: "test",
      description: "test, train or all, of data that do not say",
    },
    limit: { type: "string", valueHint: "N", description: "Only the first N images" },
    csv: {
      type: "string",
      valueHint: "F.csv",
      description: "A table to write: file, bits, bits/dim, in the data's order",
    },
    heatmap: {
      type: "string",
      valueHint: "F.png",
      description: `A picture to write: each image beside the bits of its pixels, the first ${SHOWN}`,
    },
    histogram: {
      type: "string",
      valueHint: "F.svg",
      description: "A chart to write: how many images need how many bits/dim",
    },
    ...forceArg,
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
  async run(args, { terminal, signal, seed, positionals, keepStdout }) {
    const limit = numberOption("limit", args.limit, { min: 1 });
    const scale = numberOption("scale", args.scale, { min: 1, max: 100 });
    const threads = numberOption("threads", args.threads, { min: 1, max: 1024 }) ?? 1;
    if (args.pixels && !args.json)
      fail("usage", "expected --json with --pixels, which prints nothing for a person to read");
    const rules = { inputs: [...positionals, args.like, args.latent], force: args.force };
    checkOption(args.csv, { ...rules, option: "--csv" }, { keepStdout });
    checkOption(args.heatmap, { ...rules, option: "--heatmap", others: [args.csv] }, { keepStdout });
    const written = [args.csv, args.heatmap];
    checkOption(args.histogram, { ...rules, option: "--histogram", others: written }, { keepStdout });
    const opened = await openPixelcnn(args.model);
    const { config: model, run, name, step } = opened;
    const started = performance.now();
    const conditions = await openSourceConditions(args, opened, terminal.warn);
    const reading = { split: args.split, seed, limit, conditionedOn: conditions?.from, tell: terminal };
    const sources = await openSourceImages(positionals.slice(1), run, reading);
    const show = args.heatmap === undefined ? 0 : SHOWN;
    const onProgress = terminal.counter("scoring", "images");
    const options = { conditions, pixels: args.pixels, show, threads, signal, onProgress };
    const scores = await scoreImages(opened, sources, options).finally(sources.close);
    terminal.endProgress();
    const { each, bits, bitsPerDim, rounded, shown } = scores;
    if (rounded > 0) {
      const how =
        model.levels === 2 ? "two levels by a threshold at 127" : `the nearest of the model's ${model.levels} levels`;
      terminal.note(
        `${counted(rounded, "image")} of more than ${model.levels} values: scored after taking them to ${how}`,
      );
    }
    if (args.csv !== undefined) await writeOutput(args.csv, scoresCsv(each));
    let heatmap: { file: string; darkest: number; images: number } | undefined;
    if (args.heatmap !== undefined) {
      const { png, darkest } = heatmapOf(shown, { scale });
      await writeOutput(args.heatmap, png);
      heatmap = { file: args.heatmap, darkest, images: shown.length };
    }
    if (args.histogram !== undefined) {
      const bitsOfEach = each.map((image) => image.bitsPerDim);
      await writeOutput(args.histogram, histogramSvg(`Bits of each image under ${name}`, "bits/dim", bitsOfEach));
    }
    const seconds = (performance.now() - started) / 1000;
    const lines = [
      `${bits.toFixed(2)} bits an image, ${bitsPerDim.toFixed(4)} bits/dim: ${counted(each.length, "image")} in ` +
        `${seconds.toFixed(1)} s`,
      ...(conditions ? [`conditions: ${conditions.about}`] : []),
      ...extremes(each),
      ...(args.csv === undefined ? [] : [`table: ${args.csv}`]),
      ...(args.histogram === undefined ? [] : [`histogram: ${args.histogram}`]),
      ...(heatmap ? [heatmapLine(heatmap, each.length)] : []),
    ];
    const about = { model: name, step, images: each.length, bits, bitsPerDim, conditions: conditions?.about, seconds };
    return { json: { ...about, heatmap, csv: args.csv, histogram: args.histogram, each }, text: lines.join("\n") };
  },
});

/** The three most and least surprising, by bits/dim, since sizes may differ. */
function extremes(scored: readonly ScoredImage[]): string[] {
  if (scored.length < 2) return [];
  const sorted = [...scored].sort((a, b) => b.bitsPerDim - a.bitsPerDim);
  const few = Math.min(3, Math.floor(sorted.length / 2));
  const line = ({ file, bits, bitsPerDim }: ScoredImage): string =>
    `  ${bitsPerDim.toFixed(4)} bits/dim  ${bits.toFixed(1)} bits  ${file}`;
  return [
    "most surprising",
    ...sorted.slice(0, few).map(line),
    "least surprising",
    ...sorted.slice(-few).reverse().map(line),
  ];
}

function heatmapLine(
  { file, darkest, images }: { file: string; darkest: number; images: number },
  all: number,
): string {
  const which = images < all ? `, the first ${images} images` : "";
  return (
    `heat map: ${file}${which}; each image beside its bits: the palest is 0 bits a pixel, the darkest ` +
    `${darkest} and more`
  );
}
