/**
 * Presets: whole run configs but for what the data say (image size, channels). Every number that a preset fixes stands
 * here, beside its reason; `--set key=value` changes any of them. Figures are for two cores without a GPU.
 */

import type { z } from "zod";
import type { DataOptions } from "../data/options.ts";
import type { ModelInput } from "../models/families.ts";
import type { ConditionSource, trainSchema } from "../train/config.ts";

type DistributiveOmit<T, K extends string> = T extends unknown ? Omit<T, K> : never;

export interface Preset {
  readonly summary: string;
  /** Data options; the source is the command's argument. */
  readonly data: Omit<DataOptions, "split" | "limit">;
  /** Without what the data say: height, width, channels, levels, and what a condition is. */
  readonly model: DistributiveOmit<ModelInput, "height" | "width" | "channels" | "levels" | "condition"> & {
    /** Feature maps of m(h). */
    readonly condition?: { readonly features: number };
  };
  /** Where the condition comes from. */
  readonly condition?: ConditionSource;
  readonly train: z.input<typeof trainSchema>;
}

/** A wide first look, then small kernels spread by dilation: each layer sees more of the image at no cost. */
const LAYERS = { depth: 8, firstKernel: 7, kernels: [3], dilations: [1, 2, 4] };
/**
 * States down the columns in layers 3, 5 and 7. At 1,500 steps of `mnist-binary` they were worth more than a nat, ten
 * times the spread of seeds (bench/RESULTS.md), for a quarter more time a step. Auto-encoders do without: a decoder
 * that knows more of the rows above hears less of its latents.
 */
const RECALL = { ...LAYERS, columnEvery: 2 };
/**
 * Grey images of few levels; 256 levels need more between the skips and the logits. Twice the width is a third of the
 * speed.
 */
const BINARY = { features: 32, skip: 32, head: { features: 64 } };
const GREY = { ...RECALL, features: 32, skip: 32, head: { features: 96 } };
/** Three groups of 16: one a colour channel. */
const COLOUR = { ...LAYERS, features: 48, skip: 48, head: { features: 96 } };
/** Few people with few pictures each: the test set has other people, and training mirrors and shifts each picture. */
const PEOPLE = {
  splitBy: "class",
  testFraction: 0.2,
  height: 32,
  width: 32,
  channels: 1,
  // 256 levels are mostly noise to learn: of 32 levels a model of the same time drew no face, of 16 it did.
  levels: 16,
  mirror: true,
  shift: 3,
} as const;
/** Each pixel is 1 with probability v / 255, drawn anew each epoch; the test set is drawn once. */
const STOCHASTIC = { binarise: "stochastic" } as const;

export const PRESETS = {
  "mnist-binary": {
    summary: "MNIST, binarised stochastically: the benchmark of the papers; digits after a few minutes",
    data: STOCHASTIC,
    model: { ...RECALL, ...BINARY },
    // 700 steps at 2e-3, 5e-3 and 1e-2 gave 86.9, 85.1 and 84.8 nats on 2,000 test images; longer runs want the middle.
    train: { batch: 16, rate: 5e-3, decay: "cosine", budget: { minutes: 6 } },
  },
  "mnist-gated-pixelcnn": {
    summary: "The same images with the Gated PixelCNN as the paper has it, without states down the columns",
    data: STOCHASTIC,
    model: { ...LAYERS, ...BINARY },
    train: { batch: 16, rate: 5e-3, decay: "cosine", budget: { minutes: 10 } },
  },
  "mnist-pixelcnn": {
    summary:
      "The same images with the plain PixelCNN, as many parameters as mnist-gated-pixelcnn: what gates and two " +
      "stacks are worth",
    data: STOCHASTIC,
    model: { family: "pixelcnn", ...LAYERS, features: 50, head: { features: 64 } },
    // 400 steps at 2e-3, 4e-3 and 8e-3 gave 92.8, 91.8 and 91.1 nats; longer runs want less.
    train: { batch: 16, rate: 6e-3, decay: "cosine", budget: { minutes: 10 } },
  },
  "mnist-row-lstm": {
    summary: "The same images with the Row LSTM, as many parameters as mnist-gated-pixelcnn",
    data: STOCHASTIC,
    model: { family: "row-lstm", features: 36, depth: 5, head: { features: 64 } },
    train: { batch: 16, rate: 5e-3, decay: "cosine", budget: { minutes: 20 } },
  },
  "mnist-diagonal-bilstm": {
    summary:
      "The same images with the Diagonal BiLSTM, as many parameters as mnist-gated-pixelcnn; opens for a quarter of " +
      "a minute",
    data: STOCHASTIC,
    model: { family: "diagonal-bilstm", features: 33, depth: 5, head: { features: 64 } },
    train: { batch: 16, rate: 5e-3, decay: "cosine", budget: { minutes: 20 } },
  },
  mnist: {
    summary: "MNIST with all 256 grey levels",
    data: {},
    model: GREY,
    train: { batch: 16, rate: 5e-3, decay: "cosine", budget: { minutes: 15 } },
  },
  "fashion-mnist": {
    summary: "Fashion-MNIST with all 256 grey levels",
    data: {},
    model: GREY,
    train: { batch: 16, rate: 5e-3, decay: "cosine", budget: { minutes: 15 } },
  },
  cifar10: {
    summary: "CIFAR-10 in colour, 256 levels a channel",
    data: {},
    model: COLOUR,
    train: { batch: 16, rate: 4e-3, decay: "cosine", budget: { minutes: 60 } },
  },
  folder: {
    summary: "Any images of yours: grey, colour or with alpha",
    data: { fit: "crop" },
    // 12 divides the widths: one, three and four channels all fit.
    model: { ...LAYERS, features: 36, skip: 36, head: { features: 72 } },
    train: { batch: 16, rate: 3e-3, decay: "cosine", budget: { minutes: 30 } },
  },
  emoji: {
    summary: "Emoji of 32x32 with alpha, conditioned on sentence vectors of their names and tags",
    // Drawings of flat colours: 8 levels per channel look nearly the same and are learned several times sooner.
    data: { levels: 8 },
    // Through m(h): an emoji is one object in the middle, and the text says what goes where.
    model: { ...LAYERS, depth: 6, features: 48, skip: 48, head: { features: 96 }, condition: { features: 48 } },
    condition: { from: "captions" },
    // Three of five emoji are people in several skin tones. Drawn uniformly, the other emoji are seen too rarely to be
    // learned by name. Without decay the model memorises the 3,508 emoji and depends less on captions that it has not
    // seen.
    train: {
      batch: 16,
      rate: 4e-3,
      weightDecay: 0.05,
      conditionDropout: 0.1,
      balance: true,
      decay: "cosine",
      budget: { minutes: 30 },
    },
  },
  "mnist-autoencoder": {
    summary: "MNIST, binarised: an encoder to 10 latents, and a PixelCNN that draws what they leave open",
    data: STOCHASTIC,
    model: {
      family: "autoencoder",
      latents: 10,
      encoder: { normalise: true },
      decoder: { kind: "pixelcnn", ...LAYERS, ...BINARY, mapFeatures: 32 },
    },
    train: { batch: 16, rate: 3e-3, warmup: 200, decay: "cosine", budget: { minutes: 10 } },
  },
  "mnist-deconvolution": {
    summary: "The same encoder with a deconvolution trained on squared error: the paper's baseline",
    data: STOCHASTIC,
    model: { family: "autoencoder", latents: 10, decoder: { kind: "deconvolution" } },
    train: { batch: 16, rate: 2e-3, decay: "cosine", budget: { minutes: 3 } },
  },
  "cifar10-autoencoder": {
    summary: "CIFAR-10 in 16 levels a channel: an encoder to 100 latents with a PixelCNN decoder",
    // 256 levels are mostly noise to learn, and the latents carry none of it.
    data: { levels: 16 },
    model: {
      family: "autoencoder",
      latents: 100,
      // A hidden layer of 256 units lost half of what 100 latents can hold, and the pictures had no colours.
      encoder: { hidden: 0, linear: true },
      // The linear path gives every pixel the colours of the principal components from the first step on: after 31,000
      // images the mean of 16 samples was within 98 of the image (squared error), where V h through m(h) alone had
      // saved 0.05 bits/dim after 64,000.
      decoder: {
        kind: "pixelcnn",
        ...LAYERS,
        depth: 5,
        features: 30,
        skip: 30,
        head: { features: 60 },
        mapFeatures: 12,
        linear: true,
      },
    },
    // Blind: neighbours tell so much about a pixel that the decoder would hardly use the latents within hours. Dropout:
    // for guidance.
    train: {
      batch: 16,
      rate: 3e-3,
      warmup: 200,
      conditionDropout: 0.1,
      blind: 0.25,
      decay: "cosine",
      budget: { minutes: 60 },
    },
  },
  "cifar10-deconvolution": {
    summary: "CIFAR-10: an encoder to 100 latents with a deconvolution trained on squared error",
    data: {},
    model: {
      family: "autoencoder",
      latents: 100,
      encoder: { hidden: 0, linear: true },
      // Refined: without those two layers six minutes end where the principal components begin, at 75 instead of 69.
      decoder: { kind: "deconvolution", features: [96, 64, 16], linear: true, refine: [32, 32] },
    },
    // At 4e-3, and more than twice the images, the error was no smaller.
    train: { batch: 64, rate: 3e-3, decay: "cosine", budget: { minutes: 6 } },
  },
  embedder: {
    summary:
      "Vectors that lie together for images of one class (subfolder, person), by a triplet loss; tested on classes " +
      "held out",
    data: PEOPLE,
    // Few numbers and a small encoder: with 32 people to learn from, a larger one memorises them.
    model: { family: "embedder", size: 12, margin: 0.5, encoder: { features: [8, 16, 32], hidden: 0 } },
    // Sixteen classes of four images.
    train: { batch: 64, perClass: 4, rate: 2e-3, decay: "cosine", budget: { steps: 500 } },
  },
  portraits: {
    summary: "Small grey pictures of classes (people), conditioned on an embedder's vector: --condition peers:EMBEDDER",
    data: PEOPLE,
    model: { ...LAYERS, features: 32, skip: 32, head: { features: 64 } },
    train: {
      batch: 16,
      rate: 4e-3,
      weightDecay: 0.05,
      conditionDropout: 0.1,
      decay: "cosine",
      budget: { steps: 2000 },
    },
  },
} as const satisfies Record<string, Preset>;

export type PresetName = keyof typeof PRESETS;
export const presetNames = Object.keys(PRESETS) as PresetName[];

/** Named sets whose preset has their name. */
const NAMED = new Set(["fashion-mnist", "cifar10", "emoji"]);

/** The preset of a data source that names none. */
export function presetFor(source: string): PresetName {
  if (source === "mnist") return "mnist-binary";
  return NAMED.has(source) ? (source as PresetName) : "folder";
}

/**
 * Size that images of differing or very large sizes are cut to when none is given: small enough to learn something from
 * in an hour.
 */
export const FOLDER_SIZE = { height: 32, width: 32 };
/** Pixels per image above which the user must choose a size. */
export const LARGEST_UNASKED = 128 * 128;
