/** What a model is, as data: a strict schema (an unknown key is an error), saved with every run. docs/model.md explains each field. */

import { z } from "zod";
import { fail } from "../errors.ts";

const count = (min: number, max = 65536) => z.int().min(min).max(max);
const kernel = z
  .int()
  .min(3)
  .max(31)
  .refine((n) => n % 2 === 1, "expected an odd kernel size");

/** What a model can be conditioned on; docs/conditioning.md. */
export const conditionSchema = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("class"),
    /** Names; class i of the data is entry i. */
    classes: z
      .array(z.string().min(1))
      .min(2)
      .max(65536)
      .refine((names) => new Set(names).size === names.length, "expected class names that differ"),
  }),
  z.strictObject({
    kind: z.literal("vector"),
    /** Numbers in the condition, D. */
    size: count(1),
    /** What the network multiplies them by, so that each is about 1: the square root of D for vectors of length 1. Default 1. */
    scale: z.number().gt(0).optional(),
    /** Feature maps of m(h), M: the vector as a map of one position, so that each place of the image hears its own. Default none: V h, the same everywhere. */
    features: count(1, 4096).optional(),
  }),
  z.strictObject({
    kind: z.literal("map"),
    height: count(1, 4096),
    width: count(1, 4096),
    channels: count(1, 4096),
    /** Feature maps of m(h), M. */
    features: count(1, 4096).default(16),
  }),
]);
export type ConditionConfig = z.output<typeof conditionSchema>;

export const pixelcnnSchema = z
  .strictObject({
    family: z.literal("gated-pixelcnn").default("gated-pixelcnn"),
    /** Image size that the model trains on; the exact engine runs any other. */
    height: count(1),
    width: count(1),
    channels: count(1, 16),
    /** Levels a sub-pixel can take, 2 .. 256. */
    levels: count(2, 256),
    /** Feature maps of every layer; divisible by channels. */
    features: count(1, 4096).default(32),
    /** Gated layers. */
    depth: count(1, 200).default(8),
    /** Kernel size of layer 1; its dilation is 1. */
    firstKernel: kernel.default(7),
    /** Kernel sizes of layers 2 and on, cycled. */
    kernels: z.array(kernel).min(1).default([3]),
    /** Dilations of layers 2 and on, cycled. */
    dilations: z.array(count(1, 64)).min(1).default([1]),
    /** Feature maps of the skip connections into the head; 0 for none. */
    skip: count(0, 4096).default(32),
    head: z
      .strictObject({ kind: z.literal("categorical").default("categorical"), features: count(1, 4096).default(64) })
      .prefault({}),
    condition: conditionSchema.nullable().default(null),
  })
  .superRefine((c, context) => {
    for (const [name, value] of [
      ["features", c.features],
      ["skip", c.skip],
      ["head.features", c.head.features],
    ] as const) {
      if (value % c.channels !== 0) {
        const message = `expected a multiple of channels (${c.channels}) for ${name} but received ${value}: features come in one group a channel`;
        context.addIssue({ code: "custom", path: name.split("."), message });
      }
    }
  });

/** A resolved model config. */
export type PixelcnnConfig = z.output<typeof pixelcnnSchema>;
/** What a user may write: every field with a default may be left out. */
export type PixelcnnInput = z.input<typeof pixelcnnSchema>;

/** Checks a model config and fills in the defaults. */
export function resolvePixelcnn(input: unknown): PixelcnnConfig {
  return parseStrict(pixelcnnSchema, input, "the model config");
}

/** Parses with a zod schema; every problem becomes one line of a {@link fail} that names the key, what was expected and what came. */
export function parseStrict<S extends z.ZodType>(schema: S, input: unknown, what: string): z.output<S> {
  const result = schema.safeParse(input, { reportInput: true });
  if (result.success) return result.data;
  const lines = result.error.issues.map((issue) => {
    const where = issue.path.length > 0 ? issue.path.join(".") : "the top level";
    if (issue.code === "unrecognized_keys")
      return `${where}: unknown ${issue.keys.length > 1 ? "keys" : "key"} ${issue.keys.join(", ")}`;
    // Checks of our own that look at several fields say what came themselves.
    const told = issue.message.includes("but received") || !("input" in issue) || issue.input === undefined;
    return `${where}: ${issue.message}${told ? "" : ` (received ${JSON.stringify(issue.input)})`}`;
  });
  return fail("usage", `expected ${what} to fit its schema:\n  ${lines.join("\n  ")}`);
}

export interface LayerShape {
  readonly kernel: number;
  readonly dilation: number;
}

/** Kernel and dilation of each layer, first to last. */
export function layersOf({
  depth,
  firstKernel,
  kernels,
  dilations,
}: Pick<PixelcnnConfig, "depth" | "firstKernel" | "kernels" | "dilations">): LayerShape[] {
  return Array.from({ length: depth }, (_, i) =>
    i === 0
      ? { kernel: firstKernel, dilation: 1 }
      : { kernel: kernels[(i - 1) % kernels.length]!, dilation: dilations[(i - 1) % dilations.length]! },
  );
}
