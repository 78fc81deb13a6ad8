/**
 * The arguments `<image>...`: image files, or images of a data set as `mnist:test:0-7` (set or path, split, numbers and
 * ranges). Either way they become the model's kind of image: its channels, its levels. Their size must be the
 * model's, unless the user says how to fit them.
 */

import { existsSync } from "node:fs";
import { failBroken, isBroken, listBroken } from "../data/broken.ts";
import { imageCodec } from "../data/decode.ts";
import { lossTeller, type OnLoss } from "../data/losses.ts";
import { lostWith, padTo, toChannels } from "../data/picture.ts";
import { indicesOf, readSelection } from "../data/selection.ts";
import { fail, type PixelcnnError } from "../errors.ts";
import { modelCondition } from "../models/families.ts";
import type { RunConfig } from "../train/config.ts";
import { counted } from "../words.ts";
import { type ForModel, openForModel } from "./model-data.ts";

export interface ModelImages {
  /** [N, H, W, C], levels of the model. */
  readonly pixels: Uint8Array;
  /** One per image: a path, or as the data set names it. */
  readonly names: readonly string[];
  /**
   * One per image: its class in the data set that it comes from, as a model of classes numbers that name; otherwise -1.
   */
  readonly labels: readonly number[];
}

export type ImageRules = Pick<ForModel, "fit" | "onBroken" | "onSkipped" | "tell">;

/** All words are looked at before anything is done: those that cannot be read are named, all at once, or left out. */
export async function readImages(words: readonly string[], config: RunConfig, rules: ImageRules): Promise<ModelImages> {
  if (words.length === 0)
    fail("usage", "expected at least one image, a file or some of a data set (mnist:test:0-7), but received none");
  const parts: ModelImages[] = [];
  const broken: PixelcnnError[] = [];
  const onLossOf = lossTeller({ onWarning: rules.tell });
  for (const word of words) {
    try {
      parts.push(await readOne(word, config, rules, onLossOf));
    } catch (error) {
      if (!isBroken(error)) throw error;
      broken.push(error);
    }
  }
  const which = `${broken.length} of ${counted(words.length, "image")}`;
  if (broken.length > 0) {
    if (rules.onBroken !== "skip" || parts.length === 0)
      failBroken(`${which} cannot be read`, broken, "--on-broken skip leaves them out");
    rules.tell(listBroken(`skipped ${which} that cannot be read`, broken));
    rules.onSkipped?.(broken.map(({ message }) => message));
  }
  const pixels = new Uint8Array(parts.reduce((sum, part) => sum + part.pixels.length, 0));
  let at = 0;
  for (const part of parts) {
    pixels.set(part.pixels, at);
    at += part.pixels.length;
  }
  return { pixels, names: parts.flatMap((part) => part.names), labels: parts.flatMap((part) => part.labels) };
}

async function readOne(
  word: string,
  config: RunConfig,
  rules: ImageRules,
  onLossOf: (where: string) => OnLoss,
): Promise<ModelImages> {
  const selection = readSelection(word);
  if (selection?.numbers !== undefined) {
    const { numbers, ...source } = selection;
    const data = await openForModel(config, { ...rules, ...source });
    const { model } = config;
    const condition = modelCondition(model);
    const classes = condition?.kind === "class" ? condition.classes : null;
    try {
      const indices = indicesOf(numbers, word, data.length);
      const { pixels, labels } = await data.batch(indices, { epoch: 0 });
      const numbered = (label: number): number => classes?.indexOf(data.classes?.[label] ?? "") ?? label;
      return { pixels, names: indices.map((i) => data.nameOf(i)), labels: Array.from(labels, numbered) };
    } finally {
      await data.close?.();
    }
  }
  if (!existsSync(word)) {
    return fail(
      "io",
      "expected an image file, or images of a data set such as mnist:test:0-7, but received " +
        `${JSON.stringify(word)}, and there is no such file`,
    );
  }
  return { pixels: await readFileAs(word, config, rules, onLossOf(word)), names: [word], labels: [-1] };
}

async function readFileAs(
  path: string,
  { model: { height, width, channels, levels }, data: { white } }: RunConfig,
  { fit }: ImageRules,
  onLoss: OnLoss,
): Promise<Uint8Array> {
  if (channels !== 1 && channels !== 3 && channels !== 4)
    return fail("usage", `expected a model of 1, 3 or 4 channels to read image files for but it has ${channels}`);
  const target = fit && { height, width, fit };
  const picture = await imageCodec.decode(path, path, { target, white, onLoss });
  if (!fit) checkSize(path, picture, { height, width });
  const lost = fit ? null : lostWith(picture, channels);
  if (lost)
    fail("data", `expected an image without ${lost} for ${path}, for ${channels} channels, but received one with it`);
  const fitted = padTo(toChannels(picture, channels), height, width);
  return fitted.pixels.map((v) => Math.floor((v * levels) / 256));
}

interface Size {
  readonly height: number;
  readonly width: number;
}

/** Throws unless what was found at a path has the model's size. `why` it must have it. */
export function checkSize(path: string, found: Size, { height, width }: Size, why?: string): void {
  if (found.height === height && found.width === width) return;
  const since = why === undefined ? "" : `, since ${why},`;
  fail(
    "data",
    `expected ${width} x ${height} pixels (width x height), the model's size, for ${path}${since} but received ` +
      `${found.width} x ${found.height}`,
  );
}

/** A mask picture: 1 where it is white (the pixel is given), 0 where it is black (to be filled in), [H, W]. */
export async function readMask(path: string, size: Size): Promise<Uint8Array> {
  if (!existsSync(path)) fail("io", `expected a mask picture at ${path} but there is no such file`);
  const picture = await imageCodec.decode(path, path);
  checkSize(path, picture, size);
  return toChannels(picture, 1).pixels.map((v) => (v > 127 ? 1 : 0));
}
