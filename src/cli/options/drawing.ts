/**
 * What the commands that draw images have in common: their options, and which of them a deconvolution has no use for.
 */

import { fail } from "../../errors.ts";
import { familyName } from "../../models/families.ts";
import type { OpenedModel } from "../../runs/open-model.ts";
import { numberOption } from "./number-option.ts";

/** Options of every command that draws a picture. */
export const pictureArgs = {
  scale: {
    type: "string",
    valueHint: "X",
    description: "Enlarge each pixel so many times; default: to a picture of about 800",
  },
  threads: { type: "string", valueHint: "T", description: "CPU threads; default one. The images do not depend on it" },
} as const;

export const drawingArgs = {
  temperature: {
    type: "string",
    valueHint: "T",
    description: "Below 1: likelier, plainer images; above: wilder; default 1",
  },
  guidance: { type: "string", valueHint: "G", description: "Strengthen the condition; see `pixelcnn sample --help`" },
  ...pictureArgs,
} as const;

/** Options of the commands that draw with a PixelCNN, by the exact engine or by full passes. */
export const samplingArgs = {
  temperature: {
    type: "string",
    valueHint: "T",
    default: "1",
    description:
      "Below 1: likelier, plainer images; above: wilder; with --oracle also 0: the likeliest level each time",
  },
  ...pictureArgs,
  oracle: {
    type: "boolean",
    description:
      "Draw by full passes through the network instead, some hundred times slower: the check of the exact engine",
  },
} as const;

type Given<T> = { readonly [K in keyof T]?: string | undefined };

export function readPicture(args: Given<typeof pictureArgs>): {
  scale: number | undefined;
  threads: number | undefined;
} {
  return {
    scale: numberOption("scale", args.scale, { min: 1, max: 100 }),
    threads: numberOption("threads", args.threads, { min: 1, max: 1024 }),
  };
}

/** `coldest`: whether a temperature of 0 is one. */
export function readDrawing(args: Given<typeof drawingArgs>, { coldest = false } = {}) {
  return {
    temperature: numberOption("temperature", args.temperature, { fraction: true, above: !coldest }),
    guidance: numberOption("guidance", args.guidance, { fraction: true }),
    ...readPicture(args),
  };
}

/** Refuses what says how to draw, by the option's words, for a model that draws nothing. */
export function refuseDrawing({ name, config }: OpenedModel, given: Readonly<Record<string, unknown>>): void {
  const wrong = Object.keys(given).find((word) => given[word] !== undefined);
  if (wrong)
    fail(
      "usage",
      `expected no ${wrong}: ${name} is ${familyName(config)}, which gives one image a code and draws nothing`,
    );
}

/** The seed that names what is drawn, in words; nothing where nothing is. */
export function drawnBy(seed: number | undefined): string {
  return seed === undefined ? "" : ` (seed ${seed})`;
}
