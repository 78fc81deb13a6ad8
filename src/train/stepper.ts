/**
 * Takes training steps on a device and holds the state between them. On the CPU a step is shards side by side, then an
 * update; elsewhere one graph.
 */

import { fail } from "../errors.ts";
import { familyName, type ModelConfig, separable } from "../models/families.ts";
import { compile, type Device, openSession } from "../onnx/session.ts";
import { inNode } from "../platform.ts";
import { type DTypes, type Tensor, tensor } from "../tensor.ts";
import { type AdamSettings, SCHEDULE_SIZE } from "./adam.ts";
import { imageFeeds, openShardWork, type ShardSums, type StepImages } from "./shard-work.ts";
import { shardSize, stepGraph, updateGraph } from "./step.ts";

export interface Vectors {
  readonly weights: Float32Array;
  readonly first: Float32Array;
  readonly second: Float32Array;
  readonly average: Float32Array;
}

export interface StepInput extends StepImages {
  /** adam.ts, scheduleVector. */
  readonly schedule: Float32Array;
  /** Of the batch, from 0; for shards that draw their images themselves. */
  readonly step?: number | undefined;
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
  readonly shard?: number | undefined;
  /** Who works out the shards; default threads of this process. */
  readonly openShards?: OpenShards | undefined;
}

/** Works out the shards of steps, wherever that is. */
export interface Shards {
  /** Shards that are worked on side by side. */
  readonly lanes: number;
  /** Of all shards of a step, in their order. */
  sums(input: StepInput, weights: Float32Array): Promise<readonly ShardSums[]>;
  close(): Promise<void>;
}

/** `shard`: images a shard. */
export type OpenShards = (shard: number) => Promise<Shards>;

export async function openStepper(options: StepperOptions): Promise<Stepper> {
  const { device = "cpu" } = options;
  if (device === "cpu" && inNode && separable(options.model)) return openSharded(options);
  if (options.openShards)
    fail(
      "usage",
      device === "cpu"
        ? `expected a model whose batches can be cut into shards but received ${familyName(options.model)}, which ` +
            "compares the images of a batch with each other"
        : `expected the device cpu for steps in shards but received ${device}`,
    );
  return openWhole(options, device);
}

const flat = (data: Float32Array): Tensor => tensor("float32", [data.length], data);

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
      const outputs = await session.run({
        ...imageFeeds(model, input, batch, 0, batch),
        ...vectorsIn(state),
        schedule,
      });
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
  const shards = await (options.openShards ?? nearShards(options))(shard);
  // On one thread: threads of its own would spin between steps and take the workers' cores (a sixth of the speed at F =
  // 32).
  const updater = await openSession(compile(updateGraph(model, batch / shard, batch, adam)), { threads: 1 });
  let state = options.start;
  return {
    device: "cpu",
    threads: shards.lanes,
    async step(input) {
      const sums = await shards.sums(input, state.weights);
      const gradients = Object.fromEntries(sums.map(({ gradient }, i) => [`gradient${i}`, flat(gradient)]));
      const outputs = await updater.run({
        ...gradients,
        ...vectorsIn(state),
        schedule: tensor("float32", [SCHEDULE_SIZE], input.schedule),
      });
      state = next(outputs);
      return { loss: sums.reduce((sum, { loss }) => sum + loss, 0) / batch, norm: scalar(outputs.norm!) };
    },
    state: () => state,
    async close() {
      await Promise.all([shards.close(), updater.close()]);
    },
  };
}

/** Shards on threads of this process. */
function nearShards({ model, batch, threads, start }: StepperOptions): OpenShards {
  return async (shard) => {
    const work = await openShardWork(model, shard, threads);
    // Weights that the threads share: copied once per step, not once per shard.
    const shared = new Float32Array(new SharedArrayBuffer(start.weights.byteLength));
    return {
      lanes: work.lanes,
      sums(input, weights) {
        shared.set(weights);
        const all = Array.from({ length: batch / shard }, (_, i) => work.sums(input, batch, i * shard, shared));
        return Promise.all(all);
      },
      close: () => work.close(),
    };
  };
}
