/** `pixelcnn info <archive.pxc>`: what it holds, of which model, how large it is. Nothing is decoded. */

import { existsSync, statSync } from "node:fs";
import { open } from "node:fs/promises";
import {
  type ArchiveContents,
  conditionJson,
  conditionsIn,
  contentsOf,
  describeCondition,
  describeConditions,
  type SingleContents,
} from "../../codec/archive-contents.ts";
import { labelOf } from "../../codec/archive-notes.ts";
import { within } from "../../codec/codec.ts";
import { readSingleImage, readStart } from "../../codec/container.ts";
import { hex } from "../../codec/digest.ts";
import { PixelcnnError } from "../../errors.ts";
import { findCodingModel } from "../../runs/archive-model.ts";
import { counted } from "../../words.ts";
import { readArchive } from "../options/archive-file.ts";
import type { Outcome } from "../run-command.ts";
import { alignedRows } from "../terminal.ts";

/** Nothing is decoded, so a group may claim any size that its bytes bear out. */
const pixelBudget = Number.MAX_SAFE_INTEGER;

/** Whether a path is an archive's, by its name, or else by the file's first bytes. */
export async function isArchive(path: string): Promise<boolean> {
  if (/\.pxc$/i.test(path)) return true;
  if (!existsSync(path) || !statSync(path).isFile()) return false;
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read(new Uint8Array(6), 0, 6, 0);
    readStart(buffer.subarray(0, bytesRead));
    return true;
  } catch {
    return false;
  } finally {
    await file.close();
  }
}

export async function aboutArchive(archive: string): Promise<Outcome> {
  const bytes = await readArchive(archive);
  const contents = contentsOf(archive, bytes, { pixelBudget });
  return "groups" in contents ? aboutMany(archive, bytes, contents) : aboutOne(archive, bytes, contents);
}

interface FoundModel {
  readonly name: string;
  readonly step: number;
  readonly digest: string;
  readonly channels: number;
  readonly levels: number;
}

/** The model, or null where it is not among those that are looked for. */
async function modelOf(digest: string, hint: string | undefined, archive: string): Promise<FoundModel | null> {
  try {
    const model = await findCodingModel(digest, { hint, archive, threads: 1 });
    const { channels, levels } = model.predictor;
    await model.close();
    return { name: model.name, step: model.step, digest: hex(model.predictor.digest), channels, levels };
  } catch (error) {
    if (error instanceof PixelcnnError && error.kind === "model") return null;
    throw error;
  }
}

function modelRow(model: FoundModel | null, digest: string, hint: string | undefined): string {
  if (model) return `${model.name} (step ${model.step}), digest ${model.digest}`;
  return `digest ${digest}${hint === undefined ? "" : `, named ${JSON.stringify(hint)} when this was made`}: not among the shipped ones, nor where the archive says`;
}

async function aboutMany(archive: string, bytes: Uint8Array, contents: ArchiveContents): Promise<Outcome> {
  const { file, digest, notes, names, groups } = contents;
  const { channels, levels } = file.header;
  const model = await modelOf(digest, notes?.model, archive);
  const counts = new Map<string, number>();
  let [payload, stored, pixels, labels] = [0, 0, 0, 0];
  for (const group of groups) {
    const size = `${group.height}x${group.width}`;
    counts.set(size, (counts.get(size) ?? 0) + group.count);
    payload += group.payload.length;
    stored += group.stored.filter(Boolean).length;
    pixels += group.count * group.height * group.width;
    for (let i = 0; i < group.count; i++) {
      const image = { label: file.labels?.[group.first + i], condition: group.conditions?.[i] };
      if (labelOf(notes, image) !== undefined) labels++;
    }
  }
  const dims = pixels * channels;
  const bitsPerDim = (8 * bytes.length) / dims;
  const conditions = conditionsIn(groups);
  const classes = notes?.classes ?? null;
  const sizes = [...counts].sort(([, a], [, b]) => b - a);
  const shown = sizes.slice(0, 6).map(([size, count]) => (sizes.length === 1 ? size : `${count} of ${size}`));
  const more = sizes.length > shown.length ? `, and ${counted(sizes.length - shown.length, "other size")}` : "";
  const lossy = notes?.lossy === true;
  const rows: [string, unknown][] = [
    ["archive", archive],
    ["images", `${file.images}: ${shown.join(", ")}${more}; ${counted(channels, "channel")}, ${levels} levels`],
    ["names", names.length > 1 ? `${names[0]} to ${names.at(-1)}` : names[0]],
    [
      "labels",
      labels === 0 ? "none" : `of ${counted(labels, "image")}${classes ? `, ${counted(classes.length, "class name")}` : ""}`,
    ],
    ...(conditions.bytes === 0 ? [] : [["conditions", describeConditions(conditions, notes)] satisfies [string, unknown]]),
    ["groups", `${groups.length}, of at most ${counted(Math.max(...groups.map(({ count }) => count)), "image")}`],
    ["model", modelRow(model, digest, notes?.model)],
    [
      "bytes",
      `${bytes.length}, of which ${payload} are the images${stored === 0 ? "" : `, ${stored} of them stored as they are`}`,
    ],
    [
      "bits/dim",
      `${bitsPerDim.toFixed(4)} (8 x file size / ${dims} dims); the images alone ${((8 * payload) / dims).toFixed(4)}`,
    ],
  ];
  if (lossy) rows.push(["lossless", "NO: some images were taken to the nearest levels when they were compressed"]);
  const json = {
    ...{ kind: "archive", archive, images: file.images, channels, levels, groups: groups.length, stored, labels, classes, lossy },
    conditions,
    sizes: sizes.map(([size, count]) => ({ ...sizeOf(size), count })),
    ...{ digest, model, modelHint: notes?.model ?? null, bytes: bytes.length, payload, dims, bitsPerDim },
  };
  return { json, text: alignedRows(rows) };
}

function sizeOf(text: string): { height: number; width: number } {
  const [height, width] = text.split("x").map(Number) as [number, number];
  return { height, width };
}

/** The size of the image stands in the file; what a checksum over it says needs the model's channels and levels. */
async function aboutOne(archive: string, bytes: Uint8Array, { digest }: SingleContents): Promise<Outcome> {
  const model = await modelOf(digest, undefined, archive);
  const limits = { channels: model?.channels ?? 1, levels: model?.levels ?? 256, pixelBudget };
  const { height, width, payload, stored, conditions } = within(archive, () =>
    readSingleImage(bytes, limits, { whole: model !== null }),
  );
  const condition = conditions?.[0];
  const about = {
    ...{ kind: "single", archive, images: 1, height, width, digest, model, bytes: bytes.length },
    condition: conditionJson(condition),
  };
  const rows: [string, unknown][] = [
    ["archive", `${archive}, a file of one image`],
    [
      "image",
      `${height}x${width}${model ? `; ${counted(model.channels, "channel")}, ${model.levels} levels` : ", as the file says: only its model can check it"}`,
    ],
    ...(condition === undefined ? [] : [["condition", describeCondition(condition)] satisfies [string, unknown]]),
    ["model", modelRow(model, `${digest}...`, undefined)],
    ["bytes", `${bytes.length}, of which ${payload.length} are the image${stored[0] ? ", stored as it is" : ""}`],
  ];
  if (model === null) return { json: { ...about, payload: payload.length }, text: alignedRows(rows) };
  const dims = height * width * model.channels;
  const bitsPerDim = (8 * bytes.length) / dims;
  rows.push([
    "bits/dim",
    `${bitsPerDim.toFixed(4)} (8 x file size / ${dims} dims); the image alone ${((8 * payload.length) / dims).toFixed(4)}`,
  ]);
  return { json: { ...about, payload: payload.length, stored: stored[0], dims, bitsPerDim }, text: alignedRows(rows) };
}
