/** Scores in shards: each scores its share of the images, and all of them together give what one process gives. */

import { shareOf } from "../jobs.ts";
import { conditionsFingerprint, modelFingerprint, type SourceSurvey } from "./fingerprint.ts";
import type { GatheredParts } from "./gather-parts.ts";
import { makePart, type ShardDone, type ShardWish } from "./make-part.ts";
import { type AboutModel, aboutModel, type OpenedPixelcnn } from "./open-model.ts";
import { type MeanBits, meanBits, type ScoredImage, type ScoreOptions, scoreImages } from "./score-images.ts";
import { countsOf, type SourceCounts, type SourceImages } from "./source-images.ts";
import { type UsualBits, usualBits } from "./usual-bits.ts";

/** What is said of scores, whoever made them. */
export interface AboutScores {
  readonly model: AboutModel;
  readonly sources: SourceCounts;
  /** Where conditions come from, in words. */
  readonly conditions?: string | undefined;
  readonly usual: UsualBits | null;
}

export interface JoinedScores extends MeanBits {
  readonly about: AboutScores;
  readonly each: readonly ScoredImage[];
  readonly rounded: number;
}

export async function aboutScores(
  opened: OpenedPixelcnn,
  sources: SourceImages,
  conditions: ScoreOptions["conditions"],
): Promise<AboutScores> {
  return {
    model: aboutModel(opened),
    sources: countsOf(sources),
    conditions: conditions?.about,
    usual: conditions ? null : await usualBits(opened.folder),
  };
}

interface ScoreResult {
  readonly each: readonly ScoredImage[];
  readonly rounded: number;
}

/** `survey` has seen the images; the caller closes them. */
export async function scoreShard(
  opened: OpenedPixelcnn,
  sources: SourceImages,
  survey: SourceSurvey,
  { conditions, pixels, ...options }: Omit<ScoreOptions, "share" | "show" | "onScored">,
  wish: ShardWish,
): Promise<ShardDone & { readonly images: number }> {
  const works = survey.sizes.map(({ height, width }) => height * width);
  const share = shareOf(works, wish.shard);
  const job = {
    command: "score",
    model: await modelFingerprint(opened.whole),
    data: { sha256: survey.digest() },
    options: { pixels: pixels === true, conditions: conditionsFingerprint(conditions?.asked ?? []) },
    about: await aboutScores(opened, sources, conditions),
  } as const;
  const done = await makePart(wish, job, async () => {
    if (share.from === share.to) return { result: { each: [], rounded: 0 } };
    const { each, rounded } = await scoreImages(opened, sources, { conditions, pixels, share, ...options });
    return { result: { each, rounded } };
  });
  return { ...done, images: share.to - share.from };
}

/** The scores of all images, out of all parts. */
export function joinScores({ job, parts }: GatheredParts): JoinedScores {
  const about = job.about as AboutScores;
  const results = parts.map(({ result }) => result as ScoreResult);
  const each = results.flatMap((result) => result.each);
  const rounded = results.reduce((sum, result) => sum + result.rounded, 0);
  return { about, each, rounded, ...meanBits(each, about.model.channels) };
}
