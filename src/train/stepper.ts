/**
 * Takes training steps on a device and holds the state between them. On the CPU a step is shards side by side, then an
 * update; elsewhere one graph.
 */

import { fail } from "../errors.ts";
import { type ModelConfig, modelInputs, separable } from "../models/families.ts";
import { openPool } from "../onnx/pool.ts";
import { compile, type Device, openSession, type Session } from "../onnx/session.ts";
import { inNode } from "../platform.ts";
import { type DTypes, type Tensor, tensor } from "../tensor.ts";
import { type AdamSettings, SCHEDULE_SIZE } from "./adam.ts";
import { gradientGraph, shardSize, stepGraph, updateGraph } from "./step.ts";

export interface Vectors {
  readonly weights: Float32Array;
  readonly first: Float32Array;
  readonly second: Float32Array;
  readonly average: Float32Array;
}

export interface StepInput {
  /** [B, H, W, C], levels. */
  readonly pixels: Uint8Array;
  /** [B, D] for a model with a condition (models/condition.ts). */
  readonly condition?: Float32Array | undefined;
  /** [B], for a model that learns from who is who. */
  readonly labels?: Int32Array | undefined;
  /** [B], 1 or 0, for an auto-encoder with a PixelCNN: 0 leaves an image's latents out; default all 1. */
  readonly keep?: Float32Array | undefined;
  /** [B], 1 or 0, for a PixelCNN with a condition: 0 does not show it an image's pixels; default all 1. */
  readonly sees?: Float32Array | undefined;
  /** adam.ts, scheduleVector. */
  readonly schedule: Float32Array;
}

export interface StepResult {
  /** Mean loss an image over the batch, before the update: nats, squared error or triplet loss (models/families.ts). */
  readonly loss: number;
  /** Global norm of the gradient of that mean, before clipping. */
  readonly norm: number;
}

export interface Stepper {
  readonly device: Device;
  readonly threads: number;
  step(input: StepInput): Promise<StepResult>;
  /** The vectors after the last step; never written again. */
  state(): Vectors;
  close(): Promise<void>;
}

export interface StepperOptions {
  readonly model: ModelConfig;
  readonly batch: number;
  readonly adam: AdamSettings;
  readonly start: Vectors;
  readonly device?: Device | undefined;
  /** CPU threads; default one per core. */
  readonly threads?: number | undefined;
  /** Images a shard on the CPU; default shardSize (step.ts). It divides the batch. Changing it changes rounding. */
  readonly shard?: number;
}

export async function openStepper(options: StepperOptions): Promise<Stepper> {
  const { device = "cpu" } = options;
  return device === "cpu" && inNode && separable(options.model) ? openSharded(options) : openWhole(options, device);
}

const flat = (data: Float32Array): Tensor => tensor("float32", [data.length], data);

function inputs(
  { model, batch }: StepperOptions,
  input: StepInput,
  from: number,
  count: number,
): Record<string, Tensor> {
  const { height, width, channels } = model;
  const { condition: D, labels, ...wants } = modelInputs(model);
  const each = height * width * channels;
  if (input.pixels.length !== batch * each)
    fail(
      "internal",
      `expected ${batch} images of ${each} sub-pixels for a step but received ${input.pixels.length} numbers`,
    );
  const feeds: Record<string, Tensor> = {
    pixels: tensor("uint8", [count, height, width, channels], input.pixels.slice(from * each, (from + count) * each)),
  };
  if (D > 0) {
    const h = input.condition ?? fail("usage", `expected a condition of ${D} numbers an image but received none`);
    if (h.length !== batch * D)
      fail(
        "usage",
        `expected a condition of ${D} numbers for each of ${batch} images but received ${h.length} numbers`,
      );
    feeds.condition = tensor("float32", [count, D], h.slice(from * D, (from + count) * D));
  }
  if (labels) {
    const given = input.labels ?? fail("usage", "expected a label an image but received none");
    if (given.length !== batch)
      fail("usage", `expected a label for each of ${batch} images but received ${given.length}`);
    feeds.labels = tensor("int32", [count], given.slice(from, from + count));
  }
  for (const name of ["keep", "sees"] as const) {
    if (!wants[name]) continue;
    const given = input[name] ?? new Float32Array(batch).fill(1);
    if (given.length !== batch)
      fail("usage", `expected a number of ${name} for each of ${batch} images but received ${given.length}`);
    feeds[name] = tensor("float32", [count], given.slice(from, from + count));
  }
  return feeds;
}

const next = (outputs: Record<string, Tensor>): Vectors => {
  const vector = (name: string): Float32Array => outputs[`next_${name}`]!.data as DTypes["float32"];
  return { weights: vector("weights"), first: vector("first"), second: vector("second"), average: vector("average") };
};
const scalar = (t: Tensor): number => Number(t.data[0]);
const vectorsIn = (state: Vectors): Record<string, Tensor> => ({
  weights: flat(state.weights),
  first: flat(state.first),
  second: flat(state.second),
  average: flat(state.average),
});

async function openWhole(options: StepperOptions, device: Device): Promise<Stepper> {
  const { model, batch, adam } = options;
  const graph = stepGraph(model, batch, adam, { splitInner: device === "cpu" ? 1 : batch });
  const session = await openSession(compile(graph), { device, threads: options.threads });
  let state = options.start;
  return {
    device,
    threads: options.threads ?? 1,
    async step(input) {
      const schedule = tensor("float32", [SCHEDULE_SIZE], input.schedule);
      const outputs = await session.run({ ...inputs(options, input, 0, batch), ...vectorsIn(state), schedule });
      state = next(outputs);
      return { loss: scalar(outputs.loss!) / batch, norm: scalar(outputs.norm!) };
    },
    state: () => state,
    close: () => session.close(),
  };
}

async function openSharded(options: StepperOptions): Promise<Stepper> {
  const { model, batch, adam } = options;
  const shard = options.shard ?? shardSize(batch, model);
  if (batch % shard !== 0)
    fail("usage", `expected a shard that divides the batch of ${batch} images but received ${shard}`);
  const shards = batch / shard;
  const pool: Session = await openPool(
    compile(gradientGraph(model, shard)),
    options.threads ? { threads: options.threads } : {},
  );
  // On one thread: threads of its own would spin between steps and take the workers' cores (a sixth of the speed at F =
  // 32).
  const updater = await openSession(compile(updateGraph(model, shards, batch, adam)), { threads: 1 });
  let state = options.start;
  // Weights that the workers share: copied once per step, not once per shard.
  const shared = new Float32Array(new SharedArrayBuffer(state.weights.byteLength));
  return {
    device: "cpu",
    threads: pool.lanes,
    async step(input) {
      shared.set(state.weights);
      const results = await Promise.all(
        Array.from({ length: shards }, (_, i) =>
          pool.run({ ...inputs(options, input, i * shard, shard), weights: flat(shared) }),
        ),
      );
      const gradients = Object.fromEntries(results.map((r, i) => [`gradient${i}`, r.gradient!]));
      const outputs = await updater.run({
        ...gradients,
        ...vectorsIn(state),
        schedule: tensor("float32", [SCHEDULE_SIZE], input.schedule),
      });
      state = next(outputs);
      return { loss: results.reduce((sum, r) => sum + scalar(r.loss!), 0) / batch, norm: scalar(outputs.norm!) };
    },
    state: () => state,
    async close() {
      await Promise.all([pool.close(), updater.close()]);
    },
  };
}
