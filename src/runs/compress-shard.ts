/**
 * An archive in shards. All know the plan of its groups; each codes its share of them, and the groups one after another
 * between a header and a directory are the archive that one process writes.
 */

import { checkImages, describeMembers, encodePlanned, imagesDone, planArchive } from "../codec/codec.ts";
import { type WrittenGroup, writeArchive } from "../codec/container.ts";
import { hex } from "../codec/digest.ts";
import { writeModelSection } from "../codec/model-section.ts";
import type { Groupable } from "../codec/plan-groups.ts";
import { type Share, shareOf } from "../jobs.ts";
import type { CodingModel } from "./archive-model.ts";
import {
  type AboutImages,
  archiveSizes,
  type Compressed,
  type CompressImagesOptions,
  readyImages,
} from "./compress-images.ts";
import { conditionsFingerprint, modelFingerprint, type SourceSurvey } from "./fingerprint.ts";
import type { GatheredParts } from "./gather-parts.ts";
import { makePart, type ShardDone, type ShardWish } from "./make-part.ts";
import { countsOf, type SourceCounts, type SourceImages } from "./source-images.ts";

/** What is said of an archive, whoever made it. */
export interface AboutArchive extends AboutImages {
  readonly model: {
    readonly name: string;
    readonly step: number;
    readonly channels: number;
    readonly levels: number;
  };
  readonly sources: SourceCounts;
  /** Where conditions come from, in words. */
  readonly conditions?: string | undefined;
}

export function aboutArchive(
  { name, step, predictor: { channels, levels } }: CodingModel,
  sources: SourceImages,
  conditions: CompressImagesOptions["conditions"],
  images: AboutImages,
): AboutArchive {
  const model = { name, step, channels, levels };
  return { ...images, model, sources: countsOf(sources), conditions: conditions?.about };
}

/** The archive's own, beside its images. */
interface Header {
  readonly digest: string;
  readonly notes: string;
  readonly pixelBudget?: number | undefined;
}

interface GroupsResult {
  /** Bytes and images of each group. */
  readonly groups: readonly (readonly [bytes: number, images: number])[];
  readonly names: readonly string[];
  readonly labels: readonly (number | null)[];
  readonly order: readonly number[];
  /** Bytes of the model inside, which lie before the groups of the first shard. */
  readonly model?: number;
}

/** An archive's groups, and which of them and of the images are a shard's. */
interface Plan {
  readonly groups: readonly (readonly number[])[];
  readonly share: Share;
  readonly members: readonly number[];
}

/** `survey` has seen the images. The source is closed when all are read, the model left open. */
export async function compressShard(
  model: CodingModel,
  sources: SourceImages,
  survey: SourceSurvey,
  given: Omit<CompressImagesOptions, "out" | "check" | "single">,
  wish: ShardWish,
): Promise<ShardDone & { readonly images: number }> {
  const { predictor } = model;
  const { groupSize, pixelBudget, signal, onProgress } = given;
  const planOf = (all: readonly Groupable[]): Plan => {
    const groups = planArchive(predictor, all, { groupSize, pixelBudget });
    const works = groups.map((group) => group.reduce((sum, i) => sum + all[i]!.height * all[i]!.width, 0));
    const share = shareOf(works, wish.shard);
    return { groups, share, members: groups.slice(share.from, share.to).flat() };
  };
  // Without conditions sizes make the groups, and only the shard's own pixels need a place in memory.
  const early = given.conditions ? undefined : planOf(survey.sizes);
  const own = new Set(early?.members);
  const holds = (i: number): boolean => early === undefined || own.has(i);
  const ready = await readyImages(model, sources, given, holds);
  const { images, notes } = ready;
  const { groups: plan, share, members } = early ?? planOf(images);
  checkImages(predictor, ready.coded, { pixelBudget }, holds);
  const header: Header = { digest: hex(predictor.digest), notes, pixelBudget };
  const job = {
    command: "compress",
    model: await modelFingerprint(model.whole),
    data: { sha256: survey.digest(), conditions: conditionsFingerprint(images.map(({ condition }) => condition)) },
    options: { groupSize, ...header },
    about: aboutArchive(model, sources, given.conditions, ready.about),
  } as const;
  const done = await makePart(wish, job, async () => {
    const options = { signal, pixelBudget, threads: model.groups, onProgress: imagesDone(onProgress) };
    const groups = await encodePlanned(predictor, images, plan, options, share);
    const { names, labels, order } = describeMembers(images, members);
    const inside = model.inside && share.from === 0 ? writeModelSection(model.inside.bytes) : new Uint8Array(0);
    const result = {
      model: inside.length,
      groups: groups.map(({ bytes, count }) => [bytes.length, count]),
      names,
      labels: labels.map((label) => label ?? null),
      order,
    };
    return { result, payload: Buffer.concat([inside, ...groups.map(({ bytes }) => bytes)]) };
  });
  return { ...done, images: members.length };
}

/** The archive of all images, out of all parts, and what is said of it. */
export function joinArchive({ job, parts }: GatheredParts): {
  readonly about: AboutArchive;
  readonly bytes: Uint8Array;
  readonly compressed: Compressed;
} {
  const about = job.about as AboutArchive;
  const { digest, notes, pixelBudget } = job.options as Header;
  const results = parts.map(({ result }) => result as GroupsResult);
  const { channels, levels } = about.model;
  const model = parts[0]!.payload.subarray(0, results[0]!.model ?? 0);
  const inside = model.length > 0 ? { model } : {};
  const bytes = writeArchive(
    { digest: Uint8Array.from(Buffer.from(digest, "hex")), channels, levels, notes, ...inside },
    parts.flatMap(({ payload }, i) => groupsIn(payload, results[i]!)),
    {
      names: results.flatMap(({ names }) => names),
      labels: results.flatMap(({ labels }) => labels.map((label) => label ?? undefined)),
      order: results.flatMap(({ order }) => order),
    },
  );
  const { model: _, sources: __, conditions: ___, ...images } = about;
  return { about, bytes, compressed: { ...images, written: archiveSizes(bytes, { pixelBudget }) } };
}

function groupsIn(payload: Uint8Array, { groups, model = 0 }: GroupsResult): WrittenGroup[] {
  let end = model;
  return groups.map(([length, count]) => {
    end += length;
    return { bytes: payload.subarray(end - length, end), count };
  });
}
