/** Samples in shards: image i of a seed is the same whoever draws it, so each shard draws its own numbers. */

import { shareOf } from "../jobs.ts";
import type { ConditionValue } from "../models/condition.ts";
import { type DrawRequest, drawSamples } from "./draw-samples.ts";
import { conditionsFingerprint, modelFingerprint } from "./fingerprint.ts";
import type { GatheredParts } from "./gather-parts.ts";
import { makePart, type ShardDone, type ShardWish } from "./make-part.ts";
import { type AboutModel, aboutModel, type OpenedPixelcnn } from "./open-model.ts";

/** What is said of samples, whoever drew them. */
export interface AboutSamples {
  readonly model: AboutModel;
  readonly count: number;
  readonly seed: number;
  readonly temperature: number;
  readonly guidance?: number | undefined;
  /** The conditions, in words: a row each where there are several. */
  readonly conditions?: readonly string[] | undefined;
}

export const aboutSamples = (opened: OpenedPixelcnn, drawn: Omit<AboutSamples, "model">): AboutSamples => ({
  model: aboutModel(opened),
  ...drawn,
});

type Drawn = Pick<DrawRequest, "threads" | "signal" | "onProgress"> & {
  /** One per image; absent without a condition. */
  readonly conditions: readonly ConditionValue[] | undefined;
};

export async function sampleShard(
  opened: OpenedPixelcnn,
  about: AboutSamples,
  { conditions, ...how }: Drawn,
  wish: ShardWish,
): Promise<ShardDone & { readonly images: number }> {
  const { count, seed, temperature, guidance } = about;
  const { from, to } = shareOf(new Uint8Array(count).fill(1), wish.shard);
  const job = {
    command: "sample",
    model: await modelFingerprint(opened.whole),
    data: {},
    options: { conditions: conditionsFingerprint(conditions ?? []) },
    about,
  } as const;
  const images = to - from;
  const done = await makePart(wish, job, async () => {
    if (images === 0) return { result: { images } };
    const own = conditions?.slice(from, to);
    const drawing = { seed, temperature, guidance, first: from, count: images, conditions: own, ...how };
    return { result: { images }, payload: await drawSamples({ model: opened, ...drawing }) };
  });
  return { ...done, images };
}

/** All images, [count, H, W, C] of levels, out of all parts. */
export function joinSamples({ job, parts }: GatheredParts): {
  readonly about: AboutSamples;
  readonly pixels: Uint8Array;
} {
  return { about: job.about as AboutSamples, pixels: Buffer.concat(parts.map(({ payload }) => payload)) };
}
