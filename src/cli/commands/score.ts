/**
 * `pixelcnn score`: bits of each image under a model, by the exact engine: what `compress` will need, to a few bits.
 */

import { fail } from "../../errors.ts";
import { heatmapOf } from "../../pictures/heatmap.ts";
import { scoreHistogram, scoreReport, tellRounded } from "../../reports/score-report.ts";
import { shardReport } from "../../reports/shard-report.ts";
import { conditionArgs } from "../../runs/asked-conditions.ts";
import { SourceSurvey } from "../../runs/fingerprint.ts";
import { openPixelcnn } from "../../runs/open-model.ts";
import { openGrowing, writeOutput } from "../../runs/output.ts";
import { SCORES_HEAD, type ScoredImage, scoreImages, scoreRows } from "../../runs/score-images.ts";
import { aboutScores, scoreShard } from "../../runs/score-shard.ts";
import { openSourceConditions } from "../../runs/source-conditions.ts";
import { openSourceImages } from "../../runs/source-images.ts";
import { onBrokenArg, readOnBroken } from "../options/fitting.ts";
import { numberOption } from "../options/number-option.ts";
import { checkOption, forceArg } from "../options/output.ts";
import { queueArgs, queueOutcome, readQueueOptions } from "../options/queue.ts";
import { readShardOptions, shardArgs } from "../options/shard.ts";
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
    ...shardArgs,
    ...queueArgs,
    scale: { type: "string", valueHint: "X", description: "Enlarge each pixel of the heat map so many times" },
    pixels: { type: "boolean", description: "With --json: the bits of each sub-pixel too, rows, columns, channels" },
    threads: { type: "string", valueHint: "T", description: "CPU threads; default one. No number depends on it" },
  },
  many: true,
  examples: [
    "score runs/digits mnist --csv digits.csv",
    "score runs/photos holiday.jpg photos/ --heatmap surprise.png",
    "score runs/classes cat.png --class cat",
    "score runs/photos photos/ --shard 2/7 --parts parts/",
    "score runs/photos photos/ --queue redis://queue:6379 --csv bits.csv",
  ],
  async run(args, context) {
    const { terminal, signal, seed, positionals, keepStdout } = context;
    const limit = numberOption("limit", args.limit, { min: 1 });
    const scale = numberOption("scale", args.scale, { min: 1, max: 100 });
    const threads = numberOption("threads", args.threads, { min: 1, max: 1024 }) ?? 1;
    const queue = await readQueueOptions(args, [...positionals, args.like, args.latent], context);
    const wish =
      queue?.wish ??
      readShardOptions(args, [...positionals, args.like, args.latent], {
        "--csv": args.csv,
        "--histogram": args.histogram,
        "--scale": args.scale,
      });
    if (wish && args.heatmap !== undefined)
      fail(
        "usage",
        `expected no --heatmap with --shard or --queue: it shows the first ${SHOWN} images, which one process can do`,
      );
    if (args.pixels && !args.json && !wish)
      fail("usage", "expected --json with --pixels, which prints nothing for a person to read");
    const rules = { inputs: [...positionals, args.like, args.latent], force: args.force };
    checkOption(args.csv, { ...rules, option: "--csv" }, { keepStdout });
    checkOption(args.heatmap, { ...rules, option: "--heatmap", others: [args.csv] }, { keepStdout });
    const others = [args.csv, args.heatmap];
    checkOption(args.histogram, { ...rules, option: "--histogram", others }, { keepStdout });
    const opened = await openPixelcnn(args.model);
    const started = performance.now();
    const conditions = await openSourceConditions(args, opened, terminal.warn);
    const survey = new SourceSurvey({ paths: true });
    const sources = await openSourceImages(positionals.slice(1), opened.run, {
      split: args.split,
      seed,
      limit,
      conditionedOn: conditions?.from,
      onBroken: readOnBroken(args["on-broken"]),
      accept(image) {
        conditions?.check(image);
        if (wish) survey.add(image);
      },
      onChecked: terminal.counter("looking at", "images"),
      tell: terminal,
    });
    terminal.endProgress();
    const onProgress = terminal.counter("scoring", "images");
    const options = { conditions, pixels: args.pixels, threads, signal, onProgress };
    const seconds = (): number => (performance.now() - started) / 1000;
    if (wish) {
      const done = await scoreShard(opened, sources, survey, options, wish).finally(sources.close);
      terminal.endProgress();
      if (queue) return await queueOutcome(queue, done.job, { csv: args.csv, histogram: args.histogram }, seconds);
      return shardReport(done, wish, { images: done.images, seconds: seconds() });
    }
    const show = args.heatmap === undefined ? 0 : SHOWN;
    let table: Awaited<ReturnType<typeof openGrowing>> | null = null;
    const onScored = async (images: readonly ScoredImage[]): Promise<void> => {
      if (args.csv === undefined) return;
      const isFirst = table === null;
      table ??= await openGrowing(args.csv);
      await table.write((isFirst ? SCORES_HEAD : "") + scoreRows(images));
    };
    const found = await scoreImages(opened, sources, { ...options, show, onScored }).finally(async () => {
      await sources.close();
      await table?.close();
    });
    terminal.endProgress();
    const scores = { ...found, about: await aboutScores(opened, sources, conditions) };
    tellRounded(scores, terminal);
    let heatmap: { file: string; darkest: number; images: number } | undefined;
    if (args.heatmap !== undefined) {
      const { png, darkest } = heatmapOf(scores.shown, { scale });
      await writeOutput(args.heatmap, png);
      heatmap = { file: args.heatmap, darkest, images: scores.shown.length };
    }
    if (args.histogram !== undefined) await writeOutput(args.histogram, scoreHistogram(scores));
    return scoreReport(scores, { seconds: seconds(), csv: args.csv, histogram: args.histogram, heatmap });
  },
});
