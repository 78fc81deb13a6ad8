/**
 * The images of an archive as PNG files under safe names, with the values that their sources had; of a damaged one,
 * those that are whole.
 */

import { existsSync, lstatSync } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { changedNames, namesOf, storedNames, wantedDigest, writtenNames } from "../codec/archive-contents.ts";
import { type ArchiveNotes, labelOf, notedNames, readNotes, tablesOf } from "../codec/archive-notes.ts";
import { type CodecOptions, type DecodedImage, decodeGroups, imagesDone, within } from "../codec/codec.ts";
import { openPxc, type PxcFile, readHeader } from "../codec/container.ts";
import { hex } from "../codec/digest.ts";
import { valuesOf } from "../codec/level-table.ts";
import { safeNames } from "../codec/safe-names.ts";
import { type LostImages, salvageArchive } from "../codec/salvage.ts";
import { writeCsv } from "../csv.ts";
import { channelsUsed, type Picture, toChannels } from "../data/picture.ts";
import { fail, PixelcnnError } from "../errors.ts";
import type { OnProgress } from "../jobs.ts";
import { encodePng } from "../pictures/png.ts";
import { counted, reasonOf } from "../words.ts";
import { type DecodingModel, findCodingModel, openInnerModel } from "./archive-model.ts";
import { makeFolder } from "./run-folder.ts";

const LABELS = "labels.csv";

export interface UnpackOptions extends Omit<CodecOptions, "threads" | "onProgress"> {
  /** The folder to write to. */
  readonly out: string;
  /** The model that coded it; looked for by default. */
  readonly model?: string | undefined;
  /** Write what is whole of a damaged archive, instead of failing. */
  readonly salvage?: boolean | undefined;
  /** Replace files that exist. */
  readonly force?: boolean | undefined;
  readonly threads?: number | undefined;
  /** Called after rows: how many images are done. */
  readonly onProgress?: OnProgress | undefined;
  /** Called with what a user should know. */
  readonly tell: (text: string) => void;
}

export interface UnpackedFile {
  readonly file: string;
  readonly label?: number | undefined;
}

export interface Unpacked {
  /** The model's name, and its training steps. */
  readonly model: string;
  readonly step: number;
  /** In the order in which they were given to the encoder. */
  readonly files: readonly UnpackedFile[];
  /** Stored names that are written otherwise. */
  readonly renamed: ReturnType<typeof changedNames>;
  /** Whether some images had more values than the model has levels. */
  readonly lossy: boolean;
  /** Of a damaged archive. */
  readonly lost: readonly LostImages[];
  readonly problems: readonly string[];
}

/** `archive`: the file's path, for errors and names; `bytes`: what it holds. */
export async function unpackArchive(archive: string, bytes: Uint8Array, options: UnpackOptions): Promise<Unpacked> {
  const { out, salvage, threads = 1, pixelBudget, signal, onProgress, tell } = options;
  const file = salvage ? quietly(() => openPxc(bytes)) : within(archive, () => openPxc(bytes));
  const header = file?.kind === "archive" ? file.header : salvage ? quietly(() => readHeader(bytes)) : undefined;
  // Of a damaged header nobody knows whether a model follows: one is looked for.
  const inner = options.model === undefined ? await innerOf(archive, bytes, { threads, salvage, header }) : null;
  if (!file && !header && options.model === undefined && !inner) {
    fail(
      "corrupt",
      `expected the header of ${archive}, which says what model coded it, but it is damaged: say which with --model M`,
    );
  }
  const notes = readNotes(header?.notes ?? "");
  const wanted = file ? wantedDigest(file) : header ? hex(header.digest) : "";
  const search = { given: options.model, hint: notes?.model, archive, threads };
  const model = inner ?? (await findCodingModel(wanted, search));
  try {
    const { predictor } = model;
    const names = file && namesOf(file, notes, archive);
    const coding = { signal, pixelBudget, threads: model.groups, onProgress: imagesDone(onProgress) };
    const opened = { model: model.name, step: model.step, lossy: notes?.lossy === true };
    const asked = { channels: predictor.channels, levels: predictor.levels, force: options.force === true };
    const stored = file ? storedNames(file, notes, archive) : [];
    const targets = imageFiles(out, { ...asked, stored, notes });
    targets.check();
    if (salvage) {
      const { images, lost, problems } = await salvageArchive(predictor, bytes, coding);
      // Which image is which is in the directory, and which values its levels had is in the header.
      const whole = header !== undefined && lost.every(({ last }) => last !== undefined);
      if (!whole && predictor.levels < 256 && (header === undefined || notes?.tables))
        tell("what values the levels stood for is lost: they are spread evenly over 0..255");
      const kept = { stored: file ? stored : foundNames(images, notes), notes: whole ? notes : null };
      const found = imageFiles(out, { ...asked, ...kept });
      for (const image of images) await found.write(image);
      const named = lost.map((part) => ({ ...part, names: namesOfLost(part, file, names) }));
      return { ...opened, files: await found.finish(), renamed: found.renamed, lost: named, problems };
    }
    try {
      for await (const group of decodeGroups(predictor, bytes, coding))
        for (const image of group) await targets.write(image);
    } catch (error) {
      if (!(error instanceof PixelcnnError && error.kind === "corrupt")) throw error;
      const text =
        `${archive}: ${error.message}\n${counted(targets.count(), "image")} before it are in ${out}; ` +
        "--salvage (with --force) writes all that is whole";
      throw new PixelcnnError("corrupt", text, { cause: error });
    }
    return { ...opened, files: await targets.finish(), renamed: targets.renamed, lost: [], problems: [] };
  } finally {
    await model.close();
  }
}

/** The model inside, if there is one; it says so where it is damaged, and what helps. */
async function innerOf(
  archive: string,
  bytes: Uint8Array,
  { threads, salvage, header }: { threads: number; salvage: boolean | undefined; header: object | undefined },
): Promise<DecodingModel | null> {
  try {
    return await openInnerModel(bytes, { threads, salvage: salvage === true && header === undefined });
  } catch (error) {
    if (!(error instanceof PixelcnnError && error.kind === "corrupt")) throw error;
    const text =
      `${archive}: ${error.message}\nwithout its model no image can be read; --salvage --model OTHER.pxc takes the ` +
      "copy in another archive that was made with the same model and weights";
    throw new PixelcnnError("corrupt", text, { cause: error });
  }
}

interface ImageFilesOptions {
  /** Names as they are stored, by index. */
  readonly stored: readonly string[];
  readonly notes: ArchiveNotes | null;
  readonly channels: number;
  readonly levels: number;
  readonly force: boolean;
}

/** The files of an archive's images, in their folder. */
function imageFiles(folder: string, { stored, notes, channels, levels, force }: ImageFilesOptions) {
  const files = writtenNames(stored);
  const tableOf = tablesOf(notes, levels);
  const written = new Map<number, UnpackedFile>();
  const made = new Set<string>();
  const save = async (file: string, data: Uint8Array | string): Promise<void> => {
    const path = join(folder, file);
    if (!made.has(dirname(path))) await makeFolder(dirname(path));
    made.add(dirname(path));
    // A new file each time: nothing is written through a link that lies there.
    if (force) await rm(path, { force: true }).catch(() => undefined);
    await writeFile(path, data, { flag: "wx" }).catch(async (error: NodeJS.ErrnoException) => {
      if (error.code === "EEXIST")
        fail("io", `expected to write the new file ${path} but it exists already; --force replaces it`, error);
      // Whole or not at all.
      await rm(path, { force: true }).catch(() => undefined);
      fail("io", `cannot write ${path}: ${reasonOf(error)}`, error);
    });
  };
  return {
    renamed: changedNames(stored, files),
    count: () => written.size,
    /** Refuses to replace what is there, before the long work. */
    check(): void {
      if (force || !existsSync(folder)) return;
      const there = [...files, LABELS].filter((file) => lstatSync(join(folder, file), { throwIfNoEntry: false }));
      if (there.length > 0) {
        const more = there.length > 1 ? ` and ${there.length - 1} more` : "";
        fail(
          "io",
          `expected to write new files into ${folder} but ${there[0]}${more} exist already; --force replaces them`,
        );
      }
    },
    async write({ index, name, label, condition, height, width, pixels }: DecodedImage): Promise<void> {
      if (channels !== 1 && channels !== 3 && channels !== 4)
        return fail("usage", `expected a model of 1, 3 or 4 channels to write PNG files but it has ${channels}`);
      const file = files[index]!;
      const values = valuesOf(pixels, tableOf(index), name);
      await save(file, pngOf({ height, width, channels, pixels: values }));
      written.set(index, { file, label: labelOf(notes, { label, condition }) });
    },
    /**
     * Writes the labels, if there are any, and gives all that was written, in the order in which it was given to the
     * encoder.
     */
    async finish(): Promise<readonly UnpackedFile[]> {
      const images = [...written].sort(([a], [b]) => a - b).map(([, image]) => image);
      const classOf = (label: number | undefined): string => (label !== undefined && notes?.classes?.[label]) || "";
      const rows = images.map(({ file, label }) => [file, label ?? "", classOf(label)]);
      if (images.some(({ label }) => label !== undefined))
        await save(LABELS, writeCsv([["file", "label", "class"], ...rows]));
      return images;
    },
  };
}

/** Grey where all is grey, without alpha where all is opaque: as small as it gets, with the values as they are. */
function pngOf(picture: Picture): Uint8Array {
  return encodePng(toChannels(picture, channelsUsed(picture)));
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
function namesOfLost(
  { first, last, names }: LostImages,
  file: PxcFile | undefined,
  all: readonly string[] | undefined,
) {
  if (names.length > 0 || last === undefined || file?.kind !== "archive" || file.names !== undefined || !all)
    return names;
  return all.slice(first, last + 1);
}

function quietly<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch {
    return undefined;
  }
}
