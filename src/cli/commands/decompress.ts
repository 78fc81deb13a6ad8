/**
 * `pixelcnn decompress`: the images of a .pxc archive as PNG files, under safe names, with the values that their sources had. With
 * --salvage a damaged archive gives back what is whole; with --list nothing is decoded and no model needed.
 */

import { existsSync, lstatSync } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { encode } from "fast-png";
import {
  conditionJson,
  conditionsIn,
  contentsOf,
  describeCondition,
  describeConditions,
  namesOf,
  wantedDigest,
} from "../../codec/archive-contents.ts";
import { type ArchiveNotes, labelOf, notedNames, readNotes, tablesOf } from "../../codec/archive-notes.ts";
import { type DecodedImage, decodeGroups, describeImage, within } from "../../codec/codec.ts";
import { openPxc, type PxcFile, readHeader } from "../../codec/container.ts";
import { hex } from "../../codec/digest.ts";
import { valuesOf } from "../../codec/level-table.ts";
import type { Condition } from "../../codec/predictor.ts";
import { safeNames } from "../../codec/safe-names.ts";
import { type LostImages, salvageArchive } from "../../codec/salvage.ts";
import { type Picture, toChannels, usesAlpha, usesColour } from "../../data/picture.ts";
import { fail, PixelcnnError } from "../../errors.ts";
import { type CodingModel, findCodingModel } from "../../runs/archive-model.ts";
import { makeFolder } from "../../runs/run-folder.ts";
import { counted } from "../../words.ts";
import { readArchive } from "../options/archive-file.ts";
import { numberOption } from "../options/number-option.ts";
import { defineCommand, type Outcome } from "../run-command.ts";
import type { Terminal } from "../terminal.ts";
import { progressOf } from "./compress.ts";

const LABELS = "labels.csv";

export default defineCommand({
  name: "decompress",
  summary: "Images out of a .pxc archive, as PNG files",
  args: {
    archive: { type: "positional", required: true, description: "A .pxc file" },
    out: { type: "string", alias: "o", valueHint: "DIR", description: "The folder to write to" },
    model: {
      type: "string",
      valueHint: "M",
      description:
        "The model that coded it; default: looked for among the shipped ones, and in the folder that the archive names",
    },
    list: { type: "boolean", description: "Only say what is in it; needs no model" },
    salvage: {
      type: "boolean",
      description: "Write what is whole of a damaged archive, and say what is lost (exit code 1 if anything is)",
    },
    force: { type: "boolean", description: "Replace files that exist" },
    threads: { type: "string", valueHint: "T", description: "CPU threads; default one. No pixel depends on it" },
    "pixel-budget": {
      type: "string",
      valueHint: "N",
      description: "Most sub-pixels of a group, so that no archive can fill the memory; default 2^24",
    },
  },
  examples: [
    "decompress digits.pxc -o digits/",
    "decompress digits.pxc --list",
    "decompress damaged.pxc -o saved/ --salvage --model runs/digits",
  ],
  async run(args, { terminal, signal }) {
    const threads = numberOption("threads", args.threads, { min: 1, max: 1024 }) ?? 1;
    const pixelBudget = numberOption("pixel-budget", args["pixel-budget"], { min: 1, max: 2 ** 31 });
    const { archive } = args;
    const bytes = await readArchive(archive);
    if (args.list) return listOf(archive, bytes, pixelBudget);
    const out = args.out ?? fail("usage", "expected -o DIR, the folder to write to, but received none");
    const started = performance.now();
    const file = args.salvage ? quietly(() => openPxc(bytes)) : within(archive, () => openPxc(bytes));
    const header = file?.kind === "archive" ? file.header : args.salvage ? quietly(() => readHeader(bytes)) : undefined;
    if (!file && !header && args.model === undefined) {
      fail(
        "corrupt",
        `expected the header of ${archive}, which says what model coded it, but it is damaged: say which with --model M`,
      );
    }
    const notes = readNotes(header?.notes ?? "");
    const wanted = file ? wantedDigest(file) : header ? hex(header.digest) : "";
    const model = await findCodingModel(wanted, { given: args.model, hint: notes?.model, archive, threads });
    try {
      const options = { ...{ signal, pixelBudget, threads: model.groups }, onProgress: progressOf(terminal, "decompressing") };
      const about = { archive, out, model: model.name, step: model.step };
      const names = file && namesOf(file, notes, archive);
      const asked = { model, force: args.force === true };
      let targets = new Targets(out, { ...asked, names: names ?? [], notes });
      await targets.check();
      if (args.salvage) {
        const { images, lost, problems } = await salvageArchive(model.predictor, bytes, options);
        // Which image is which is in the directory, and which values its levels had is in the header.
        const whole = header !== undefined && lost.every(({ last }) => last !== undefined);
        if (!whole && model.predictor.levels < 256 && (header === undefined || notes?.tables))
          terminal.warn("what values the levels stood for is lost: they are spread evenly over 0..255");
        targets = new Targets(out, { ...asked, names: names ?? foundNames(images, notes), notes: whole ? notes : null });
        for (const image of images) await targets.write(image);
        await targets.finish();
        terminal.endProgress();
        const named = lost.map((part) => ({ ...part, names: namesOfLost(part, file, names) }));
        return salvaged({ ...about, ...targets.written(started), lost: named, problems }, terminal);
      }
      try {
        for await (const group of decodeGroups(model.predictor, bytes, options))
          for (const image of group) await targets.write(image);
      } catch (error) {
        if (!(error instanceof PixelcnnError && error.kind === "corrupt")) throw error;
        const text = `${archive}: ${error.message}\n${counted(targets.count, "image")} before it are in ${out}; --salvage (with --force) writes all that is whole`;
        throw new PixelcnnError("corrupt", text, { cause: error });
      }
      await targets.finish();
      terminal.endProgress();
      if (notes?.lossy)
        terminal.warn(
          "some images had more values than the model has levels when they were compressed: they come back as the nearest levels, spread over 0..255",
        );
      const done = targets.written(started);
      return {
        json: { ...about, ...done, lossy: notes?.lossy === true },
        text: `${counted(done.images, "image")} in ${done.seconds.toFixed(1)} s: ${out}`,
      };
    } finally {
      await model.close();
    }
  },
});

interface TargetOptions {
  /** Safe names by index. */
  readonly names: readonly string[];
  readonly notes: ArchiveNotes | null;
  readonly model: CodingModel;
  readonly force: boolean;
}

interface WrittenImage {
  readonly file: string;
  readonly label?: number | undefined;
}

/** The files of an archive's images, in its folder. */
class Targets {
  readonly #folder: string;
  readonly #options: TargetOptions;
  readonly #files: readonly string[];
  readonly #tableOf: ReturnType<typeof tablesOf>;
  readonly #written = new Map<number, WrittenImage>();
  readonly #made = new Set<string>();

  constructor(folder: string, options: TargetOptions) {
    this.#folder = folder;
    this.#options = options;
    this.#files = pngNames(options.names);
    this.#tableOf = tablesOf(options.notes, options.model.predictor.levels);
  }

  get count(): number {
    return this.#written.size;
  }

  /** Refuses to replace what is there, before the long work. */
  async check(): Promise<void> {
    if (this.#options.force || !existsSync(this.#folder)) return;
    const there = [...this.#files, LABELS].filter((file) => lstatSync(join(this.#folder, file), { throwIfNoEntry: false }));
    if (there.length > 0) {
      const more = there.length > 1 ? ` and ${there.length - 1} more` : "";
      fail("io", `expected to write new files into ${this.#folder} but ${there[0]}${more} exist already; --force replaces them`);
    }
  }

  async write({ index, name, label, condition, height, width, pixels }: DecodedImage): Promise<void> {
    const { channels } = this.#options.model.predictor;
    if (channels !== 1 && channels !== 3 && channels !== 4)
      return fail("usage", `expected a model of 1, 3 or 4 channels to write PNG files but it has ${channels}`);
    const file = this.#files[index]!;
    const values = valuesOf(pixels, this.#tableOf(index), name);
    await this.#save(file, pngOf({ height, width, channels, pixels: values }));
    this.#written.set(index, { file, label: labelOf(this.#options.notes, { label, condition }) });
  }

  /** Writes the labels, if there are any. */
  async finish(): Promise<void> {
    const images = this.#images();
    if (images.every(({ label }) => label === undefined)) return;
    const { classes } = this.#options.notes ?? {};
    const cell = (text: string): string => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
    const rows = images.map(({ file, label }) =>
      [file, String(label ?? ""), (label !== undefined && classes?.[label]) || ""].map(cell).join(","),
    );
    await this.#save(LABELS, `${["file,label,class", ...rows].join("\n")}\n`);
  }

  written(started: number): { images: number; seconds: number; files: readonly WrittenImage[] } {
    return { images: this.count, seconds: (performance.now() - started) / 1000, files: this.#images() };
  }

  /** In the order in which they were given to the encoder. */
  #images(): WrittenImage[] {
    return [...this.#written].sort(([a], [b]) => a - b).map(([, image]) => image);
  }

  async #save(file: string, data: Uint8Array | string): Promise<void> {
    const path = join(this.#folder, file);
    const folder = dirname(path);
    if (!this.#made.has(folder)) await makeFolder(folder);
    this.#made.add(folder);
    // A new file each time: nothing is written through a link that lies there.
    if (this.#options.force) await rm(path, { force: true }).catch(() => undefined);
    await writeFile(path, data, { flag: "wx" }).catch((error: NodeJS.ErrnoException) =>
      fail(
        "io",
        error.code === "EEXIST"
          ? `expected to write the new file ${path} but it exists already; --force replaces it`
          : `cannot write ${path}: ${error.message}`,
        error,
      ),
    );
  }
}

/** An image's name as that of a PNG file: another image format's ending gives way. */
function pngNames(names: readonly string[]): string[] {
  return safeNames(names.map((name) => `${name.replace(/\.(png|jpe?g|webp|gif|tiff?|avif|pgm|ppm)$/i, "")}.png`));
}

/** Grey where all is grey, without alpha where all is opaque: as small as it gets, with the values as they are. */
function pngOf(picture: Picture): Uint8Array {
  const channels = usesAlpha(picture) ? 4 : usesColour(picture) ? 3 : 1;
  const { height, width, pixels } = toChannels(picture, channels);
  return encode({ height, width, data: pixels, channels, depth: 8 });
}

/** Names of rescued images by index; of those between them nothing is known, unless the notes say it. */
function foundNames(images: readonly DecodedImage[], notes: ArchiveNotes | null): string[] {
  const count = (images.at(-1)?.index ?? -1) + 1;
  const noted = notedNames(notes, count);
  if (noted?.length === count) return safeNames(noted);
  const names: string[] = new Array(count).fill("");
  for (const { index, name } of images) names[index] = name;
  return names;
}

/** Names of lost images: the archive's own, or by their numbers in the notes. */
function namesOfLost({ first, last, names }: LostImages, file: PxcFile | undefined, all: readonly string[] | undefined) {
  if (names.length > 0 || last === undefined || file?.kind !== "archive" || file.names !== undefined || !all) return names;
  return all.slice(first, last + 1);
}

function quietly<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch {
    return undefined;
  }
}

type Salvaged = ReturnType<Targets["written"]> &
  Pick<Awaited<ReturnType<typeof salvageArchive>>, "lost" | "problems"> & { readonly out: string };

function salvaged(result: Salvaged, terminal: Terminal): Outcome {
  const { lost, problems, images, out, seconds } = result;
  for (const problem of problems) terminal.warn(problem);
  const lines = lost.map(({ first, last, names, reason }) => {
    const which =
      last === undefined ? `image ${first} and all after it` : first === last ? `image ${first}` : `images ${first} to ${last}`;
    const known = names.length === 0 ? "" : `\n  ${names.join("\n  ")}`;
    return `lost: ${which}: ${reason}${known}`;
  });
  const whole = lost.length === 0 && problems.length === 0;
  return {
    json: result,
    text: [`${counted(images, "image")} saved in ${seconds.toFixed(1)} s: ${out}`, ...lines].join("\n"),
    code: whole ? 0 : 1,
  };
}

interface ListedImage {
  readonly name: string;
  readonly label: number | undefined;
  readonly condition: Condition | undefined;
  readonly height: number;
  readonly width: number;
}

/** What an archive says about itself, image by image. */
function listOf(archive: string, bytes: Uint8Array, pixelBudget: number | undefined): Outcome {
  const contents = contentsOf(archive, bytes, { pixelBudget });
  const { digest } = contents;
  if (!("groups" in contents)) {
    const { condition, file } = contents;
    const told = condition === undefined ? "" : `; condition: ${describeCondition(condition)}`;
    const text = `${archive}: one image, ${bytes.length} bytes, coded with the model ${digest}...${told}`;
    const about = { archive, kind: file.kind, bytes: bytes.length, digest, images: 1 };
    return { json: { ...about, condition: conditionJson(condition) }, text };
  }
  const { file, notes, names, groups } = contents;
  const images: ListedImage[] = [];
  for (const { first, count, height, width, conditions } of groups) {
    for (let i = 0; i < count; i++) {
      const condition = conditions?.[i];
      const { index, label } = describeImage(file, first + i);
      images[index] = { name: names[index]!, label: labelOf(notes, { label, condition }), condition, height, width };
    }
  }
  const { channels, levels } = file.header;
  const conditions = conditionsIn(groups);
  const about =
    `${archive}: ${counted(file.images, "image")} in ${counted(groups.length, "group")}, ${counted(channels, "channel")}, ${levels} levels, ${bytes.length} bytes\n` +
    `model ${digest}${notes?.model === undefined ? "" : ` (${JSON.stringify(notes.model)})`}${notes?.lossy ? "; NOT lossless: some images were taken to the nearest levels" : ""}` +
    (conditions.bytes > 0 ? `\nconditions: ${describeConditions(conditions, notes)}` : "");
  const rows = images.map(({ name, label, condition, height, width }) => {
    const of = label === undefined ? "" : `  ${notes?.classes?.[label] ?? label}`;
    const told = condition === undefined || condition === label ? "" : `  (${describeCondition(condition)})`;
    return `  ${height}x${width}  ${name}${of}${told}`;
  });
  return {
    json: {
      ...{ archive, kind: file.kind, bytes: bytes.length, digest, channels, levels, groups: groups.length, notes },
      conditions,
      images: images.map((image) => ({ ...image, condition: conditionJson(image.condition) })),
    },
    text: [about, ...rows].join("\n"),
  };
}
