/**
 * `pixelcnn compress`: images to a .pxc archive, or to files of one image each. Without loss: what the model has no
 * levels or channels for is refused, unless the user gives levels up. Pixels, names and labels are kept, and what a
 * model with a condition was told; other metadata are not.
 */

import { MOST_IMAGES_A_GROUP } from "../../codec/group-record.ts";
import { fail } from "../../errors.ts";
import { compressReport } from "../../reports/compress-report.ts";
import { shardReport } from "../../reports/shard-report.ts";
import { openCodingModel } from "../../runs/archive-model.ts";
import { conditionArgs } from "../../runs/asked-conditions.ts";
import { acceptFor, compressImages } from "../../runs/compress-images.ts";
import { aboutArchive, compressShard } from "../../runs/compress-shard.ts";
import { SourceSurvey } from "../../runs/fingerprint.ts";
import { checkOutputFolder, mayBeFolder } from "../../runs/output.ts";
import { openSourceConditions } from "../../runs/source-conditions.ts";
import { openSourceImages } from "../../runs/source-images.ts";
import { onBrokenArg, readOnBroken } from "../options/fitting.ts";
import { innerWeights } from "../options/inner-weights.ts";
import { numberOption } from "../options/number-option.ts";
import { checkOption, forceArg } from "../options/output.ts";
import { queueArgs, queueOutcome, readQueueOptions } from "../options/queue.ts";
import { readShardOptions, shardArgs } from "../options/shard.ts";
import { defineCommand } from "../run-command.ts";
import { imageProgress } from "../terminal.ts";

export default defineCommand({
  name: "compress",
  summary: "Lossless compression of images with a model, into a .pxc archive",
  args: {
    model: { type: "positional", required: true, description: "A run or model folder, or the name of a shipped model" },
    images: {
      type: "positional",
      required: true,
      description:
        "Image files and folders, of any size; named sets and other data, or some of them: mnist:test:0-99. " +
        "Pixels, names and labels are kept, profiles and EXIF are not",
    },
    out: {
      type: "string",
      alias: "o",
      valueHint: "F.pxc",
      description: "The archive to write; with --single and several images, a folder",
    },
    ...forceArg,
    ...shardArgs,
    ...queueArgs,
    ...conditionArgs,
    split: {
      type: "string",
      valueHint: "S",
      default: "all",
      description: "all, train or test, of data that do not say",
    },
    limit: { type: "string", valueHint: "N", description: "Only the first N images" },
    ...onBrokenArg,
    "with-model": {
      type: "boolean",
      description:
        "Keep the model inside, its weights rounded: whoever has the file can open it. Lossless all the same",
    },
    weights: {
      type: "string",
      valueHint: "P",
      description: "With --with-model: bfloat16, int8 (the default) or int6, from the largest to the smallest",
    },
    single: {
      type: "boolean",
      description:
        "A file an image, with the smallest header: it keeps no name, no label, and no values but the even ones",
    },
    bare: { type: "boolean", description: "Keep neither names nor labels: a few bytes less an image" },
    group: {
      type: "string",
      valueHint: "N",
      description:
        "Most images that are coded in lock step, and lost together when a byte is damaged; default: an eighth of " +
        "those of one size, at least 64, at most 1024 small ones",
    },
    "lossy-levels": {
      type: "boolean",
      description:
        "NOT lossless: an image of more values than the model has levels is taken to the nearest (two levels: a " +
        "threshold at 127), and comes back as those",
    },
    "as-trained": {
      type: "boolean",
      description:
        "Data are taken as the model's own were made: binarised, or with fewer levels. That is what comes back",
    },
    threads: { type: "string", valueHint: "T", description: "CPU threads; default one. No byte depends on it" },
    "pixel-budget": {
      type: "string",
      valueHint: "N",
      description: "Most sub-pixels of a group; default 2^24. Unpacking needs as much",
    },
  },
  many: true,
  examples: [
    "compress runs/photos photos/ -o photos.pxc",
    "compress runs/photos holiday.png album/ -o photos.pxc --threads 4",
    "compress runs/digits mnist:test --as-trained -o digits.pxc",
    "compress runs/photos photos/ --with-model -o photos.pxc",
    "compress runs/grey scans/ --on-broken skip --single -o scans/",
    "compress runs/classes cats/ --class cat -o cats.pxc",
    "compress runs/photos photos/ --shard 2/7 --parts parts/",
    "compress runs/photos photos/ --queue redis://queue:6379 --shards 40 -o photos.pxc",
  ],
  async run(args, context) {
    const { terminal, signal, seed, positionals, keepStdout } = context;
    const limit = numberOption("limit", args.limit, { min: 1 });
    const threads = numberOption("threads", args.threads, { min: 1, max: 1024 }) ?? 1;
    const groupSize = numberOption("group", args.group, { min: 1, max: MOST_IMAGES_A_GROUP });
    const pixelBudget = numberOption("pixel-budget", args["pixel-budget"], { min: 1, max: 2 ** 31 });
    const queue = await readQueueOptions(args, [...positionals, args.like, args.latent], context);
    const wish = queue?.wish ?? readShardOptions(args, [...positionals, args.like, args.latent], { "-o": args.out });
    if (wish && args.single)
      fail("usage", "expected no --single with --shard or --queue: its files need no other process");
    const out =
      args.out ?? (wish && !queue ? "" : fail("usage", "expected -o F.pxc, the archive to write, but received none"));
    const target = { option: "-o", inputs: [...positionals, args.like, args.latent], force: args.force };
    if (args.single && mayBeFolder(out)) checkOutputFolder(out, target.option);
    else if (!wish || queue) checkOption(out, target, { keepStdout });
    const lossy = args["lossy-levels"] === true;
    const { single, bare } = args;
    const model = await openCodingModel(args.model, threads, innerWeights(args));
    try {
      const started = performance.now();
      const seconds = (): number => (performance.now() - started) / 1000;
      const { levels } = model.predictor;
      const conditions = await openSourceConditions(args, model, terminal.warn);
      const accept = acceptFor(levels, conditions, { lossy, single });
      const survey = new SourceSurvey({ paths: false });
      const sources = await openSourceImages(positionals.slice(1), model.run, {
        split: args.split,
        seed,
        limit,
        conditionedOn: conditions?.from,
        ownLevels: args["as-trained"] !== true,
        strict: !lossy,
        onBroken: readOnBroken(args["on-broken"]),
        accept(image) {
          accept(image);
          if (wish) survey.add(image);
        },
        onChecked: terminal.counter("looking at", "images"),
        tell: terminal,
      });
      terminal.endProgress();
      const onProgress = imageProgress(terminal, "compressing");
      const options = { conditions, bare, groupSize, pixelBudget, signal, onProgress, tell: terminal };
      if (wish) {
        const done = await compressShard(model, sources, survey, options, wish);
        terminal.endProgress();
        if (queue) return await queueOutcome(queue, done.job, { out }, seconds);
        return shardReport(done, wish, { images: done.images, seconds: seconds() });
      }
      const check = (file: string) => checkOption(file, target, { keepStdout });
      const compressed = await compressImages(model, sources, { ...options, out, check, single });
      terminal.endProgress();
      const about = aboutArchive(model, sources, conditions, compressed);
      return compressReport(about, compressed, { out, single, seconds: seconds() }, terminal);
    } finally {
      await model.close();
    }
  },
});
