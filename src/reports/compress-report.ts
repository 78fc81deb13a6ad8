/** What `compress` says, of one process or of all shards. */

import type { Compressed } from "../runs/compress-images.ts";
import type { AboutArchive } from "../runs/compress-shard.ts";
import type { Teller } from "../runs/source-image.ts";
import { describeLeftOut } from "../runs/source-images.ts";
import { counted } from "../words.ts";
import type { Report } from "./report.ts";

interface ArchiveFile {
  readonly out: string;
  /** A file an image. */
  readonly single?: boolean | undefined;
  readonly seconds: number;
}

/** Notes on the tell, and the outcome. */
export function compressReport(
  { model, sources, conditions }: AboutArchive,
  { images, written, dims, raw, rounded, restored, told, replaced }: Compressed,
  { out, single, seconds }: ArchiveFile,
  tell: Teller,
): Report {
  const { name, step, channels, levels } = model;
  const { bytes, payload } = written;
  const bitsPerDim = (8 * bytes) / dims;
  if (conditions !== undefined && written.conditions > payload)
    tell.note("the conditions take more bytes than the images: --unconditional, or one for all images, may cost less");
  if (replaced !== undefined && bytes > replaced)
    tell.warn(`the archive is larger than the files in it, ${bytes} bytes to ${replaced}: keep the files`);
  const { of, leftOut, broken } = sources;
  const left = describeLeftOut(sources);
  return {
    code: broken > 0 ? 1 : 0,
    json: {
      model: name,
      step,
      out,
      images,
      of,
      leftOut,
      bytes,
      payload,
      modelBytes: written.model,
      dims,
      bitsPerDim,
      raw,
      channels,
      levels,
      lossy: rounded > 0,
      quantised: rounded,
      restored,
      seconds,
      conditions: conditions === undefined ? null : { of: conditions, images: told, bytes: written.conditions },
    },
    text:
      `${counted(images, "image")} in ${seconds.toFixed(1)} s: ` +
      `${single && images > 1 ? `${counted(images, "file")} in ${out}` : out}\n` +
      `${bytes} bytes, ${bitsPerDim.toFixed(4)} bits/dim (8 x file size / ${dims} dims); ` +
      (written.model === 0 ? "" : `${written.model} of them are the model; `) +
      `raw, at ${counted(Math.ceil(Math.log2(levels)), "bit")} a sub-pixel, ${raw} bytes: ` +
      `${(raw / bytes).toFixed(2)} times as many` +
      (left === null ? "" : `\n${left}`) +
      (conditions === undefined
        ? ""
        : `\nconditions: ${conditions}; ${written.conditions} of the bytes, for ${counted(told, "image")}`),
  };
}
