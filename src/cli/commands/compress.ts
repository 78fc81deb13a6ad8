/**
 * `pixelcnn compress`: images to a .pxc archive, or to files of one image each. Without loss: what the model has no levels or channels for is
 * refused, unless the user gives levels up. Pixels, names and labels are kept, and what a model with a condition was told; other metadata are not.
 */

import { existsSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { nameRuns, writeNotes } from "../../codec/archive-notes.ts";
import { type CodecImage, type CodecProgress, encodeImages, encodeSingle } from "../../codec/codec.ts";
import { openPxc, readGroup, readSingleImage } from "../../codec/container.ts";
import { conditionsLength } from "../../codec/group-conditions.ts";
import { type GroupRecord, MOST_IMAGES_A_GROUP } from "../../codec/group-record.ts";
import { evenTable, type LevelTable } from "../../codec/level-table.ts";
import { groupKey } from "../../codec/plan-groups.ts";
import { safeNames } from "../../codec/safe-names.ts";
import { fail } from "../../errors.ts";
import { type CodingModel, modelHint, openCodingModel } from "../../runs/archive-model.ts";
import { conditionArgs } from "../../runs/asked-conditions.ts";
import { makeFolder, writeWhole } from "../../runs/run-folder.ts";
import { openSourceConditions, type SourceConditions } from "../../runs/source-conditions.ts";
import { openSourceImages, type SourceImage, type SourceImages } from "../../runs/source-images.ts";
import { counted } from "../../words.ts";
import { numberOption } from "../options/number-option.ts";
import { defineCommand } from "../run-command.ts";
import type { Terminal } from "../terminal.ts";

export default defineCommand({
  name: "compress",
  summary: "Lossless compression of images with a model, into a .pxc archive",
  args: {
    model: { type: "positional", required: true, description: "A run or model folder, or the name of a shipped model" },
    images: {
      type: "positional",
      required: true,
      description:
        "Image files and folders, of any size; named sets and other data, or some of them: mnist:test:0-99. Pixels, names and labels are kept, profiles and EXIF are not",
    },
    out: {
      type: "string",
      alias: "o",
      valueHint: "F.pxc",
      description: "The archive to write; with --single and several images, a folder",
    },
    ...conditionArgs,
    split: { type: "string", valueHint: "S", default: "test", description: "test, train or all, of data that do not say" },
    limit: { type: "string", valueHint: "N", description: "Only the first N images" },
    single: {
      type: "boolean",
      description: "A file an image, with the smallest header: it keeps no name, no label, and no values but the even ones",
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
        "NOT lossless: an image of more values than the model has levels is taken to the nearest (two levels: a threshold at 127), and comes back as those",
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
    "compress runs/digits mnist -o digits.pxc",
    "compress runs/photos holiday.png album/ -o photos.pxc --threads 4",
    "compress runs/digits mnist:test:0-99 --single -o digits/",
    "compress runs/classes cats/ --class cat -o cats.pxc",
  ],
  async run(args, { terminal, signal, seed, positionals }) {
    const limit = numberOption("limit", args.limit, { min: 1 });
    const threads = numberOption("threads", args.threads, { min: 1, max: 1024 }) ?? 1;
    const groupSize = numberOption("group", args.group, { min: 1, max: MOST_IMAGES_A_GROUP });
    const pixelBudget = numberOption("pixel-budget", args["pixel-budget"], { min: 1, max: 2 ** 31 });
    const out = args.out ?? fail("usage", "expected -o F.pxc, the archive to write, but received none");
    const lossy = args["lossy-levels"] === true;
    const model = await openCodingModel(args.model, threads);
    try {
      const started = performance.now();
      const { levels, channels } = model.predictor;
      const conditions = await openSourceConditions(args, model, (text) => terminal.warn(text));
      const sources = await openSourceImages(positionals.slice(1), model.run, {
        ...{ split: args.split, seed, limit, ownLevels: lossy, strict: !lossy, conditionedOn: conditions?.from, terminal },
      });
      let images: Prepared;
      try {
        images = await prepare(sources, conditions, { levels, lossy, single: args.single === true });
      } finally {
        await sources.close();
      }
      const { tables, rounded } = images;
      // Numbered names cost nothing in the notes. They go by the archive's order, which images of several kinds change.
      const ordered = new Set(images.coded.map(groupKey)).size === 1;
      const numbered = args.bare || !ordered ? undefined : nameRuns(images.coded.map(({ name }) => name!));
      // A class that an image is conditioned on is in the archive already.
      const labelled = !args.bare && images.coded.some(({ label }) => label !== undefined);
      const labelsAreConditions = labelled && images.coded.every(({ label, condition }) => label === condition);
      const coded = images.coded.map((image) => ({
        ...image,
        name: (numbered || args.bare) && !args.single ? undefined : image.name,
        label: args.bare || labelsAreConditions ? undefined : image.label,
      }));
      const even = evenTable(levels);
      const restored = tables.filter((table) => table.some((value, level) => value !== even[level])).length;
      if (restored > 0) {
        const usual = `${even.slice(0, 4).join(", ")}${levels > 4 ? ", ..." : ""}`;
        terminal.note(
          `${counted(restored, "image")} of other values than ${usual}: the archive's notes keep them, so they come back`,
        );
      }
      if (rounded > 0) {
        const how = levels === 2 ? "a threshold at 127" : `the nearest of ${levels} levels`;
        terminal.warn(`${counted(rounded, "image")} of more than ${levels} values: NOT lossless, they are taken to ${how}`);
      }
      const options = { ...{ signal, pixelBudget, threads: model.groups }, onProgress: progressOf(terminal, "compressing") };
      const files = args.single
        ? await writeSingles(model, coded, out, options)
        : await writeArchive(model, coded, out, {
            ...{ ...options, groupSize },
            notes: writeNotes({
              ...{ model: modelHint(model.name), levels, tables, names: numbered, lossy: rounded > 0, labelsAreConditions },
              classes: args.bare ? null : sources.classes,
            }),
          });
      terminal.endProgress();
      const dims = coded.reduce((sum, { pixels }) => sum + pixels.length, 0);
      const bits = Math.ceil(Math.log2(levels));
      const raw = coded.reduce((sum, { pixels }) => sum + Math.ceil((pixels.length * bits) / 8), 0);
      const bitsPerDim = (8 * files.bytes) / dims;
      const seconds = (performance.now() - started) / 1000;
      const told = conditions && {
        of: conditions.about,
        images: coded.filter(({ condition }) => condition !== undefined).length,
        bytes: files.conditions,
      };
      if (told && told.bytes > files.payload)
        terminal.note("the conditions take more bytes than the images: --unconditional, or one for all images, may cost less");
      const where = args.single && coded.length > 1 ? `${counted(coded.length, "file")} in ${out}` : out;
      return {
        json: {
          ...{ model: model.name, step: model.step, out, images: coded.length, bytes: files.bytes, payload: files.payload },
          ...{ dims, bitsPerDim, raw, channels, levels, lossy: rounded > 0, quantised: rounded, restored, seconds },
          conditions: told,
        },
        text:
          `${counted(coded.length, "image")} in ${seconds.toFixed(1)} s: ${where}\n` +
          `${files.bytes} bytes, ${bitsPerDim.toFixed(4)} bits/dim (8 x file size / ${dims} dims); ` +
          `raw, at ${counted(bits, "bit")} a sub-pixel, ${raw} bytes: ${(raw / files.bytes).toFixed(2)} times as many` +
          (told ? `\nconditions: ${told.of}; ${told.bytes} of the bytes, for ${counted(told.images, "image")}` : ""),
      };
    } finally {
      await model.close();
    }
  },
});

interface Prepared {
  readonly coded: CodecImage[];
  readonly tables: LevelTable[];
  /** Images that lose something. */
  readonly rounded: number;
}

interface PrepareOptions {
  readonly levels: number;
  readonly lossy: boolean;
  readonly single: boolean;
}

async function prepare(
  sources: SourceImages,
  conditions: SourceConditions | null,
  { levels, lossy, single }: PrepareOptions,
): Promise<Prepared> {
  const even = JSON.stringify(evenTable(levels));
  const images: SourceImage[] = [];
  conditions?.checkCount(sources.length);
  for await (const image of sources.read()) {
    const { file, table, exact } = image;
    conditions?.check(image);
    if (!exact && !lossy) {
      fail(
        "data",
        `expected at most ${levels} different values in ${file}, since the model codes ${levels} levels, but received more: ` +
          "to give them up (the nearest levels come back, not the image as it is), say --lossy-levels",
      );
    }
    if (single && exact && JSON.stringify(table) !== even) {
      fail(
        "data",
        `expected the values ${evenTable(levels).slice(0, 4).join(", ")}${levels > 4 ? ", ..." : ""} in ${file}, since a file of one image has no room to say which others, ` +
          "but received others: leave out --single",
      );
    }
    images.push(image);
  }
  const values = await conditions?.of(images, 0);
  return {
    coded: images.map(({ name, label, height, width, pixels }, i) => {
      return { name, label, height, width, pixels, condition: values?.[i] ?? undefined };
    }),
    tables: images.map(({ table }) => table),
    rounded: images.filter(({ exact }) => !exact).length,
  };
}

interface Written {
  readonly bytes: number;
  /** Bytes of the coded images alone. */
  readonly payload: number;
  /** Bytes of what the model was told of them. */
  readonly conditions: number;
}

function sizesOf(bytes: number, groups: readonly GroupRecord[]): Written {
  const sum = (sizeOf: (group: GroupRecord) => number): number => groups.reduce((all, group) => all + sizeOf(group), 0);
  return {
    bytes,
    payload: sum(({ payload }) => payload.length),
    conditions: sum(({ conditions }) => conditionsLength(conditions)),
  };
}

type Options = Parameters<typeof encodeImages>[2] & {};

async function writeArchive(
  { predictor }: CodingModel,
  images: readonly CodecImage[],
  out: string,
  options: Options,
): Promise<Written> {
  const bytes = await encodeImages(predictor, images, options);
  await writeWhole(out, bytes);
  const file = openPxc(bytes);
  if (file.kind !== "archive") return fail("internal", "expected an archive but wrote a file of one image");
  return sizesOf(
    bytes.length,
    file.groups.map((_, index) => readGroup(file, index, { pixelBudget: options.pixelBudget })),
  );
}

/** One image goes to the file `out`; several into the folder `out`. */
async function writeSingles(
  { predictor }: CodingModel,
  images: readonly CodecImage[],
  out: string,
  { onProgress, pixelBudget = 2 ** 24, ...options }: Options,
): Promise<Written> {
  const folder = images.length > 1 || (existsSync(out) && statSync(out).isDirectory());
  if (folder && existsSync(out) && !statSync(out).isDirectory())
    fail("usage", `expected a folder for the files of ${images.length} images, one each, but ${out} is a file`);
  const names = safeNames(images.map(({ name }) => `${name?.replace(/\.\w{1,5}$/, "")}.pxc`));
  let bytes = 0;
  const written: GroupRecord[] = [];
  for (const [i, image] of images.entries()) {
    const file = await encodeSingle(predictor, image, { ...options, pixelBudget });
    const path = folder ? join(out, names[i]!) : out;
    if (folder) await makeFolder(dirname(path));
    await writeWhole(path, file);
    bytes += file.length;
    written.push(readSingleImage(file, { ...predictor, pixelBudget }));
    onProgress?.({ images: i, count: 1, totalImages: images.length, row: 1, rows: 1 });
  }
  return sizesOf(bytes, written);
}

/** A progress line over groups that may be worked on side by side. */
export function progressOf(terminal: Terminal, label: string): (progress: CodecProgress) => void {
  const show = terminal.counter(label, "images");
  const groups = new Map<number, number>();
  let done = 0;
  return ({ images, count, totalImages, row, rows }) => {
    const now = (count * row) / rows;
    done += now - (groups.get(images) ?? 0);
    groups.set(images, now);
    show(Math.floor(done + 1e-6), totalImages);
  };
}
