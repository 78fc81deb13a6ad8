/** What an archive holds, of which model, how large it is. Nothing is decoded. */

import {
  type ArchiveContents,
  conditionJson,
  contentsOf,
  imagesIn,
  type SingleContents,
} from "../codec/archive-contents.ts";
import { within } from "../codec/codec.ts";
import { readSingleImage } from "../codec/container.ts";
import { hex } from "../codec/digest.ts";
import { PixelcnnError } from "../errors.ts";
import { readArchive } from "./archive-file.ts";
import { findCodingModel, openInnerModel } from "./archive-model.ts";

/** Nothing is decoded, so a group may claim any size that its bytes bear out. */
const pixelBudget = Number.MAX_SAFE_INTEGER;

/** A model among those that are looked for. */
export interface FoundModel {
  readonly name: string;
  readonly step: number;
  readonly digest: string;
  readonly channels: number;
  readonly levels: number;
}

export type AboutMany = Awaited<ReturnType<typeof aboutMany>>;
export type AboutSingle = Awaited<ReturnType<typeof aboutSingle>>;

/** A summary of an archive, and everything that it says about itself. */
export type AboutArchive =
  | { readonly kind: "archive"; readonly about: AboutMany; readonly contents: ArchiveContents }
  | { readonly kind: "single"; readonly about: AboutSingle; readonly contents: SingleContents };

/** Looks through the file at a path. */
export async function aboutArchive(archive: string): Promise<AboutArchive> {
  const bytes = await readArchive(archive);
  const contents = contentsOf(archive, bytes, { pixelBudget });
  return "groups" in contents
    ? { kind: "archive", about: await aboutMany(archive, bytes, contents), contents }
    : { kind: "single", about: await aboutSingle(archive, bytes, contents), contents };
}

async function findModel(
  digest: string,
  hint: string | undefined,
  archive: string,
  bytes: Uint8Array,
): Promise<FoundModel | null> {
  try {
    const inner = await openInnerModel(bytes, { threads: 1 });
    const model = inner ?? (await findCodingModel(digest, { hint, archive, threads: 1 }));
    const { channels, levels } = model.predictor;
    await model.close();
    return { name: model.name, step: model.step, digest: hex(model.predictor.digest), channels, levels };
  } catch (error) {
    if (error instanceof PixelcnnError && error.kind === "model") return null;
    throw error;
  }
}

async function aboutMany(archive: string, bytes: Uint8Array, contents: ArchiveContents) {
  const { file, digest, notes, inside, groups, conditions } = contents;
  const { channels, levels } = file.header;
  const model = await findModel(digest, notes?.model, archive, bytes);
  const sizes = new Map<string, { height: number; width: number; count: number }>();
  let [payload, stored, pixels] = [0, 0, 0];
  for (const group of groups) {
    const { height, width, count } = group;
    const key = `${height}x${width}`;
    sizes.set(key, { height, width, count: (sizes.get(key)?.count ?? 0) + count });
    payload += group.payload.length;
    stored += group.stored.filter(Boolean).length;
    pixels += count * height * width;
  }
  const labels = imagesIn(contents).filter(({ label }) => label !== undefined).length;
  const dims = pixels * channels;
  return {
    kind: "archive" as const,
    archive,
    images: file.images,
    channels,
    levels,
    groups: groups.length,
    /** Images that are stored as they are. */
    stored,
    /** Images with a label. */
    labels,
    classes: notes?.classes ?? null,
    lossy: notes?.lossy === true,
    conditions,
    /** The commonest first. */
    sizes: [...sizes.values()].sort((a, b) => b.count - a.count),
    /** The model's. */
    digest,
    model,
    /** The model inside: its bytes, and how its weights are rounded. */
    inside: inside ?? null,
    /** Where the model was when the archive was made. */
    modelHint: notes?.model ?? null,
    /** Of the file. */
    bytes: bytes.length,
    /** Bytes of the coded images alone. */
    payload,
    dims,
    bitsPerDim: (8 * bytes.length) / dims,
  };
}

/** The size of the image stands in the file; what a checksum over it says needs the model's channels and levels. */
async function aboutSingle(archive: string, bytes: Uint8Array, { digest }: SingleContents) {
  const model = await findModel(digest, undefined, archive, bytes);
  const limits = { channels: model?.channels ?? 1, levels: model?.levels ?? 256, pixelBudget };
  const { height, width, payload, stored, conditions } = within(archive, () =>
    readSingleImage(bytes, limits, { whole: model !== null }),
  );
  const dims = model ? height * width * model.channels : undefined;
  return {
    kind: "single" as const,
    archive,
    images: 1,
    height,
    width,
    digest,
    model,
    bytes: bytes.length,
    condition: conditionJson(conditions?.[0]),
    payload: payload.length,
    // What only the model can say.
    stored: model ? stored[0] : undefined,
    dims,
    bitsPerDim: dims && (8 * bytes.length) / dims,
  };
}
