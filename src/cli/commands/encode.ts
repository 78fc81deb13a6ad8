/**
 * `pixelcnn encode`: what a model's encoder makes of images, as a file for other programs, for `--latent` and for
 * `train --condition vectors:F.npy`.
 */

import { fail } from "../../errors.ts";
import { codesWriter, encodeWords } from "../../runs/image-codes.ts";
import { expectCodes, type ImageCodes } from "../../runs/latent-model.ts";
import { openModel } from "../../runs/open-model.ts";
import { writeOutput } from "../../runs/output.ts";
import { counted } from "../../words.ts";
import { fitArg, onBrokenArg, readFitting } from "../options/fitting.ts";
import { numberOption } from "../options/number-option.ts";
import { checkOption, forceArg } from "../options/output.ts";
import { defineCommand } from "../run-command.ts";
import { imageProgress } from "../terminal.ts";

export default defineCommand({
  name: "encode",
  summary: "Latents or embeddings of images, as JSON, CSV or .npy",
  args: {
    model: {
      type: "positional",
      required: true,
      description:
        "An auto-encoder, an embedder, or a model conditioned through an encoder of its own: a folder, or a " +
        "shipped name",
    },
    images: {
      type: "positional",
      required: true,
      description:
        "Image files of the model's size; folders, named sets and other data, or some of them: mnist:test, " +
        "mnist:test:0-99",
    },
    out: {
      type: "string",
      alias: "o",
      valueHint: "F",
      description:
        "The file to write, by its ending: .json, .csv (name, numbers) or .npy (float32, a row an image); - writes " +
        "JSON to the standard output",
    },
    ...forceArg,
    split: {
      type: "string",
      valueHint: "S",
      default: "all",
      description:
        "test, train or all, of data that do not say; all has the order that --condition vectors:F.npy expects",
    },
    limit: { type: "string", valueHint: "N", description: "Only the first N images" },
    ...fitArg,
    ...onBrokenArg,
    threads: { type: "string", valueHint: "T", description: "CPU threads; default one a core" },
  },
  many: true,
  examples: [
    "encode runs/latents mnist:test:0-99 -o codes.csv",
    "encode runs/faces people/ -o embeddings.npy",
    "encode runs/latents seven.png -o seven.json",
  ],
  async run(args, { terminal, signal, seed, positionals, keepStdout }) {
    const out = args.out ?? fail("usage", "expected -o F, the file to write (.json, .csv or .npy), but received none");
    const rules = { option: "-o", inputs: positionals, force: args.force };
    checkOption(out, rules, { keepStdout });
    const write = codesWriter(out);
    const limit = numberOption("limit", args.limit, { min: 1 });
    const threads = numberOption("threads", args.threads, { min: 1, max: 1024 });
    const model = await openModel(args.model);
    const encoder = await expectCodes(model);
    const started = performance.now();
    const onProgress = imageProgress(terminal, "encoding");
    const fitting = readFitting(args, terminal);
    const options = { split: args.split, seed, limit, threads, signal, ...fitting.rules, onProgress };
    const encoded = await encodeWords(positionals.slice(1), model, encoder, options);
    terminal.endProgress();
    await writeOutput(out, write(encoded));
    const { kind, shape } = encoder;
    const size = shape.reduce((a, b) => a * b, 1);
    const images = encoded.names.length;
    const seconds = (performance.now() - started) / 1000;
    return {
      code: fitting.code(),
      json: { model: model.name, step: model.step, out, images, skipped: fitting.skipped(), kind, size, seconds },
      text: `${counted(images, "image")} in ${seconds.toFixed(1)} s, ${WORDS[kind](size)}: ${out}`,
    };
  },
});

const WORDS: Readonly<Record<ImageCodes["kind"], (size: number) => string>> = {
  latents: (size) => `${counted(size, "latent")} each`,
  embedding: (size) => `an embedding of ${counted(size, "number")} each`,
  thumbnail: (size) => `a thumbnail of ${counted(size, "number")} each`,
};
