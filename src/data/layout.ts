/**
 * How a folder of images is laid out: which images are its splits, and which folders are classes. Used wherever a
 * folder is read: training, scoring and compression see the same classes.
 */

import { describePassed, type Listing, lookalikes, passedOver } from "./listing.ts";
import { chooseSplits, splitNamed } from "./split-names.ts";

export interface Layout {
  /** The images of the data, in the order of the listing. */
  readonly images: readonly string[];
  /** The top folder that holds each split; null where the images are one pile. */
  readonly splits: { readonly train: string; readonly test: string } | null;
  /** The pile is called a test set by its folder. */
  readonly onlyTest: boolean;
  /** The class of an image, in one Unicode form: the first folder that is no split; null without. */
  classOf(file: string): string | null;
  /** What the user should know. */
  readonly notes: readonly string[];
}

const topOf = (file: string): string => (file.includes("/") ? file.slice(0, file.indexOf("/")) : "");

export function layoutOf(path: string, listing: Listing): Layout {
  const { files, folders } = listing;
  const counts = new Map<string, number>(folders.map((name) => [name, 0]));
  for (const file of files) {
    const top = topOf(file);
    counts.set(top === "" ? "loose images" : top, (counts.get(top === "" ? "loose images" : top) ?? 0) + 1);
  }
  const chosen = chooseSplits(path, counts);
  const filled = [...counts].filter(([, count]) => count > 0).map(([name]) => name);
  const named = filled.filter((name) => splitNamed(name) !== null);
  // A folder train alone, or test alone, is what it says; beside other folders the name is a class like theirs.
  const alone = chosen === null && named.length === 1 && filled.length === 1 ? named[0]! : null;
  const inside = chosen !== null || alone !== null ? 1 : 0;
  const classOf = (file: string): string | null => file.split("/").slice(inside, -1)[0]?.normalize("NFC") ?? null;
  const images = chosen
    ? files.filter((file) => topOf(file) === chosen.train || topOf(file) === chosen.test)
    : [...files];
  const notes = [...(chosen?.notes ?? [])];
  if (alone !== null)
    notes.push(
      splitNamed(alone) === "train"
        ? `${path} holds images in ${alone} alone: a test split is drawn from them`
        : `${path} holds images in ${alone} alone: all of them are test images`,
    );
  else if (chosen === null && named.length > 0)
    notes.push(
      `${named.join(" and ")} in ${path} ${named.length === 1 ? "is taken as a class" : "are taken as classes"}, ` +
        "like the other folders: splits are a folder train and a folder test, val or validation",
    );
  const raw = [...new Set(images.map((file) => file.split("/").slice(inside, -1)[0] ?? ""))];
  for (const [a, b] of lookalikes(raw).slice(0, 3))
    notes.push(
      a.normalize("NFC") === b.normalize("NFC")
        ? `the folders ${a} of ${path}, in two Unicode forms, are taken as one class`
        : `the folders ${a} and ${b} of ${path} differ in the case of letters alone: they are two classes`,
    );
  const passed = describePassed(passedOver(listing));
  if (passed !== null && images.length > 0) notes.push(`${path}: ${passed}`);
  return {
    images,
    splits: chosen && { train: chosen.train, test: chosen.test },
    onlyTest: alone !== null && splitNamed(alone) !== "train",
    classOf,
    notes,
  };
}
