/**
 * `pixelcnn complete`: keeps a part of each image and draws the rest, several times. A row of the picture: the image,
 * what was given, completions.
 */

import { fail } from "../../errors.ts";
import type { ConditionValue } from "../../models/condition.ts";
import { gridPng, picturesOf, withoutUnknown } from "../../pictures/grid.ts";
import { conditionArgs } from "../../runs/asked-conditions.ts";
import { drawCompletions } from "../../runs/draw-samples.ts";
import { readImages, readMask } from "../../runs/model-images.ts";
import { openPixelcnn } from "../../runs/open-model.ts";
import { writeOutput } from "../../runs/output.ts";
import { conditionsToComplete } from "../../runs/sample-conditions.ts";
import { counted } from "../../words.ts";
import { readDrawing, samplingArgs } from "../options/drawing.ts";
import { fitArg, onBrokenArg, readFitting } from "../options/fitting.ts";
import { numberOption } from "../options/number-option.ts";
import { checkOption, forceArg } from "../options/output.ts";
import { defineCommand } from "../run-command.ts";

export default defineCommand({
  name: "complete",
  summary: "Fill in the unknown part of images",
  args: {
    model: { type: "positional", required: true, description: "A run or model folder, or the name of a shipped model" },
    images: {
      type: "positional",
      required: true,
      description: "Image files of the model's size, or images of a data set: mnist:test:0-7",
    },
    out: {
      type: "string",
      alias: "o",
      valueHint: "F.png",
      description: "The picture to write: image, given part, completions",
    },
    ...forceArg,
    ...fitArg,
    ...onBrokenArg,
    rows: { type: "string", valueHint: "R", description: "The first R rows are given" },
    mask: {
      type: "string",
      valueHint: "M.png",
      description:
        "A picture of the model's size: white where the image is given, black where it is filled in. Drawing " +
        "goes row by row, so what is given after a gap is kept but does not inform the gap",
    },
    count: { type: "string", alias: "n", valueHint: "N", default: "4", description: "Completions an image" },
    ...conditionArgs,
    guidance: { type: "string", valueHint: "G", description: "Strengthen the condition; see `pixelcnn sample --help`" },
    ...samplingArgs,
  },
  many: true,
  examples: [
    "complete runs/digits mnist:test:0-7 --rows 14 -n 6 -o halves.png",
    "complete runs/photos face.png --mask mask.png -o repaired.png",
  ],
  async run(args, { terminal, signal, seed = 1, positionals, keepStdout }) {
    const count = numberOption("count", args.count, { min: 1, max: 10_000 })!;
    const { temperature = 1, guidance, scale, threads } = readDrawing(args, { coldest: args.oracle });
    const out = args.out ?? fail("usage", "expected -o F.png, the picture to write, but received none");
    const rules = { option: "-o", inputs: [...positionals, args.mask, args.like, args.latent], force: args.force };
    checkOption(out, rules, { keepStdout });
    if ((args.rows === undefined) === (args.mask === undefined)) {
      fail(
        "usage",
        "expected --rows R or --mask M.png, to say what is given, but received " +
          `${args.rows === undefined ? "neither" : "both"}`,
      );
    }
    const opened = await openPixelcnn(args.model);
    const { config: model, run, name, step } = opened;
    const { height, width } = model;
    const rows = numberOption("rows", args.rows, { max: height });
    const mask =
      rows === undefined ? await readMask(args.mask!, model) : new Uint8Array(height * width).fill(1, 0, rows * width);
    const fitting = readFitting(args, terminal);
    const images = await readImages(positionals.slice(1), run, fitting.rules);

    const size = images.pixels.length / images.names.length;
    const repeated = new Uint8Array(images.pixels.length * count);
    for (let i = 0; i < images.names.length * count; i++) {
      const image = Math.floor(i / count);
      repeated.set(images.pixels.subarray(image * size, (image + 1) * size), i * size);
    }
    const conditions = await conditionsToComplete(args, opened, images, terminal.warn);
    const started = performance.now();
    const how = { model: opened, seed, temperature, guidance, threads, signal, oracle: args.oracle };
    const completed = await drawCompletions({
      ...how,
      count: images.names.length * count,
      pixels: repeated,
      mask,
      conditions: conditions?.flatMap((value) => new Array<ConditionValue>(count).fill(value)),
      onProgress: terminal.counter("completing", args.oracle ? "sub-pixels" : "rows"),
    });
    terminal.endProgress();

    const completions = picturesOf({ ...model, pixels: completed });
    const cells = picturesOf({ ...model, pixels: images.pixels }).flatMap((original, i) => {
      return [original, withoutUnknown(original, mask), ...completions.slice(i * count, (i + 1) * count)];
    });
    await writeOutput(out, gridPng({ cells, columns: 2 + count, scale }));
    const seconds = (performance.now() - started) / 1000;
    return {
      code: fitting.code(),
      json: {
        model: name,
        step,
        out,
        images: images.names,
        skipped: fitting.skipped(),
        count,
        seed,
        temperature,
        seconds,
      },
      text:
        `${counted(count, "completion")} of ${counted(images.names.length, "image")} in ${seconds.toFixed(1)} s ` +
        `(seed ${seed}): ${out}`,
    };
  },
});
