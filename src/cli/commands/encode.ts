/** `pixelcnn encode`: what a model's encoder makes of images, as a file for other programs, for `--latent` and for `train --condition vectors:F.npy`. */

import { existsSync } from "node:fs";
import { stat } from "node:fs/promises";
import { extname } from "node:path";
import { type Dataset, subset } from "../../data/dataset.ts";
import { isImageName } from "../../data/folder.ts";
import { namedSets } from "../../data/named.ts";
import { writeNpy } from "../../data/npy.ts";
import { labelsOf } from "../../data/split-by-class.ts";
import { fail } from "../../errors.ts";
import { didYouMean } from "../../nearest.ts";
import { asDataset, expectCodes, type ImageCodes } from "../../runs/latent-model.ts";
import { type ForModel, openForModel } from "../../runs/model-data.ts";
import { indicesOf, readImages } from "../../runs/model-images.ts";
import { openModel } from "../../runs/open-model.ts";
import { writeWhole } from "../../runs/run-folder.ts";
import type { RunConfig } from "../../train/config.ts";
import { counted } from "../../words.ts";
import { numberOption } from "../options/number-option.ts";
import { defineCommand } from "../run-command.ts";

interface Encoded {
  readonly model: string;
  readonly shape: readonly number[];
  readonly names: readonly string[];
  /** Names of classes; undefined where an image has none. */
  readonly labels: readonly (string | undefined)[];
  /** [N, ...shape] */
  readonly codes: Float32Array;
}

const FORMATS: Readonly<Record<string, (encoded: Encoded) => string | Uint8Array>> = {
  ".json": asJson,
  ".csv": asCsv,
  ".npy": ({ shape, names, codes }) => writeNpy([names.length, ...shape], codes),
};

export default defineCommand({
  name: "encode",
  summary: "Latents or embeddings of images, as JSON, CSV or .npy",
  args: {
    model: {
      type: "positional",
      required: true,
      description:
        "An auto-encoder, an embedder, or a model conditioned through an encoder of its own: a folder, or a shipped name",
    },
    images: {
      type: "positional",
      required: true,
      description:
        "Image files of the model's size; folders, named sets and other data, or some of them: mnist:test, mnist:test:0-99; fitted as the model's own data were",
    },
    out: {
      type: "string",
      alias: "o",
      valueHint: "F",
      description: "The file to write, by its ending: .json, .csv (name, numbers) or .npy (float32, a row an image)",
    },
    split: {
      type: "string",
      valueHint: "S",
      default: "all",
      description: "test, train or all, of data that do not say; all has the order that --condition vectors:F.npy expects",
    },
    limit: { type: "string", valueHint: "N", description: "Only the first N images" },
    threads: { type: "string", valueHint: "T", description: "CPU threads; default one a core" },
  },
  many: true,
  examples: [
    "encode runs/latents mnist:test:0-99 -o codes.csv",
    "encode runs/faces people/ -o embeddings.npy",
    "encode runs/latents seven.png -o seven.json",
  ],
  async run(args, { terminal, signal, seed, positionals }) {
    const out = args.out ?? fail("usage", "expected -o F, the file to write (.json, .csv or .npy), but received none");
    const write = writerOf(out);
    const limit = numberOption("limit", args.limit, { min: 1 });
    const threads = numberOption("threads", args.threads, { min: 1, max: 1024 });
    const model = await openModel(args.model);
    const encoder = await expectCodes(model);
    const started = performance.now();
    const tell = (text: string): void => terminal.warn(text);
    const parts = await openParts(positionals.slice(1), model.run, { split: args.split, seed, limit, tell });
    let encoded: Encoded;
    try {
      encoded = await encodeParts(encoder, parts, model.name, {
        threads,
        signal,
        onProgress: terminal.counter("encoding", "images"),
      });
    } finally {
      await closeAll(parts);
    }
    terminal.endProgress();
    await writeWhole(out, write(encoded));
    const { kind, shape } = encoder;
    const size = shape.reduce((a, b) => a * b, 1);
    const images = encoded.names.length;
    const seconds = (performance.now() - started) / 1000;
    return {
      json: { model: model.name, step: model.step, out, images, kind, size, seconds },
      text: `${counted(images, "image")} in ${seconds.toFixed(1)} s, ${WORDS[kind](size)}: ${out}`,
    };
  },
});

const WORDS: Readonly<Record<ImageCodes["kind"], (size: number) => string>> = {
  latents: (size) => `${counted(size, "latent")} each`,
  embedding: (size) => `an embedding of ${counted(size, "number")} each`,
  thumbnail: (size) => `a thumbnail of ${counted(size, "number")} each`,
};

function writerOf(out: string): (encoded: Encoded) => string | Uint8Array {
  const ending = extname(out).toLowerCase();
  const endings = Object.keys(FORMATS);
  const received = ending === "" ? JSON.stringify(out) : JSON.stringify(ending);
  return (
    FORMATS[ending] ??
    fail("usage", `expected a file ending with .json, .csv or .npy for -o but received ${received}${didYouMean(ending, endings)}`)
  );
}

/** `mnist:train`, `mnist:test:0-7`, `folder:all:3`. */
const SOME = /^(.+?):(train|test|all)(?::([\d,-]+))?$/;

type Rules = Pick<ForModel, "split" | "seed" | "tell"> & { readonly limit: number | undefined };

/** The words as data sets of the model's kind of image, at most `limit` images in all. Image files that follow each other are one. */
async function openParts(words: readonly string[], config: RunConfig, { limit, ...rules }: Rules): Promise<Dataset[]> {
  const parts: Dataset[] = [];
  let left = limit ?? Number.POSITIVE_INFINITY;
  const add = (data: Dataset): void => {
    parts.push(left < data.length ? subset(data, { to: left }) : data);
    left -= Math.min(left, data.length);
  };
  try {
    for (let i = 0; i < words.length && left > 0; ) {
      const files = await filesFrom(words, i);
      if (files.length === 0) add(await openData(words[i]!, config, rules));
      else add(asDataset(await readImages(files.slice(0, left), config, rules.tell), config.model));
      i += Math.max(1, files.length);
    }
    return parts;
  } catch (error) {
    await closeAll(parts);
    throw error;
  }
}

async function openData(word: string, config: RunConfig, rules: Omit<Rules, "limit">): Promise<Dataset> {
  const [, source, split, numbers] = (existsSync(word) ? null : SOME.exec(word)) ?? [];
  if (source === undefined && !existsSync(word) && !namedSets.includes(word)) {
    return fail(
      "io",
      `expected an image, a folder, a named set (${namedSets.join(", ")}), or some of one such as mnist:test:0-99, but received ${JSON.stringify(word)}, and there is no such file`,
    );
  }
  const data = await openForModel(config, { ...rules, source: source ?? word, split: split ?? rules.split });
  if (numbers === undefined) return data;
  try {
    return subset(data, indicesOf(numbers, word, data.length));
  } catch (error) {
    await data.close?.();
    throw error;
  }
}

/** The image files at `first` and behind it, up to what is none. */
async function filesFrom(words: readonly string[], first: number): Promise<string[]> {
  const files: string[] = [];
  for (const word of words.slice(first)) {
    const isFile = isImageName(word) && (await stat(word).catch(() => null))?.isFile();
    // An atlas is an image too, but many in one.
    if (!isFile || existsSync(word.replace(/png$/, "jsonl"))) break;
    files.push(word);
  }
  return files;
}

async function closeAll(parts: readonly Dataset[]): Promise<void> {
  await Promise.all(parts.map((part) => part.close?.()));
}

interface How {
  readonly threads: number | undefined;
  readonly signal: AbortSignal;
  onProgress(done: number, all: number): void;
}

async function encodeParts(encoder: ImageCodes, parts: readonly Dataset[], model: string, how: How): Promise<Encoded> {
  const { shape } = encoder;
  const m = shape.reduce((a, b) => a * b, 1);
  const count = parts.reduce((sum, part) => sum + part.length, 0);
  const names: string[] = [];
  const labels: (string | undefined)[] = [];
  const codes = new Float32Array(count * m);
  for (const part of parts) {
    const from = names.length;
    const onProgress = (done: number): void => how.onProgress(from + done, count);
    codes.set(await encoder.of(part, { ...how, onProgress }), from * m);
    const numbers = await labelsOf(part);
    numbers.forEach((label, i) => {
      names.push(part.nameOf(i));
      labels.push(label < 0 ? undefined : (part.classes?.[label] ?? String(label)));
    });
  }
  return { model, shape, names, labels, codes };
}

/** Nine digits say a float32 without loss. */
const digits = (value: number): number => Number(value.toPrecision(9));

function rowsOf({ names, codes }: Encoded): number[][] {
  const m = codes.length / names.length;
  return names.map((_, i) => Array.from(codes.subarray(i * m, (i + 1) * m), digits));
}

function asJson(encoded: Encoded): string {
  const { model, names, labels } = encoded;
  const rows = rowsOf(encoded).map((code, i) => JSON.stringify({ name: names[i], label: labels[i], code }));
  return `{"model":${JSON.stringify(model)},"codes":[\n${rows.join(",\n")}\n]}\n`;
}

function asCsv(encoded: Encoded): string {
  const cell = (text: string): string => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const rows = rowsOf(encoded);
  const heading = ["name", ...(rows[0] ?? []).keys()].join(",");
  return `${[heading, ...rows.map((code, i) => [cell(encoded.names[i]!), ...code].join(","))].join("\n")}\n`;
}
