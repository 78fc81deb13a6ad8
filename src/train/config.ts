/** A run as data: which images, which model, how it is trained. Strict: an unknown key is an error. Saved resolved in the run's folder. */

import { z } from "zod";
import { dataOptionsSchema } from "../data/open.ts";
import { parseStrict, pixelcnnSchema } from "../models/config.ts";

const positive = z.number().gt(0);

export const trainSchema = z.strictObject({
  /** Images a step. */
  batch: z.int().min(1).max(4096).default(16),
  /** Peak learning rate of Adam. */
  rate: positive.max(1).default(2e-3),
  /** Steps over which the rate rises from 0. */
  warmup: z.int().min(0).default(100),
  /** "cosine" falls to `finalRate` times the peak at the end of the budget; "constant" stays. */
  decay: z.enum(["cosine", "constant"]).default("cosine"),
  finalRate: z.number().min(0).max(1).default(0.02),
  beta1: z.number().min(0).lt(1).default(0.9),
  beta2: z.number().min(0).lt(1).default(0.99),
  epsilon: positive.default(1e-8),
  /** Decoupled; weights only, not biases. */
  weightDecay: z.number().min(0).max(10).default(0),
  /** Largest global norm of the gradient of the mean nats an image; 0 for no clipping. */
  clip: z.number().min(0).default(100),
  /** Decay of the moving average of the weights, which is what is saved and sampled; early steps use less. */
  average: z.number().min(0).lt(1).default(0.999),
  /** Names the initial weights and the order of the images. */
  seed: z.int().min(0).default(1),
  /** When to stop; exactly one. Minutes count training time only, over all resumes. */
  budget: z
    .union(
      [z.strictObject({ steps: z.int().min(0) }), z.strictObject({ epochs: positive }), z.strictObject({ minutes: positive })],
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
});

export const runSchema = z.strictObject({
  format: z.literal(1).default(1),
  data: dataSchema,
  model: pixelcnnSchema,
  train: trainSchema.prefault({}),
});
/** A resolved run config. */
export type RunConfig = z.output<typeof runSchema>;

/** A run config before the data is known: the model's image size and levels may be missing. */
export const draftSchema = z.strictObject({
  format: z.literal(1).default(1),
  data: z.record(z.string(), z.unknown()).default({}),
  model: z.record(z.string(), z.unknown()).default({}),
  train: z.record(z.string(), z.unknown()).default({}),
});
export type RunDraft = z.output<typeof draftSchema>;

export function resolveRun(input: unknown): RunConfig {
  return parseStrict(runSchema, input, "the run config");
}
