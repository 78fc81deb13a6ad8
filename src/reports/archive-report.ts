/** `pixelcnn info <archive.pxc>`: what it holds, of which model, how large it is. Nothing is decoded. */

import { describeConditions, describeValue } from "../codec/archive-contents.ts";
import { type AboutArchive, aboutArchive, type FoundModel } from "../runs/about-archive.ts";
import { alignedRows, counted } from "../words.ts";
import type { Report } from "./report.ts";

type Row = readonly [string, unknown];

export async function archiveReport(archive: string): Promise<Report> {
  const found = await aboutArchive(archive);
  return { json: found.about, text: alignedRows(found.kind === "archive" ? rowsOfMany(found) : rowsOfSingle(found)) };
}

function modelRow(model: FoundModel | null, digest: string, hint: string | null): Row {
  if (model) return ["model", `${model.name} (step ${model.step}), digest ${model.digest}`];
  const named = hint === null ? "" : `, named ${JSON.stringify(hint)} when this was made`;
  return ["model", `digest ${digest}${named}: not among the shipped ones, nor where the archive says`];
}

function bitsRow(dims: number, bitsPerDim: number, payload: number, alone: string): Row {
  const own = ((8 * payload) / dims).toFixed(4);
  return ["bits/dim", `${bitsPerDim.toFixed(4)} (8 x file size / ${dims} dims); ${alone} ${own}`];
}

function rowsOfMany({
  about,
  contents: { notes, names, inside, groups },
}: AboutArchive & { readonly kind: "archive" }): Row[] {
  const { archive, images, channels, levels, stored, labels, classes, conditions, sizes, bytes, payload } = about;
  const shown = sizes.slice(0, 6).map(({ height, width, count }) => {
    return sizes.length === 1 ? `${height}x${width}` : `${count} of ${height}x${width}`;
  });
  const more = sizes.length > shown.length ? `, and ${counted(sizes.length - shown.length, "other size")}` : "";
  const named = classes ? `, ${counted(classes.length, "class name")}` : "";
  const largest = Math.max(...groups.map(({ count }) => count));
  return [
    ["archive", archive],
    ["images", `${images}: ${shown.join(", ")}${more}; ${counted(channels, "channel")}, ${levels} levels`],
    ["names", names.length > 1 ? `${names[0]} to ${names.at(-1)}` : names[0]],
    ["labels", labels === 0 ? "none" : `of ${counted(labels, "image")}${named}`],
    ...(conditions.bytes === 0 ? [] : [["conditions", describeConditions(conditions, notes)] as Row]),
    ["groups", `${groups.length}, of at most ${counted(largest, "image")}`],
    modelRow(about.model, about.digest, about.modelHint),
    ...(inside ? [["inside", `the model, ${inside.bytes} bytes, weights in ${inside.precision}`] as Row] : []),
    [
      "bytes",
      `${bytes}, of which ${payload} are the images${stored === 0 ? "" : `, ${stored} of them stored as they are`}`,
    ],
    bitsRow(about.dims, about.bitsPerDim, payload, "the images alone"),
    ...(about.lossy
      ? [["lossless", "NO: some images were taken to the nearest levels when they were compressed"] as Row]
      : []),
  ];
}

function rowsOfSingle({ about, contents: { condition } }: AboutArchive & { readonly kind: "single" }): Row[] {
  const { archive, height, width, digest, model, bytes, payload, dims, bitsPerDim } = about;
  const checked = model
    ? `; ${counted(model.channels, "channel")}, ${model.levels} levels`
    : ", as the file says: only its model can check it";
  return [
    ["archive", `${archive}, a file of one image`],
    ["image", `${height}x${width}${checked}`],
    ...(condition === undefined ? [] : [["condition", describeValue(condition)] as Row]),
    modelRow(model, `${digest}...`, null),
    ["bytes", `${bytes}, of which ${payload} are the image${about.stored ? ", stored as it is" : ""}`],
    ...(dims === undefined ? [] : [bitsRow(dims, bitsPerDim!, payload, "the image alone")]),
  ];
}
