/**
 * Presets: whole run configs but for what the data say (image size, channels). Every number that a preset fixes stands here, beside its reason;
 * `--set key=value` changes any of them. Figures are for two cores without a GPU.
 */

import type { z } from "zod";
import type { DataOptions } from "../data/open.ts";
import type { ModelInput } from "../models/family.ts";
import type { ConditionSource, trainSchema } from "../train/config.ts";

type DistributiveOmit<T, K extends string> = T extends unknown ? Omit<T, K> : never;

export interface Preset {
  readonly summary: string;
  /** Data options; the source is the command's argument. */
  readonly data: Omit<DataOptions, "split" | "limit">;
  /** Without what the data say: height, width, channels, levels. */
  readonly model: DistributiveOmit<ModelInput, "height" | "width" | "channels" | "levels">;
  /** Where the condition comes from. */
  readonly condition?: ConditionSource;
  readonly train: z.input<typeof trainSchema>;
}

export const PRESETS = {
  "mnist-binary": {
    summary: "MNIST, binarised stochastically: the benchmark of the papers; digits after a few minutes",
    // Each pixel is 1 with probability v / 255, drawn anew each epoch; the test set is drawn once.
    data: { binarise: "stochastic" },
    model: {
      // Width of every layer; twice the width is a third of the speed.
      features: 32,
      depth: 8,
      // A wide first look, then small kernels spread by dilation: more of the image a layer, for nothing.
      firstKernel: 7,
      kernels: [3],
      dilations: [1, 2, 4],
      skip: 32,
      head: { features: 64 },
    },
    train: {
      batch: 16,
      // 700 steps at 2e-3, 5e-3 and 1e-2 gave 86.9, 85.1 and 84.8 nats on 2,000 test images; longer runs want the middle.
      rate: 5e-3,
      decay: "cosine",
      budget: { minutes: 6 },
    },
  },
  mnist: {
    summary: "MNIST with all 256 grey levels",
    data: {},
    model: {
      features: 32,
      depth: 8,
      firstKernel: 7,
      kernels: [3],
      dilations: [1, 2, 4],
      skip: 32,
      // 256 levels need more between the skips and the logits.
      head: { features: 96 },
    },
    train: { batch: 16, rate: 5e-3, decay: "cosine", budget: { minutes: 15 } },
  },
  "fashion-mnist": {
    summary: "Fashion-MNIST with all 256 grey levels",
    data: {},
    model: {
      features: 32,
      depth: 8,
      firstKernel: 7,
      kernels: [3],
      dilations: [1, 2, 4],
      skip: 32,
      head: { features: 96 },
    },
    train: { batch: 16, rate: 5e-3, decay: "cosine", budget: { minutes: 15 } },
  },
  cifar10: {
    summary: "CIFAR-10 in colour, 256 levels a channel",
    data: {},
    model: {
      // Three groups of 16: one a colour channel.
      features: 48,
      depth: 8,
      firstKernel: 7,
      kernels: [3],
      dilations: [1, 2, 4],
      skip: 48,
      head: { features: 96 },
    },
    train: { batch: 16, rate: 4e-3, decay: "cosine", budget: { minutes: 60 } },
  },
  folder: {
    summary: "Any images of yours: grey, colour or with alpha",
    data: { fit: "crop" },
    model: {
      // 12 divides it: one, three and four channels all fit.
      features: 36,
      depth: 8,
      firstKernel: 7,
      kernels: [3],
      dilations: [1, 2, 4],
      skip: 36,
      head: { features: 72 },
    },
    train: { batch: 16, rate: 3e-3, decay: "cosine", budget: { minutes: 30 } },
  },
} as const satisfies Record<string, Preset>;

export type PresetName = keyof typeof PRESETS;
export const presetNames = Object.keys(PRESETS) as PresetName[];

/** The preset of a data source that names none. */
export function presetFor(source: string): PresetName {
  if (source === "mnist") return "mnist-binary";
  return source !== "folder" && Object.hasOwn(PRESETS, source) ? (source as PresetName) : "folder";
}

/** Size that images of differing or very large sizes are cut to when none is given: small enough to learn something from in an hour. */
export const FOLDER_SIZE = { height: 32, width: 32 };
/** Pixels an image, above which a size must be asked for. */
export const LARGEST_UNASKED = 128 * 128;
