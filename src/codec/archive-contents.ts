/**
 * What a .pxc file says about itself: every checksum of its bytes checked, nothing decoded, no model needed. For `info`
 * and `decompress`.
 */

import { counted } from "../words.ts";
import { type ArchiveNotes, labelOf, notedNames, readNotes } from "./archive-notes.ts";
import { describeImage, within } from "./codec.ts";
import { type Archive, openPxc, type PxcFile, readGroup, readSingleImage, type Single } from "./container.ts";
import { hex } from "./digest.ts";
import { conditionsLength } from "./group-conditions.ts";
import type { GroupRecord } from "./group-record.ts";
import { readModelSection } from "./model-section.ts";
import type { Condition } from "./predictor.ts";
import type { WeightPrecision } from "./rounded-weights.ts";
import { safeNames } from "./safe-names.ts";
import { precisionIn } from "./stored-model.ts";

/** The digest that a file wants: of an archive whole, of a single image's file its first 8 bytes. */
export function wantedDigest(file: PxcFile): string {
  return hex(file.kind === "single" ? file.modelId : file.header.digest);
}

/** The model that an archive holds. */
export interface ModelInside {
  /** Of the file. */
  readonly bytes: number;
  /** How its weights are rounded. */
  readonly precision: WeightPrecision;
}

export function insideOf(file: PxcFile): ModelInside | undefined {
  const place = file.kind === "archive" ? file.header.model : undefined;
  return place && { bytes: place.length, precision: precisionIn(readModelSection(file.bytes, place)) };
}

export interface ArchiveContents {
  readonly file: Archive;
  /** Of its model. */
  readonly digest: string;
  readonly notes: ArchiveNotes | null;
  readonly inside: ModelInside | undefined;
  /** Safe names by index. */
  readonly names: readonly string[];
  /** Names as they are stored. */
  readonly stored: readonly string[];
  readonly groups: readonly GroupRecord[];
  readonly conditions: ContentsConditions;
}

/** A file of one image says little without its model. */
export interface SingleContents {
  readonly file: Single;
  /** The first 8 bytes of its model's. */
  readonly digest: string;
  /** The condition, as the file stores it: only the model can check it. */
  readonly condition: Condition | undefined;
}

/** `pixelBudget`: most sub-pixels of a group that are believed; the container's own limit unless given. */
export function contentsOf(
  archive: string,
  bytes: Uint8Array,
  { pixelBudget }: { pixelBudget?: number | undefined } = {},
): ArchiveContents | SingleContents {
  const file = within(archive, () => openPxc(bytes));
  const digest = wantedDigest(file);
  if (file.kind === "single") {
    const any = { channels: 1, levels: 256, pixelBudget: Number.MAX_SAFE_INTEGER };
    const { conditions } = within(archive, () => readSingleImage(bytes, any, { whole: false }));
    return { file, digest, condition: conditions?.[0] };
  }
  const notes = readNotes(file.header.notes);
  const groups = file.groups.map((_, index) => within(archive, () => readGroup(file, index, { pixelBudget })));
  const names = namesOf(file, notes, archive);
  const stored = storedNames(file, notes, archive);
  const inside = within(archive, () => insideOf(file));
  return { file, digest, notes, inside, names, stored, groups, conditions: conditionsIn(groups) };
}

/** An image of an archive, before it is decoded. */
export interface ListedImage {
  readonly name: string;
  readonly label: number | undefined;
  readonly condition: Condition | undefined;
  readonly height: number;
  readonly width: number;
}

/** All images, in the order in which they were given to the encoder. */
export function imagesIn({ file, notes, names, groups }: ArchiveContents): ListedImage[] {
  const images: ListedImage[] = [];
  for (const { first, count, height, width, conditions } of groups) {
    for (let i = 0; i < count; i++) {
      const condition = conditions?.[i];
      const { index, label } = describeImage(file, first + i);
      images[index] = { name: names[index]!, label: labelOf(notes, { label, condition }), condition, height, width };
    }
  }
  return images;
}

/** Safe names by index; a single image is named for its file. */
export function namesOf(file: PxcFile, notes: ArchiveNotes | null, archive: string): string[] {
  if (file.kind === "single") return [archive.replace(/^.*[\\/]/, "").replace(/\.pxc$/i, "")];
  const noted = file.names === undefined ? notedNames(notes, file.images) : undefined;
  if (noted?.length === file.images) return safeNames(noted);
  const names: string[] = [];
  for (let position = 0; position < file.images; position++) {
    const { index, name } = describeImage(file, position);
    names[index] = name;
  }
  return names;
}

/** Names as the archive stores them, by index: not yet safe to use as paths; "" for an image without a name. */
export function storedNames(file: PxcFile, notes: ArchiveNotes | null, archive: string): string[] {
  if (file.kind === "single") return namesOf(file, notes, archive);
  const noted = file.names === undefined ? notedNames(notes, file.images) : undefined;
  if (noted?.length === file.images) return noted;
  const names: string[] = [];
  for (let position = 0; position < file.images; position++)
    names[describeImage(file, position).index] = file.names?.[position] ?? "";
  return names;
}

/** The PNG files that images of these stored names are written to: another image format's ending gives way. */
export function writtenNames(stored: readonly string[]): string[] {
  const endings = /\.(png|apng|jpe?g|jfif|jpe|webp|gif|tiff?|avif|pgm|ppm|pnm)$/i;
  return safeNames(
    stored.map((name) => name || undefined),
    (name) => (/\.png$/i.test(name) ? name : `${name.replace(endings, "")}.png`),
  );
}

/** Names that are not written as they are stored: [stored, written], without those of which only the ending differs. */
export function changedNames(
  stored: readonly string[],
  written: readonly string[],
): { readonly endings: number; readonly others: readonly (readonly [string, string])[] } {
  const stem = (name: string): string => name.replace(/\.\w{1,5}$/, "");
  const changed = stored.flatMap((name, i) =>
    name === "" || name === written[i] ? [] : [[name, written[i]!] as const],
  );
  const others = changed.filter(([from, to]) => stem(from) !== stem(to) && from !== stem(to));
  return { endings: changed.length - others.length, others };
}

/** The conditions of the images. */
export interface ContentsConditions {
  /** Images with a class, and images with numbers. */
  readonly classes: number;
  readonly numbers: number;
  /** Numbers per image; null without a condition of numbers. */
  readonly size: number | null;
  /** All of them in the file. */
  readonly bytes: number;
}

function conditionsIn(groups: readonly Pick<GroupRecord, "conditions">[]): ContentsConditions {
  let [classes, numbers, bytes] = [0, 0, 0];
  let size: number | null = null;
  for (const { conditions } of groups) {
    const [first] = conditions ?? [];
    if (first === undefined) continue;
    bytes += conditionsLength(conditions);
    if (typeof first === "number") classes += conditions!.length;
    else {
      numbers += conditions!.length;
      size = first.length;
    }
  }
  return { classes, numbers, size, bytes };
}

/** `a class for each of 5 images, which are the labels; 5 bytes`. */
export function describeConditions(
  { classes, numbers, size, bytes }: ContentsConditions,
  notes: ArchiveNotes | null,
): string {
  const each = (what: string, images: number): string[] =>
    images === 0 ? [] : [`${what} for ${images === 1 ? "1 image" : `each of ${images} images`}`];
  const parts = [...each("a class", classes), ...each(counted(size ?? 0, "number"), numbers)];
  return `${parts.join(", ")}${notes?.labels ? ", which are the labels" : ""}; ${counted(bytes, "byte")}`;
}

/** Of one image: `class 3`, `10 numbers`. */
export function describeValue(condition: Condition): string {
  return typeof condition === "number" ? `class ${condition}` : counted(condition.length, "number");
}

/** Of one image, for a program to read: its class, or how many numbers. */
export function conditionJson(condition: Condition | undefined): { class: number } | { numbers: number } | undefined {
  if (condition === undefined) return undefined;
  return typeof condition === "number" ? { class: condition } : { numbers: condition.length };
}
