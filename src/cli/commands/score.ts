/**
 * `pixelcnn score`: bits of each image under a model, by the exact engine: what `compress` will need, to a few bits.
 */

import { fail } from "../../errors.ts";
import { histogramSvg } from "../../pictures/chart.ts";
import { heatmapOf } from "../../pictures/heatmap.ts";
import { conditionArgs } from "../../runs/asked-conditions.ts";
import { openPixelcnn } from "../../runs/open-model.ts";
import { openGrowing, writeOutput } from "../../runs/output.ts";
import { SCORES_HEAD, type ScoredImage, scoreImages, scoreRows } from "../../runs/score-images.ts";
import { openSourceConditions } from "../../runs/source-conditions.ts";
import { describeLeftOut, openSourceImages } from "../../runs/source-images.ts";
import { type UsualBits, usualBits } from "../../runs/usual-bits.ts";
import { counted, printable } from "../../words.ts";
import { onBrokenArg, readOnBroken } from "../options/fitting.ts";
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
    ...onBrokenArg,
    csv: {
      type: "string",
      valueHint: "F.csv",
      description: "A table to write, which grows as images are scored: file, bits, bits/dim, in the data's order",
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
    const others = [args.csv, args.heatmap];
    checkOption(args.histogram, { ...rules, option: "--histogram", others }, { keepStdout });
    const opened = await openPixelcnn(args.model);
    const { config: model, run, name, step } = opened;
    const started = performance.now();
    const conditions = await openSourceConditions(args, opened, terminal.warn);
    const sources = await openSourceImages(positionals.slice(1), run, {
      split: args.split,
      seed,
      limit,
      conditionedOn: conditions?.from,
      onBroken: readOnBroken(args["on-broken"]),
      accept: (image) => conditions?.check(image),
      onChecked: terminal.counter("looking at", "images"),
      tell: terminal,
    });
    terminal.endProgress();
    const show = args.heatmap === undefined ? 0 : SHOWN;
    const onProgress = terminal.counter("scoring", "images");
    let table: Awaited<ReturnType<typeof openGrowing>> | null = null;
    const onScored = async (images: readonly ScoredImage[]): Promise<void> => {
      if (args.csv === undefined) return;
      const isFirst = table === null;
      table ??= await openGrowing(args.csv);
      await table.write((isFirst ? SCORES_HEAD : "") + scoreRows(images));
    };
    const options = { conditions, pixels: args.pixels, show, threads, onScored, signal, onProgress };
    const scores = await scoreImages(opened, sources, options).finally(async () => {
      await sources.close();
      await table?.close();
    });
    terminal.endProgress();
    const { each, bits, bitsPerDim, rounded, shown } = scores;
    if (rounded > 0) {
      const how =
        model.levels === 2 ? "two levels by a threshold at 127" : `the nearest of the model's ${model.levels} levels`;
      terminal.note(
        `${counted(rounded, "image")} of more than ${model.levels} values: scored after taking them to ${how}`,
      );
    }
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
    const usual = conditions ? null : await usualBits(opened.folder);
    const left = describeLeftOut(sources);
    const { of, leftOut, broken } = sources;
    const lines = [
      `${bits.toFixed(2)} bits an image, ${bitsPerDim.toFixed(4)} bits/dim: ${counted(each.length, "image")} in ` +
        `${seconds.toFixed(1)} s`,
      ...(left === null ? [] : [left]),
      ...(conditions ? [`conditions: ${conditions.about}`] : []),
      ...usualLines(usual, bitsPerDim),
      ...extremes(each, usual, model),
      ...(args.csv === undefined ? [] : [`table: ${args.csv}`]),
      ...(args.histogram === undefined ? [] : [`histogram: ${args.histogram}`]),
      ...(heatmap ? [heatmapLine(heatmap, each.length)] : []),
    ];
    const about = { model: name, step, images: each.length, of, leftOut, bits, bitsPerDim, usual };
    const written = { conditions: conditions?.about, seconds, heatmap, csv: args.csv, histogram: args.histogram };
    return { code: broken > 0 ? 1 : 0, json: { ...about, ...written, each }, text: lines.join("\n") };
  },
});

/** What the model's own test images need, and how to read the distance from it. */
function usualLines(usual: UsualBits | null, bitsPerDim: number): string[] {
  if (usual === null) return [];
  const times = bitsPerDim / usual.bitsPerDim;
  return [
    `the model's own test images need ${usual.bitsPerDim.toFixed(4)} bits/dim on average; these need ` +
      `${times.toFixed(2)} times as many. Both ends are unusual: an image of one colour needs far fewer bits than ` +
      "any that the model was trained on",
  ];
}

/** The three most and least surprising, by bits/dim, since sizes may differ. */
function extremes(
  scored: readonly ScoredImage[],
  usual: UsualBits | null,
  model: { readonly height: number; readonly width: number },
): string[] {
  const distance = ({ bits, height, width }: ScoredImage): string => {
    // How images of another size spread is not known.
    if (!usual?.deviation || height !== model.height || width !== model.width) return "";
    const deviations = (bits - usual.bits) / usual.deviation;
    return `  ${deviations < 0 ? "" : "+"}${deviations.toFixed(1)} sd`;
  };
  const line = (image: ScoredImage): string =>
    `  ${image.bitsPerDim.toFixed(4)} bits/dim  ${image.bits.toFixed(1)} bits${distance(image)}  ` +
    printable(image.file);
  if (scored.length < 2) return scored.filter((image) => distance(image) !== "").map(line);
  const sorted = [...scored].sort((a, b) => b.bitsPerDim - a.bitsPerDim);
  const few = Math.min(3, Math.floor(sorted.length / 2));
  return [
    `most surprising${usual?.deviation ? " (sd: standard deviations from the mean of the model's test images)" : ""}`,
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
