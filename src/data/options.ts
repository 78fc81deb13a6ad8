/**
 * Options of a data set as plain JSON, so that a run's config can hold them. Nothing here opens anything: pages use it
 * too.
 */

import { z } from "zod";
import { fail, show } from "../errors.ts";
import { expectedBy } from "../schema-words.ts";

export const dataOptionsSchema = z.strictObject({
  /** Which images; "all" is both splits. */
  split: z.enum(["train", "test", "all"]).default("train"),
  /** Values a sub-pixel can take; 256 (2 with a binarisation). 2 alone is the threshold at 127. */
  levels: z.int().min(2).max(256).optional(),
  /** Two levels: "threshold" v > 127, "stochastic" 1 with probability v / 255. */
  binarise: z.enum(["none", "threshold", "stochastic"]).default("none"),
  /** Names the draws of the stochastic binarisation, and of mirror and shift; the train split draws anew each epoch. */
  binariseSeed: z.int().min(0).default(1),
  /** Size of the images, both or neither; neither: all have one size. For formats of one size, a check. */
  height: z.int().min(1).max(65535).optional(),
  width: z.int().min(1).max(65535).optional(),
  /** How an image of another size is fitted: stretched, its middle cut out, or padded; "none": it is an error. */
  fit: z.enum(["resize", "crop", "contain", "none"]).default("resize"),
  /** "auto": 4 where any alpha is used, otherwise 3 where any colour is, otherwise 1. */
  channels: z.union([z.literal("auto"), z.literal(1), z.literal(3), z.literal(4)]).default("auto"),
  /** What of a folder that holds several kinds of data is read; "auto": it must hold one kind. */
  format: z.enum(["auto", "images", "idx", "cifar", "parquet", "atlas"]).default("auto"),
  /** The value of images of 16 bits that becomes 255; without, the upper 8 bits are kept. */
  white: z.int().min(1).max(65535).optional(),
  /** An image that cannot be decoded: an error, or left out with a warning (then opening decodes every image once). */
  onBroken: z.enum(["error", "skip"]).default("error"),
  /** What the test split of a source without splits is made of: images, or whole classes that training never sees. */
  splitBy: z.enum(["image", "class"]).default("image"),
  /** Share of a source without splits (of its images or classes) that is its test split, and the seed that draws it. */
  testFraction: z.number().min(0).lt(1).default(0.1),
  splitSeed: z.int().min(0).default(1),
  /**
   * How images are drawn for the test split: each by its own name, so that a folder that grows moves none; or by their
   * order, as runs of earlier versions did.
   */
  splitDraw: z.enum(["name", "order"]).default("name"),
  /**
   * A .npy file of numbers [N, D], or [N, h, w, c], that come with the images: row i with image i of the whole source
   * in the order of its split "all". Where a source has splits of its own, that is the train images, then the test
   * images.
   */
  vectors: z.string().min(1).optional(),
  /** Half of the train images, drawn anew each epoch, left for right. */
  mirror: z.boolean().default(false),
  /** Train images moved by up to so many pixels, drawn anew each epoch. */
  shift: z.int().min(0).max(64).default(0),
  /** Bound on the decoded images held in memory. */
  cacheBytes: z
    .int()
    .min(0)
    .default(256 * 2 ** 20),
  /** At most this many images, the first of the split. */
  limit: z.int().min(1).optional(),
});

/** Every option may be left out. */
export type DataOptions = z.input<typeof dataOptionsSchema>;
export type ResolvedDataOptions = z.output<typeof dataOptionsSchema>;
export type Split = ResolvedDataOptions["split"];

/** Options with their defaults, or an error in the words of the house. */
export function parseDataOptions(options: unknown): ResolvedDataOptions {
  const parsed = dataOptionsSchema.safeParse(options);
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    if (issue.code === "unrecognized_keys") {
      fail(
        "usage",
        `expected data options among ${Object.keys(dataOptionsSchema.shape).join(", ")} but received ` +
          `${issue.keys.join(", ")}`,
      );
    }
    const key = String(issue.path[0] ?? "the data options");
    const received = issue.path.length > 0 ? (options as Record<string, unknown>)[key] : options;
    fail("usage", `expected ${expectedBy(issue)} for ${key} but received ${show(received)}`, parsed.error);
  }
  const { levels, binarise, height, width } = parsed.data;
  if (binarise !== "none" && levels !== undefined && levels !== 2) {
    fail("usage", `expected 2 levels (or none given) with binarise ${binarise} but received ${levels}`);
  }
  if ((height === undefined) !== (width === undefined)) {
    fail("usage", `expected height and width together but received ${height === undefined ? "width" : "height"} alone`);
  }
  return parsed.data;
}
