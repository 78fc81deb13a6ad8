/**
 * A run as data: its images, its model, its training. Strict: an unknown key is an error. The run's folder keeps it
 * resolved.
 */

import { z } from "zod";
import { dataOptionsSchema } from "../data/options.ts";
import type { PixelcnnConfig } from "../models/config.ts";
import { familyName, type ModelConfig, modelInputs, modelSchema, pixelcnnIn, separable } from "../models/families.ts";
import { parseStrict } from "../models/schema.ts";

const positive = z.number().gt(0);

export const trainSchema = z.strictObject({
  /** Images per step. */
  batch: z.int().min(1).max(4096).default(16),
  /**
   * Images a shard of a step on the CPU; it divides the batch. Another size rounds otherwise. Default: by the model
   * (shardSize in step.ts). Larger ones make less traffic where shards go to other machines.
   */
  shard: z.int().min(1).max(4096).optional(),
  /** Peak learning rate of Adam. */
  rate: positive.max(1).default(2e-3),
  /** Steps over which the rate rises from 0. */
  warmup: z.int().min(0).default(100),
  /**
   * "cosine" falls to `finalRate` times the peak at the end of the budget; "constant" stays; "cooldown" stays and falls
   * in the last part of the budget, `cooldown`. A run that was cooled down and goes on for longer stays at the peak
   * again until its new end is near, where a cosine would begin in its middle.
   */
  decay: z.enum(["cosine", "constant", "cooldown"]).default("cosine"),
  /** Part of the budget over which "cooldown" falls, in a straight line. */
  cooldown: positive.max(1).default(0.3),
  finalRate: z.number().min(0).max(1).default(0.02),
  beta1: z.number().min(0).lt(1).default(0.9),
  beta2: z.number().min(0).lt(1).default(0.99),
  epsilon: positive.default(1e-8),
  /**
   * The rate of hidden matrices under Muon (muon.ts), as a multiple of `rate`; 0: Adam moves these too.
   */
  muon: z.number().min(0).max(1000).default(0),
  /** Decoupled; weights only, not biases. */
  weightDecay: z.number().min(0).max(10).default(0),
  /** Largest global norm of the gradient of the mean nats per image; 0 for no clipping. */
  clip: z.number().min(0).default(100),
  /** Decay of the moving average of the weights, which is what is saved and sampled; early steps use less. */
  average: z.number().min(0).lt(1).default(0.999),
  /**
   * Share of images whose condition, or own latents, are left out, so that one model serves with and without, and for
   * guidance.
   */
  conditionDropout: z.number().min(0).max(1).default(0),
  /**
   * Share of images whose pixels the network is not shown, so that it has to tell them from the condition alone (as
   * word dropout does for texts, Bowman et al. 2016). Its neighbours tell so much of a pixel that a network may learn
   * all else from them before it learns to listen.
   */
  blind: z.number().min(0).lt(1).default(0),
  /** Every class as often, however few images it has; images without a class are not seen. */
  balance: z.boolean().default(false),
  /** Images of one class in a batch, for a model that learns from who is who (embedder). */
  perClass: z.int().min(2).max(4096).default(4),
  /** Names the initial weights and the order of the images. */
  seed: z.int().min(0).default(1),
  /** When to stop; exactly one. Minutes count training time only, over all resumes. */
  budget: z
    .union(
      [
        z.strictObject({ steps: z.int().min(0) }),
        z.strictObject({ epochs: positive }),
        z.strictObject({ minutes: positive }),
      ],
      { error: "expected exactly one of steps (whole, from 0), epochs or minutes (above 0)" },
    )
    .default({ epochs: 10 }),
  /** Minutes of training between checkpoints; each is tested and sampled by the command line. */
  checkpointMinutes: positive.default(1),
});
export type TrainConfig = z.output<typeof trainSchema>;

export const dataSchema = dataOptionsSchema.omit({ split: true }).extend({
  /** A named set or a path. */
  source: z.string().min(1),
  /** A run of an earlier version does not say: its split was drawn by order, and stays. */
  splitDraw: dataOptionsSchema.shape.splitDraw.unwrap().default("order"),
});

/** Where the conditions of a data set's images come from; docs/conditioning.md. */
export const conditionSourceSchema = z.discriminatedUnion("from", [
  /** The classes of the data. */
  z.strictObject({ from: z.literal("class") }),
  /** `data.vectors`: a vector per image, or a map where the file's rows are [h, w, c]. */
  z.strictObject({ from: z.literal("vectors") }),
  /** Sentence vectors of the data's captions. */
  z.strictObject({ from: z.literal("captions") }),
  /**
   * What another model's encoder makes of the image itself or, with "class", of other images of its class. `model` is a
   * path; inside the folder of a run, a copy that goes with it.
   */
  z.strictObject({
    from: z.literal("encoder"),
    model: z.string().min(1),
    of: z.enum(["image", "class"]).default("image"),
  }),
  /** The image itself, averaged down to height x width: a map. */
  z.strictObject({ from: z.literal("thumbnail"), height: z.int().min(1), width: z.int().min(1) }),
]);
export type ConditionSource = z.output<typeof conditionSourceSchema>;

export const runSchema = z
  .strictObject({
    format: z.literal(1).default(1),
    data: dataSchema,
    model: modelSchema,
    /** Where a model's condition comes from; null for a model without, or one whose condition is a class. */
    condition: conditionSourceSchema.nullable().default(null),
    train: trainSchema.prefault({}),
  })
  .superRefine(({ model, train: { conditionDropout, blind, balance } }, context) => {
    const refuse = (key: keyof TrainConfig, message: string): void =>
      context.addIssue({ code: "custom", path: ["train", key], message });
    if (conditionDropout > 0 && !pixelcnnIn(model))
      refuse(
        "conditionDropout",
        `expected 0 for ${familyName(model)}, which draws nothing by a condition, but received ${conditionDropout}`,
      );
    if (blind > 0 && !modelInputs(model).sees) {
      const what = pixelcnnIn(model) ? "a model without a condition" : familyName(model);
      refuse(
        "blind",
        `expected 0 for ${what}, which would have nothing to go by with its pixels hidden, but received ${blind}`,
      );
    }
    if (balance && !separable(model))
      refuse(
        "balance",
        "expected false for an embedder, whose batches hold train.perClass images a class anyway, but received true",
      );
  });
/** A resolved run config, of a model of one family or of any. */
export type RunConfig<M extends ModelConfig = ModelConfig> = Omit<z.output<typeof runSchema>, "model"> & {
  readonly model: M;
};
/** The family that a written config names; without a name, the Gated PixelCNN. */
type FamilyIn<I> = I extends { readonly model: { readonly family: infer N extends ModelConfig["family"] } }
  ? Extract<ModelConfig, { family: N }>
  : I extends { readonly model: object }
    ? PixelcnnConfig
    : ModelConfig;

/** A run config before the data is known: the model's image size and levels may be missing. */
export const draftSchema = z.strictObject({
  format: z.literal(1).default(1),
  data: z.record(z.string(), z.unknown()).default({}),
  model: z.record(z.string(), z.unknown()).default({}),
  condition: conditionSourceSchema.nullable().default(null),
  train: z.record(z.string(), z.unknown()).default({}),
});
export type RunDraft = z.output<typeof draftSchema>;

/** Checks a run config and fills in the defaults. */
export function resolveRun<const I>(input: I): RunConfig<FamilyIn<I>> {
  return parseStrict(runSchema, input, "the run config") as RunConfig<FamilyIn<I>>;
}
