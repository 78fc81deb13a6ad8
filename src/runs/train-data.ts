/**
 * Opens the data that a run trains and tests on. Where nobody said a size, that of the images is taken when they all
 * agree on a moderate one; otherwise they are cut to a small square, and the user is told.
 */

import { existsSync } from "node:fs";
import { resolve } from "node:path";
import type { Dataset } from "../data/dataset.ts";
import { namedSets } from "../data/named.ts";
import { openSplits } from "../data/open.ts";
import type { DataOptions } from "../data/options.ts";
import { PixelcnnError } from "../errors.ts";
import { FOLDER_SIZE, LARGEST_UNASKED } from "./presets.ts";

export interface Splits {
  readonly train: Dataset;
  readonly test: Dataset;
}

/** A source as a run's config keeps it: a path is absolute, so that the run resumes from any folder. */
export function keptSource(source: string): string {
  return namedSets.includes(source) || !existsSync(source) ? source : resolve(source);
}

export async function openTrainData(
  source: string,
  options: Omit<DataOptions, "split">,
  tell: (text: string) => void,
): Promise<Splits> {
  const withWarnings = { ...options, onWarning: tell };
  if (options.height !== undefined || options.width !== undefined || options.fit === "none")
    return openSplits(source, withWarnings);
  const { height, width } = FOLDER_SIZE;
  const cut = (): Promise<Splits> => openSplits(source, { ...withWarnings, height, width });
  const how = { crop: "cut", resize: "stretched", contain: "padded" }[options.fit ?? "resize"];
  const say = (why: string): void =>
    tell(`${why}: they are ${how} to ${height}x${width}; --set data.height=H --set data.width=W chooses another size`);
  let found: Splits;
  try {
    found = await openSplits(source, withWarnings);
  } catch (error) {
    if (!(error instanceof PixelcnnError && error.kind === "data")) throw error;
    // Giving a size mends exactly one thing: sizes that differ. A format that cannot be resized says so as wrong usage;
    // then the first error is the one to tell.
    const mended = await cut().catch((second) => {
      throw second instanceof PixelcnnError && second.kind === "data" ? second : error;
    });
    say(`the images of ${source} differ in size`);
    return mended;
  }
  if (found.train.height * found.train.width <= LARGEST_UNASKED || namedSets.includes(source)) return found;
  const size = `${found.train.height}x${found.train.width}`;
  const smaller = await cut().catch(() => null);
  if (!smaller) return found;
  say(`the images of ${source} are large (${size})`);
  await Promise.all([found.train.close?.(), found.test.close?.()]);
  return smaller;
}
