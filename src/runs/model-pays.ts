/**
 * Whether a model inside an archive is worth its bytes: a few images, coded with it and as PNG files, say from how many
 * on it is.
 */

import { readNotes, tablesOf } from "../codec/archive-notes.ts";
import { type CodecImage, encodeImages } from "../codec/codec.ts";
import { openPxc, readGroup } from "../codec/container.ts";
import { valuesOf } from "../codec/level-table.ts";
import type { RoundedModel } from "../codec/stored-model.ts";
import { channelsUsed, toChannels } from "../data/picture.ts";
import { encodePng } from "../pictures/png.ts";
import { counted } from "../words.ts";
import type { CodingModel } from "./archive-model.ts";
import type { Teller } from "./source-image.ts";

/** Images that are tried. */
const TRIED = 32;
/** Their sub-pixels, about. */
const TRIED_LEVELS = 2 ** 18;

/** Images before they are coded. */
interface Uncoded {
  readonly about: { readonly dims: number; readonly raw: number; readonly replaced: number | undefined };
  readonly images: readonly CodecImage[];
  readonly notes: string;
}

interface ModelPays {
  /** Bytes of the model, and, as far as the tried images say, of all images with it. */
  readonly model: number;
  readonly coded: number;
  /** Bytes of the images otherwise: their own files, or as PNG. */
  readonly otherwise: number;
  readonly otherwiseIs: string;
  /** From how many such images on the archive is smaller; Infinity where it never is. */
  readonly from: number;
}

/** Codes some of the images, evenly spread. */
async function modelPays(
  { predictor }: CodingModel,
  { bytes }: RoundedModel,
  { about, images, notes }: Uncoded,
): Promise<ModelPays> {
  const { channels, levels } = predictor;
  const count = Math.min(TRIED, images.length);
  const tried = Array.from({ length: count }, (_, i) => Math.floor((i * images.length) / count));
  // Of large images the first rows; a model whose condition fixes their size has small ones.
  const sample = tried.map((i) => {
    const image = images[i]!;
    const perRow = image.width * channels;
    const rows = predictor.mapSize ? image.height : Math.max(1, Math.floor(TRIED_LEVELS / count / perRow));
    const height = Math.min(image.height, rows);
    return { ...image, name: undefined, label: undefined, height, pixels: image.pixels.subarray(0, height * perRow) };
  });
  const file = openPxc(await encodeImages(predictor, sample));
  let payload = 0;
  if (file.kind === "archive") for (const i of file.groups.keys()) payload += readGroup(file, i).payload.length;
  const sizeOf = ({ height, width }: CodecImage): number => height * width * channels;
  const scale = about.dims / sample.reduce((sum, image) => sum + sizeOf(image), 0);
  const tableOf = tablesOf(readNotes(notes), levels);
  const png = sample.reduce((sum, { height, width, pixels }, k) => {
    const i = tried[k]!;
    // PNG has no other channels.
    if (channels !== 1 && channels !== 3 && channels !== 4) return sum + pixels.length;
    const picture = { height, width, channels, pixels: valuesOf(pixels, tableOf(i), `image ${i}`) } as const;
    return sum + encodePng(toChannels(picture, channelsUsed(picture))).length;
  }, 0);
  const coded = Math.round(payload * scale);
  const otherwise = about.replaced ?? Math.round(png * scale);
  const saved = (otherwise - coded) / images.length;
  const otherwiseIs = about.replaced === undefined ? "as PNG files" : "in their files";
  return { model: bytes.length, coded, otherwise, otherwiseIs, from: saved > 0 ? bytes.length / saved : Infinity };
}

/** One line, before the work, where the images are too few for the model's bytes to pay. */
export async function sayIfTooFew(
  model: CodingModel,
  inside: RoundedModel,
  ready: Uncoded,
  tell: Teller,
): Promise<void> {
  const { model: bytes, coded, otherwise, otherwiseIs, from } = await modelPays(model, inside, ready);
  if (bytes + coded < otherwise) return;
  const pays = Number.isFinite(from) ? `from about ${Math.ceil(from)} such images on` : "for no number of such images";
  tell.note(
    `${counted(ready.images.length, "image")}: about ${coded} bytes and ${bytes} of the model inside, against ` +
      `${otherwise} ${otherwiseIs} and ${ready.about.raw} raw; the model's bytes pay ${pays}`,
  );
}
