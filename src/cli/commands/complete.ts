/** `pixelcnn complete`: keeps a part of each image and draws the rest, several times. A row of the picture: the image, what was given, completions. */

import { type Picture, toChannels } from "../../data/picture.ts";
import { fail } from "../../errors.ts";
import type { ConditionValue } from "../../models/condition.ts";
import { gridPng, pictureOf } from "../../pictures/grid.ts";
import { askedConditions, type ConditionWords, conditionArgs, possibleConditions } from "../../runs/asked-conditions.ts";
import { drawCompletions } from "../../runs/draw-samples.ts";
import { type ModelImages, readImages, readMask } from "../../runs/model-images.ts";
import { type OpenedPixelcnn, openPixelcnn } from "../../runs/open-model.ts";
import { writeWhole } from "../../runs/run-folder.ts";
import { counted } from "../../words.ts";
import { numberOption } from "../options/number-option.ts";
import { defineCommand } from "../run-command.ts";

/** What stands for the unknown in the picture: a colour that images seldom have. */
const TINT = [72, 104, 168, 255] as const;

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
    out: { type: "string", alias: "o", valueHint: "F.png", description: "The picture to write: image, given part, completions" },
    rows: { type: "string", valueHint: "R", description: "The first R rows are given" },
    mask: {
      type: "string",
      valueHint: "M.png",
      description:
        "A picture of the model's size: white where the image is given, black where it is filled in. Drawing goes row by row, so what is given after a gap is kept but does not inform the gap",
    },
    count: { type: "string", alias: "n", valueHint: "N", default: "4", description: "Completions an image" },
    ...conditionArgs,
    guidance: { type: "string", valueHint: "G", description: "Strengthen the condition; see `pixelcnn sample --help`" },
    temperature: {
      type: "string",
      valueHint: "T",
      default: "1",
      description: "Below 1: likelier, plainer images; above: wilder; with --oracle also 0: the likeliest level each time",
    },
    scale: {
      type: "string",
      valueHint: "X",
      description: "Enlarge each pixel so many times; default: to a picture of about 800",
    },
    threads: { type: "string", valueHint: "T", description: "CPU threads; default one. The images do not depend on it" },
    oracle: { type: "boolean", description: "Draw by full passes through the network instead, some hundred times slower" },
  },
  many: true,
  examples: [
    "complete runs/digits mnist:test:0-7 --rows 14 -n 6 -o halves.png",
    "complete runs/photos face.png --mask mask.png -o repaired.png",
  ],
  async run(args, { terminal, signal, seed = 1, positionals }) {
    const count = numberOption("count", args.count, { min: 1, max: 10_000 })!;
    const temperature = numberOption("temperature", args.temperature, { fraction: true, above: !args.oracle })!;
    const scale = numberOption("scale", args.scale, { min: 1, max: 100 });
    const threads = numberOption("threads", args.threads, { min: 1, max: 1024 });
    const out = args.out ?? fail("usage", "expected -o F.png, the picture to write, but received none");
    if ((args.rows === undefined) === (args.mask === undefined)) {
      fail(
        "usage",
        `expected --rows R or --mask M.png, to say what is given, but received ${args.rows === undefined ? "neither" : "both"}`,
      );
    }
    const guidance = numberOption("guidance", args.guidance, { fraction: true });
    const opened = await openPixelcnn(args.model);
    const { config: model, run, name, step } = opened;
    const { height, width } = model;
    const rows = numberOption("rows", args.rows, { max: height });
    const mask = rows === undefined ? await readMask(args.mask!, model) : new Uint8Array(height * width).fill(1, 0, rows * width);
    const images = await readImages(positionals.slice(1), run, (text) => terminal.warn(text));

    const size = images.pixels.length / images.names.length;
    const repeated = new Uint8Array(images.pixels.length * count);
    for (let i = 0; i < images.names.length * count; i++) {
      const image = Math.floor(i / count);
      repeated.set(images.pixels.subarray(image * size, (image + 1) * size), i * size);
    }
    const conditions = await completionConditions(args, opened, images, (text) => terminal.warn(text));
    const started = performance.now();
    const request = {
      model: opened,
      count: images.names.length * count,
      seed,
      temperature,
      guidance,
      conditions: conditions?.flatMap((value) => Array.from({ length: count }, () => value)),
      threads,
      signal,
      oracle: args.oracle,
    };
    const completed = await drawCompletions({
      ...request,
      pixels: repeated,
      mask,
      onProgress: terminal.counter("completing", args.oracle ? "sub-pixels" : "rows"),
    });
    terminal.endProgress();

    const cells: Picture[] = images.names.flatMap((_, i) => {
      const original = pictureOf({ ...model, pixels: images.pixels }, i);
      const completions = Array.from({ length: count }, (_, k) => pictureOf({ ...model, pixels: completed }, i * count + k));
      return [original, givenPart(original, mask), ...completions];
    });
    await writeWhole(out, gridPng({ cells, columns: 2 + count, scale }));
    const seconds = (performance.now() - started) / 1000;
    return {
      json: { model: name, step, out, images: images.names, count, seed, temperature, seconds },
      text: `${counted(count, "completion")} of ${counted(images.names.length, "image")} in ${seconds.toFixed(1)} s (seed ${seed}): ${out}`,
    };
  },
});

/** One condition an image: what was asked for, or the image's own class. */
async function completionConditions(
  words: ConditionWords,
  opened: OpenedPixelcnn,
  images: ModelImages,
  tell: (text: string) => void,
): Promise<readonly ConditionValue[] | null> {
  const { condition } = opened.config;
  const asked = await askedConditions(words, opened, tell);
  const { length } = images.names;
  if (asked && asked.length !== 1 && asked.length !== length)
    fail("usage", `expected one condition, or one for each of ${counted(length, "image")}, but received ${asked.length}`);
  if (asked) return images.names.map((_, i) => asked[asked.length === 1 ? 0 : i]!.value);
  if (condition === null) return null;
  if (condition.kind === "class" && images.labels.every((label) => label >= 0)) return images.labels;
  const possible = possibleConditions(opened);
  return fail("usage", `expected a condition for ${opened.name}, ${possible}, but received none`);
}

function givenPart(original: Picture, mask: Uint8Array): Picture {
  const { height, width, channels, pixels } = toChannels(original, original.channels === 4 ? 4 : 3);
  const shown = pixels.map((v, i) => (mask[Math.floor(i / channels)] === 0 ? TINT[i % channels]! : v));
  return { height, width, channels, pixels: shown };
}
