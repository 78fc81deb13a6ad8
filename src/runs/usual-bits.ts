/** What a model's own test images need, from its log: what a score is measured against. */

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { logEntries, numberIn } from "./log-entries.ts";

export interface UsualBits {
  /** Mean bits of an image of the model's test split. */
  readonly bits: number;
  readonly bitsPerDim: number;
  /** Standard deviation of an image's bits; null where the log does not tell. */
  readonly deviation: number | null;
}

/** The last test on the test split of a model's folder; null without one. */
export async function usualBits(folder: string | null): Promise<UsualBits | null> {
  if (folder === null) return null;
  const text = await readFile(join(folder, "log.jsonl"), "utf8").catch(() => "");
  const last = logEntries(text).findLast(({ type, split }) => type === "evaluation" && split === "test");
  const nats = last && numberIn(last, "nats");
  const bitsPerDim = last && numberIn(last, "bitsPerDim");
  if (nats == null || bitsPerDim == null) return null;
  const error = numberIn(last!, "standardError");
  const images = numberIn(last!, "images");
  const deviation = error === null || images === null ? null : (error * Math.sqrt(images)) / Math.LN2;
  return { bits: nats / Math.LN2, bitsPerDim, deviation };
}
