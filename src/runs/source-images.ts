/**
 * The arguments `<image|folder|data>...` of commands that take images of any size: files, folders (each image at its
 * own size), named sets and other data, or some of them (`mnist:test:0-99`). All images are looked at before any work
 * begins: those that cannot be used are named, all at once, or left out and named where the user says so. What of a
 * folder is no image is named too, so that nothing is left out silently.
 */

import { failBroken, isBroken } from "../data/broken.ts";
import { fail, type PixelcnnError } from "../errors.ts";
import type { RunConfig } from "../train/config.ts";
import { counted, printable } from "../words.ts";
import type { LeftOut, SourceImage, SourceRules } from "./source-image.ts";
import { type Item, openPart, type Part } from "./source-parts.ts";

export interface SourceImages {
  readonly length: number;
  /** All items that were found: the images, what is left out, and what `limit` cuts off. */
  readonly of: number;
  readonly leftOut: readonly LeftOut[];
  /** How many of those left out are images that cannot be read or used. */
  readonly broken: number;
  readonly classes: readonly string[] | null;
  /** Each image once, in order, read a few at a time. */
  read(): AsyncGenerator<SourceImage>;
  close(): Promise<void>;
}

/** Levels of images of one size, one image after another. */
export function pixelsOf(images: readonly Pick<SourceImage, "pixels">[]): Uint8Array {
  const each = images[0]!.pixels.length;
  const pixels = new Uint8Array(images.length * each);
  for (const [i, image] of images.entries()) pixels.set(image.pixels, i * each);
  return pixels;
}

export async function openSourceImages(
  words: readonly string[],
  config: RunConfig,
  rules: SourceRules,
): Promise<SourceImages> {
  if (words.length === 0)
    fail("usage", "expected an image, a folder or a data set (mnist, mnist:test:0-99) but received none");
  const parts: Part[] = [];
  const close = async (): Promise<void> => void (await Promise.all(parts.map((part) => part.close?.())));
  try {
    for (const word of words) parts.push(await openPart(word, config, rules, words.length > 1));
    return await checked(parts, rules, close);
  } catch (error) {
    await close();
    throw error;
  }
}

async function checked(parts: readonly Part[], rules: SourceRules, close: () => Promise<void>): Promise<SourceImages> {
  const { limit = Number.POSITIVE_INFINITY, onBroken = "error", accept, onChecked } = rules;
  const all = parts.reduce((sum, part) => sum + part.length, 0);
  const broken = new Map<number, PixelcnnError>();
  let [number, taken] = [0, 0];
  for await (const item of itemsOf(parts)) {
    if (taken >= limit) break;
    try {
      if ("error" in item) throw item.error;
      accept?.(item.image);
      taken++;
    } catch (error) {
      if (!isBroken(error)) throw error;
      broken.set(number, error);
    }
    number++;
    onChecked?.({ done: number, total: Math.min(all, limit) });
  }
  if (broken.size > 0 && onBroken === "error") {
    const heading = `${broken.size} of ${counted(number, "image")} cannot be used`;
    failBroken(heading, [...broken.values()], "--on-broken skip leaves them out");
  }
  const looked = number;
  const leftOut = [
    ...parts.flatMap((part) => part.leftOut),
    ...[...broken.values()].map(({ message }) => ({ name: message, reason: "" })),
  ];
  const skipped = parts.reduce((sum, part) => sum + part.skipped, 0);
  if (taken === 0)
    fail("data", `expected at least one image that can be used but received ${counted(leftOut.length, "other file")}`);
  const [first] = parts;
  return {
    length: taken,
    of: all + leftOut.length - broken.size,
    leftOut,
    broken: broken.size + skipped,
    classes: parts.length === 1 ? first!.classes : null,
    async *read() {
      let at = 0;
      for await (const item of itemsOf(parts)) {
        if (at >= looked) return;
        if (!broken.has(at++)) yield "error" in item ? fail("data", item.error.message, item.error) : item.image;
      }
    },
    close,
  };
}

async function* itemsOf(parts: readonly Part[]): AsyncGenerator<Item> {
  for (const part of parts) yield* part.items();
}

/** What was found of a source, and what was left out. */
export type SourceCounts = Pick<SourceImages, "length" | "of" | "leftOut" | "broken">;

export const countsOf = ({ length, of, leftOut, broken }: SourceImages): SourceCounts => ({
  length,
  of,
  leftOut,
  broken,
});

/** Names that a text lists; the rest are counted, and --json has them all. */
const LISTED = 20;

/** `4 of 10 files; left out: notes.txt (no image), ...`; null where nothing is left out. */
export function describeLeftOut({ length, of, leftOut }: Omit<SourceCounts, "broken">): string | null {
  if (leftOut.length === 0 && length === of) return null;
  const shown = leftOut.slice(0, LISTED).map(({ name, reason }) => printable(name) + (reason && ` (${reason})`));
  const more = leftOut.length - shown.length;
  const cut = of - length - leftOut.length;
  return (
    `${length} of ${of} files and images` +
    (leftOut.length === 0 ? "" : `; left out: ${shown.join(", ")}${more > 0 ? ` and ${more} more` : ""}`) +
    (cut > 0 ? `; ${cut} are beyond --limit` : "")
  );
}
