/**
 * `pixelcnn reconstruct`: what is left of images in their codes. A row of the picture: the image, what a deconvolution
 * trained on squared error makes of its latents (the baseline, or the model itself), and samples of p(x | h), as in the
 * figure of van den Oord et al. 2016.
 */

import { fail } from "../../errors.ts";
import { familyName } from "../../models/families.ts";
import { gridPng, picturesOf } from "../../pictures/grid.ts";
import { drawSamples } from "../../runs/draw-samples.ts";
import { asDataset, asGreys, codesEach, expectCodes, imagesOf } from "../../runs/latent-model.ts";
import { readImages } from "../../runs/model-images.ts";
import { openModel } from "../../runs/open-model.ts";
import { writeOutput } from "../../runs/output.ts";
import { openBaseline, reconstruct, squaredErrors } from "../../runs/reconstruction.ts";
import { counted } from "../../words.ts";
import { drawingArgs, drawnBy, readDrawing, refuseDrawing } from "../options/drawing.ts";
import { fitArg, onBrokenArg, readFitting } from "../options/fitting.ts";
import { numberOption } from "../options/number-option.ts";
import { checkOption, forceArg } from "../options/output.ts";
import { defineCommand } from "../run-command.ts";

/** Samples per image when -n is not given. */
const SAMPLES = 4;

export default defineCommand({
  name: "reconstruct",
  summary: "Images beside what their codes give back: the original, squared error, samples",
  args: {
    model: {
      type: "positional",
      required: true,
      description: "An auto-encoder, or a model conditioned through an encoder of its own: a folder, or a shipped name",
    },
    images: {
      type: "positional",
      required: true,
      description: "Image files of the model's size, or images of a data set: mnist:test:0-7",
    },
    out: { type: "string", alias: "o", valueHint: "F.png", description: "The picture to write, a row an image" },
    ...forceArg,
    ...fitArg,
    ...onBrokenArg,
    baseline: {
      type: "string",
      valueHint: "MODEL",
      description: "A second auto-encoder, with a deconvolution decoder, whose reconstruction stands beside each image",
    },
    count: { type: "string", alias: "n", valueHint: "N", description: `Samples an image; default ${SAMPLES}` },
    ...drawingArgs,
  },
  many: true,
  examples: [
    "reconstruct runs/latents mnist:test:0-7 --baseline runs/blurred -o reconstructions.png",
    "reconstruct runs/portraits face.png -n 8 -o same-person.png",
  ],
  async run(args, { terminal, signal, seed = 1, positionals, keepStdout }) {
    const wanted = numberOption("count", args.count, { min: 1, max: 10_000 });
    const { temperature, guidance, scale, threads } = readDrawing(args);
    const out = args.out ?? fail("usage", "expected -o F.png, the picture to write, but received none");
    const rules = { option: "-o", inputs: [...positionals, args.baseline], force: args.force };
    checkOption(out, rules, { keepStdout });
    const whole = await openModel(args.model);
    const back = imagesOf(whole);
    const encoder = await expectCodes(whole);
    const { config: model } = whole;
    if (back.kind === "deconvolution") {
      refuseDrawing(whole, { "-n": args.count, "--temperature": args.temperature, "--guidance": args.guidance });
      if (args.baseline !== undefined)
        fail("usage", `expected no --baseline: ${whole.name} is ${familyName(model)}, which is a baseline itself`);
    }
    const baseline =
      back.kind === "deconvolution" ? whole : args.baseline && (await openBaseline(args.baseline, whole));
    const fitting = readFitting(args, terminal);
    const images = await readImages(positionals.slice(1), whole.run, fitting.rules);
    const data = asDataset(images, model);

    const started = performance.now();
    const blurred = baseline ? await reconstruct(baseline, data, { threads: threads ?? 1, signal }) : null;
    const count = back.kind === "deconvolution" ? 0 : (wanted ?? SAMPLES);
    let samples: Uint8Array | null = null;
    if (back.kind === "pixelcnn") {
      const codes = await codesEach(encoder, data, { threads: threads ?? 1, signal });
      samples = await drawSamples({
        model: back.model,
        count: count * codes.length,
        seed,
        temperature,
        guidance,
        conditions: codes.flatMap((code) => new Array<Float32Array>(count).fill(code)),
        threads,
        signal,
        onProgress: terminal.counter("sampling", "rows"),
      });
      terminal.endProgress();
    }

    const greys = blurred && picturesOf({ ...model, levels: 256, pixels: asGreys(blurred, model) });
    const drawn = samples && picturesOf({ ...model, pixels: samples });
    const cells = picturesOf({ ...model, pixels: images.pixels }).flatMap((original, i) => [
      original,
      ...(greys ? [greys[i]!] : []),
      ...(drawn?.slice(i * count, (i + 1) * count) ?? []),
    ]);
    await writeOutput(out, gridPng({ cells, columns: cells.length / images.names.length, scale }));
    const errors = blurred && squaredErrors(images.pixels, blurred, whole.config);
    const seconds = (performance.now() - started) / 1000;
    const columns = [
      "the image",
      ...(baseline ? [`squared error (${baseline.name})`] : []),
      ...(count > 0 ? [counted(count, "sample")] : []),
    ];
    return {
      code: fitting.code(),
      json: {
        skipped: fitting.skipped(),
        model: whole.name,
        step: whole.step,
        baseline: baseline ? baseline.name : undefined,
        out,
        images: images.names.map((name, i) => ({ name, squaredError: errors?.[i] })),
        ...(count > 0 ? { count, seed, temperature: temperature ?? 1, guidance } : {}),
        seconds,
      },
      text:
        `${counted(images.names.length, "image")} in ${seconds.toFixed(1)} ` +
        `s${drawnBy(count > 0 ? seed : undefined)}: ${out}\n` +
        `columns: ${columns.join(", ")}` +
        (errors
          ? `\nsquared error ${(errors.reduce((a, b) => a + b, 0) / errors.length).toFixed(2)} an image (x in -1 .. 1)`
          : ""),
    };
  },
});
