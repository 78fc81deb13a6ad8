/**
 * `pixelcnn interpolate`: images under the codes on the way from one image's code to another's, or between two classes.
 * Along a row of the picture every draw is the same, so that only the code differs, as in the figure of van den Oord et
 * al. 2016; the images themselves stand at both ends.
 */

import { fail } from "../../errors.ts";
import { gridPng, picturesOf } from "../../pictures/grid.ts";
import { codesBetween, drawColumns, readEnds } from "../../runs/interpolation.ts";
import { asGreys, imagesOf } from "../../runs/latent-model.ts";
import { openModel } from "../../runs/open-model.ts";
import { writeOutput } from "../../runs/output.ts";
import { counted } from "../../words.ts";
import { drawingArgs, drawnBy, readDrawing, refuseDrawing } from "../options/drawing.ts";
import { numberOption } from "../options/number-option.ts";
import { checkOption, forceArg } from "../options/output.ts";
import { defineCommand } from "../run-command.ts";

/** Rows of a picture when --rows is not given. */
const ROWS = 1;

export default defineCommand({
  name: "interpolate",
  summary: "Images on the way between two images, or two classes",
  args: {
    model: {
      type: "positional",
      required: true,
      description:
        "An auto-encoder, a model conditioned through an encoder of its own, or a model of classes: a folder, or " +
        "a shipped name",
    },
    images: {
      type: "positional",
      required: false,
      description:
        "Two images: files of the model's size, or of a data set: mnist:test:3,18; they stand at the ends of each row",
    },
    out: { type: "string", alias: "o", valueHint: "F.png", description: "The picture to write" },
    ...forceArg,
    from: {
      type: "string",
      valueHint: "C",
      description: "Of a model of classes, instead of the first image: a class, by name",
    },
    to: { type: "string", valueHint: "C", description: "The class at the other end" },
    steps: { type: "string", valueHint: "K", default: "8", description: "Codes on the way, both ends included" },
    rows: {
      type: "string",
      valueHint: "R",
      description: `Rows of the picture; along one, only the code differs, each has draws of its own; default ${ROWS}`,
    },
    ...drawingArgs,
  },
  many: true,
  examples: [
    "interpolate runs/latents mnist:test:3,18 -o between.png",
    "interpolate runs/portraits anna.png ben.png --steps 10 --rows 3 -o faces.png",
    "interpolate runs/classes --from 3 --to 8 -o three-to-eight.png",
  ],
  async run(args, { terminal, signal, seed = 1, positionals, keepStdout }) {
    const steps = numberOption("steps", args.steps, { min: 2, max: 1000 })!;
    const wanted = numberOption("rows", args.rows, { min: 1, max: 1000 });
    const { temperature, guidance, scale, threads } = readDrawing(args);
    const out = args.out ?? fail("usage", "expected -o F.png, the picture to write, but received none");
    const rules = { option: "-o", inputs: positionals, force: args.force };
    checkOption(out, rules, { keepStdout });
    const whole = await openModel(args.model);
    const back = imagesOf(whole);
    const { config: model } = whole;
    if (back.kind === "deconvolution")
      refuseDrawing(whole, { "--rows": args.rows, "--temperature": args.temperature, "--guidance": args.guidance });
    const started = performance.now();
    const words = { images: positionals.slice(1), from: args.from, to: args.to };
    const ends = await readEnds(whole, back, { ...words, threads: threads ?? 1, signal, tell: terminal.warn });
    const codes = codesBetween(ends, steps);

    const rows = wanted ?? ROWS;
    const onProgress = terminal.counter("sampling", "rows");
    const how = { rows, seed, temperature, guidance, threads, signal };
    const drawn =
      back.kind === "deconvolution"
        ? { ...model, levels: 256, pixels: asGreys(await back.of(codes, { threads: threads ?? 1, signal }), model) }
        : { ...model, pixels: await drawColumns(back.model, codes, { ...how, onProgress }) };
    terminal.endProgress();
    const originals = ends.pixels ? picturesOf({ ...model, pixels: ends.pixels }) : [];
    // Column after column, as they were drawn.
    const columns = picturesOf(drawn);
    const cells = Array.from({ length: rows }, (_, row) => [
      ...originals.slice(0, 1),
      ...codes.map((_, k) => columns[k * rows + row]!),
      ...originals.slice(1),
    ]).flat();
    await writeOutput(out, gridPng({ cells, columns: cells.length / rows, scale }));
    const seconds = (performance.now() - started) / 1000;
    const draws = back.kind === "pixelcnn" ? { rows, seed, temperature: temperature ?? 1, guidance } : {};
    return {
      json: {
        model: whole.name,
        step: whole.step,
        out,
        from: ends.names[0],
        to: ends.names[1],
        steps,
        ...draws,
        seconds,
      },
      text:
        `${counted(steps, "step")} from ${ends.names[0]} to ${ends.names[1]} in ${seconds.toFixed(1)} s` +
        `${drawnBy(back.kind === "pixelcnn" ? seed : undefined)}: ${out}`,
    };
  },
});
