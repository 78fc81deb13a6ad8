/**
 * `pixelcnn compress`: images to a .pxc archive, or to files of one image each. Without loss: what the model has no
 * levels or channels for is refused, unless the user gives levels up. Pixels, names and labels are kept, and what a
 * model with a condition was told; other metadata are not.
 */

import { MOST_IMAGES_A_GROUP } from "../../codec/group-record.ts";
import { fail } from "../../errors.ts";
import { openCodingModel } from "../../runs/archive-model.ts";
import { conditionArgs } from "../../runs/asked-conditions.ts";
import { acceptFor, compressImages } from "../../runs/compress-images.ts";
import { checkOutputFolder, mayBeFolder } from "../../runs/output.ts";
import { openSourceConditions } from "../../runs/source-conditions.ts";
import { describeLeftOut, openSourceImages } from "../../runs/source-images.ts";
import { counted } from "../../words.ts";
import { onBrokenArg, readOnBroken } from "../options/fitting.ts";
import { numberOption } from "../options/number-option.ts";
import { checkOption, forceArg } from "../options/output.ts";
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
    ...conditionArgs,
    split: {
      type: "string",
      valueHint: "S",
      default: "all",
      description: "all, train or test, of data that do not say",
    },
    limit: { type: "string", valueHint: "N", description: "Only the first N images" },
    ...onBrokenArg,
    single: {
      type: "boolean",
      description:
        "A file an image, with the smallest header: it keeps no name, no label, and no values but the even ones",
    },
    bare: { type: "boolean", description: "Keep neither names nor labels: a few bytes less an image" },
    group: {
      type: "string",
      valueHint: "N",
      default: "64",
      description: "Images that are coded in lock step, and lost together when a byte is damaged",
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
    "compress runs/grey scans/ --on-broken skip --single -o scans/",
    "compress runs/classes cats/ --class cat -o cats.pxc",
  ],
  async run(args, { terminal, signal, seed, positionals, keepStdout }) {
    const limit = numberOption("limit", args.limit, { min: 1 });
    const threads = numberOption("threads", args.threads, { min: 1, max: 1024 }) ?? 1;
    const groupSize = numberOption("group", args.group, { min: 1, max: MOST_IMAGES_A_GROUP });
    const pixelBudget = numberOption("pixel-budget", args["pixel-budget"], { min: 1, max: 2 ** 31 });
    const out = args.out ?? fail("usage", "expected -o F.pxc, the archive to write, but received none");
    const target = { option: "-o", inputs: [...positionals, args.like, args.latent], force: args.force };
    if (args.single && mayBeFolder(out)) checkOutputFolder(out, target.option);
    else checkOption(out, target, { keepStdout });
    const lossy = args["lossy-levels"] === true;
    const { single, bare } = args;
    const model = await openCodingModel(args.model, threads);
    try {
      const started = performance.now();
      const { levels, channels } = model.predictor;
      const conditions = await openSourceConditions(args, model, terminal.warn);
      const sources = await openSourceImages(positionals.slice(1), model.run, {
        split: args.split,
        seed,
        limit,
        conditionedOn: conditions?.from,
        ownLevels: args["as-trained"] !== true,
        strict: !lossy,
        onBroken: readOnBroken(args["on-broken"]),
        accept: acceptFor(levels, conditions, { lossy, single }),
        onChecked: terminal.counter("looking at", "images"),
        tell: terminal,
      });
      terminal.endProgress();
      const onProgress = imageProgress(terminal, "compressing");
      const check = (file: string) => checkOption(file, target, { keepStdout });
      const options = { out, check, conditions, single, bare, groupSize, pixelBudget, signal, onProgress };
      const result = await compressImages(model, sources, { ...options, tell: terminal });
      const { images, written, dims, raw, rounded, restored, told, replaced } = result;
      terminal.endProgress();
      const { bytes, payload } = written;
      const bitsPerDim = (8 * bytes) / dims;
      const seconds = (performance.now() - started) / 1000;
      if (conditions && written.conditions > payload)
        terminal.note(
          "the conditions take more bytes than the images: --unconditional, or one for all images, may cost less",
        );
      if (replaced !== undefined && bytes > replaced)
        terminal.warn(`the archive is larger than the files in it, ${bytes} bytes to ${replaced}: keep the files`);
      const { of, leftOut, broken } = sources;
      const left = describeLeftOut(sources);
      return {
        code: broken > 0 ? 1 : 0,
        json: {
          model: model.name,
          step: model.step,
          out,
          images,
          of,
          leftOut,
          bytes,
          payload,
          dims,
          bitsPerDim,
          raw,
          channels,
          levels,
          lossy: rounded > 0,
          quantised: rounded,
          restored,
          seconds,
          conditions: conditions && { of: conditions.about, images: told, bytes: written.conditions },
        },
        text:
          `${counted(images, "image")} in ${seconds.toFixed(1)} s: ` +
          `${single && images > 1 ? `${counted(images, "file")} in ${out}` : out}\n` +
          `${bytes} bytes, ${bitsPerDim.toFixed(4)} bits/dim (8 x file size / ${dims} dims); ` +
          `raw, at ${counted(Math.ceil(Math.log2(levels)), "bit")} a sub-pixel, ${raw} bytes: ` +
          `${(raw / bytes).toFixed(2)} times as many` +
          (left === null ? "" : `\n${left}`) +
          (conditions
            ? `\nconditions: ${conditions.about}; ${written.conditions} of the bytes, for ${counted(told, "image")}`
            : ""),
      };
    } finally {
      await model.close();
    }
  },
});
