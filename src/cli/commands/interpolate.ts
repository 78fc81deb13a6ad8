/**
 * `pixelcnn interpolate`: images under the codes on the way from one image's code to another's, or between two classes. Along a row of the picture every
 * draw is the same, so that only the code differs, as in the figure of van den Oord et al. 2016; the images themselves stand at both ends.
 */

import type { Picture } from "../../data/picture.ts";
import { fail } from "../../errors.ts";
import { createEngine } from "../../exact/engine.ts";
import { type ConditionValue, conditionNumbers, describeCondition } from "../../models/condition.ts";
import type { PixelcnnConfig } from "../../models/config.ts";
import type { Model } from "../../models/model.ts";
import { gridPng, pictureOf } from "../../pictures/grid.ts";
import { readClasses } from "../../runs/asked-conditions.ts";
import { asDataset, asGreys, type CodeImages, codesEach, expectCodes, imagesOf } from "../../runs/latent-model.ts";
import { readImages } from "../../runs/model-images.ts";
import { type OpenedModel, openModel } from "../../runs/open-model.ts";
import { writeWhole } from "../../runs/run-folder.ts";
import { counted } from "../../words.ts";
import { drawingArgs, drawnBy, readDrawing, refuseDrawing } from "../options/latent-drawing.ts";
import { numberOption } from "../options/number-option.ts";
import { type CommandContext, defineCommand } from "../run-command.ts";

/** Draws of a column that nobody asked for by number. */
const ROWS = 1;

export default defineCommand({
  name: "interpolate",
  summary: "Images on the way between two images, or two classes",
  args: {
    model: {
      type: "positional",
      required: true,
      description:
        "An auto-encoder, a model conditioned through an encoder of its own, or a model of classes: a folder, or a shipped name",
    },
    images: {
      type: "positional",
      required: false,
      description: "Two images: files of the model's size, or of a data set: mnist:test:3,18; they stand at the ends of each row",
    },
    out: { type: "string", alias: "o", valueHint: "F.png", description: "The picture to write" },
    from: { type: "string", valueHint: "C", description: "Of a model of classes, instead of the first image: a class, by name" },
    to: { type: "string", valueHint: "C", description: "The class at the other end" },
    steps: { type: "string", valueHint: "K", default: "8", description: "Codes on the way, both ends included" },
    rows: {
      type: "string",
      valueHint: "R",
      description: `Rows of the picture; along one, only the code differs, and each has draws of its own; default ${ROWS}`,
    },
    ...drawingArgs,
  },
  many: true,
  examples: [
    "interpolate runs/latents mnist:test:3,18 -o between.png",
    "interpolate runs/portraits anna.png ben.png --steps 10 --rows 3 -o faces.png",
    "interpolate runs/classes --from 3 --to 8 -o three-to-eight.png",
  ],
  async run(args, { terminal, signal, seed = 1, positionals }) {
    const steps = numberOption("steps", args.steps, { min: 2, max: 1000 })!;
    const wanted = numberOption("rows", args.rows, { min: 1, max: 1000 });
    const { temperature, guidance, scale, threads } = readDrawing(args);
    const out = args.out ?? fail("usage", "expected -o F.png, the picture to write, but received none");
    const whole = await openModel(args.model);
    const back = imagesOf(whole);
    const { config: model } = whole;
    if (back.kind === "deconvolution")
      refuseDrawing(whole, { "--rows": args.rows, "--temperature": args.temperature, "--guidance": args.guidance });
    const started = performance.now();
    const ends = await endsOf(args, positionals.slice(1), whole, back, { threads: threads ?? 1, signal, terminal });
    const between = ends.round ? onGreatCircle : onLine;
    const codes = Array.from({ length: steps }, (_, k) => between(ends.codes[0], ends.codes[1], k / (steps - 1)));

    const rows = wanted ?? ROWS;
    const drawn =
      back.kind === "deconvolution"
        ? { ...model, levels: 256, pixels: asGreys(await back.of(codes, { threads: threads ?? 1, signal }), model) }
        : {
            ...model,
            pixels: await drawColumns(back.model, codes, {
              ...{ rows, seed, temperature, guidance, threads, signal },
              onProgress: terminal.counter("sampling", "rows"),
            }),
          };
    terminal.endProgress();
    const original = (i: number): Picture[] => (ends.pixels ? [pictureOf({ ...model, pixels: ends.pixels }, i)] : []);
    const cells = Array.from({ length: rows }, (_, row) => [
      ...original(0),
      // Column after column, as they were drawn.
      ...codes.map((_, k) => pictureOf(drawn, k * rows + row)),
      ...original(1),
    ]).flat();
    await writeWhole(out, gridPng({ cells, columns: cells.length / rows, scale }));
    const seconds = (performance.now() - started) / 1000;
    const draws = back.kind === "pixelcnn" ? { rows, seed, temperature: temperature ?? 1, guidance } : {};
    return {
      json: { model: whole.name, step: whole.step, out, from: ends.names[0], to: ends.names[1], steps, ...draws, seconds },
      text:
        `${counted(steps, "step")} from ${ends.names[0]} to ${ends.names[1]} in ${seconds.toFixed(1)} s` +
        `${drawnBy(back.kind === "pixelcnn" ? seed : undefined)}: ${out}`,
    };
  },
});

interface Ends {
  readonly codes: readonly [Float32Array, Float32Array];
  readonly names: readonly [string, string];
  /** Both images; null between classes. */
  readonly pixels: Uint8Array | null;
  /** Whether codes have length one, and so have those between them. */
  readonly round: boolean;
}

async function endsOf(
  { from, to }: { readonly from?: string | undefined; readonly to?: string | undefined },
  words: readonly string[],
  whole: OpenedModel,
  back: CodeImages,
  { threads, signal, terminal }: Pick<CommandContext, "signal" | "terminal"> & { readonly threads: number },
): Promise<Ends> {
  const condition = back.kind === "pixelcnn" ? back.model.config.condition : null;
  const byClass = from !== undefined || to !== undefined;
  if (byClass && words.length > 0) fail("usage", "expected two images, or --from C and --to C, but received both");
  if (condition?.kind === "class") {
    const received = byClass ? `--${from === undefined ? "to" : "from"} alone` : words.length > 0 ? "images" : "neither";
    if (from === undefined || to === undefined)
      return fail(
        "usage",
        `expected --from C and --to C for ${whole.name}, which is conditioned on ${describeCondition(condition)}, but received ${received}`,
      );
    const end = (word: string, text: string): Float32Array => {
      const [first, ...others] = readClasses(text, condition.classes);
      if (others.length > 0)
        fail("usage", `expected one class for --${word} but received ${others.length + 1}: ${JSON.stringify(text)}`);
      return conditionNumbers(condition, first!.value);
    };
    return { codes: [end("from", from), end("to", to)], names: [from, to], pixels: null, round: false };
  }
  const encoder = await expectCodes(whole);
  if (byClass)
    fail(
      "usage",
      `expected two images to go between, since ${whole.name} is no model of classes, but received --${from === undefined ? "to" : "from"}`,
    );
  if (words.length === 0)
    fail("usage", "expected two images to go between, files or some of a data set (mnist:test:3,18), but received none");
  const images = await readImages(words, whole.run, (text) => terminal.warn(text));
  if (images.names.length !== 2)
    fail(
      "usage",
      `expected two images to go between but received ${images.names.length}: ${images.names.slice(0, 8).join(", ")}`,
    );
  const [a, b] = await codesEach(encoder, asDataset(images, whole.config), { threads, signal });
  return {
    codes: [a!, b!],
    names: [images.names[0]!, images.names[1]!],
    pixels: images.pixels,
    round: encoder.kind === "embedding",
  };
}

type Between = (a: Float32Array, b: Float32Array, t: number) => Float32Array;

const onLine: Between = (a, b, t) => a.map((x, i) => (1 - t) * x + t * b[i]!);

/** Between vectors of length one, by the shorter arc, so that each is one too; a line inside the sphere would be codes that no image has. */
const onGreatCircle: Between = (a, b, t) => {
  const length = (of: (i: number) => number): number => Math.sqrt(a.reduce((sum, _, i) => sum + of(i) ** 2, 0));
  // Not the arc cosine, which loses half the digits where the two are near.
  const angle =
    2 *
    Math.atan2(
      length((i) => a[i]! - b[i]!),
      length((i) => a[i]! + b[i]!),
    );
  // One point, or two that are opposite and have no shorter arc.
  if (Math.sin(angle) < 1e-6) return onLine(a, b, t);
  const [p, q] = [Math.sin((1 - t) * angle) / Math.sin(angle), Math.sin(t * angle) / Math.sin(angle)];
  return a.map((x, i) => p * x + q * b[i]!);
};

interface Columns {
  readonly rows: number;
  readonly seed: number;
  readonly temperature: number | undefined;
  readonly guidance: number | undefined;
  readonly threads: number | undefined;
  readonly signal: AbortSignal;
  onProgress(done: number, all: number): void;
}

/** Images [columns, rows, H, W, C]. Each column is drawn as if alone, so that row r of every column has the r-th image's draws of the seed. */
async function drawColumns(
  model: Model<PixelcnnConfig>,
  conditions: readonly Exclude<ConditionValue, null>[],
  { rows, threads = 0, onProgress, ...how }: Columns,
): Promise<Uint8Array> {
  const { height, width, channels } = model.config;
  const size = rows * height * width * channels;
  const columns = new Uint8Array(conditions.length * size);
  const engine = createEngine(model, { threads });
  let done = 0;
  const draw = async (value: Exclude<ConditionValue, null>, k: number): Promise<void> => {
    let before = 0;
    const column = await engine.sample({
      ...{ ...how, count: rows, height, width, conditions: value },
      onProgress(progress) {
        done += progress.done - before;
        before = progress.done;
        onProgress(done, conditions.length * rows * height);
      },
    });
    columns.set(column.pixels, k * size);
  };
  try {
    if (threads > 1) await Promise.all(conditions.map(draw));
    else for (const [k, value] of conditions.entries()) await draw(value, k);
    return columns;
  } finally {
    await engine.close();
  }
}
