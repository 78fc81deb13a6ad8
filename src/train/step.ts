/**
 * The training step: forward, backward, clipping, Adam, moving average. `stepGraph` is the whole of it as one graph,
 * one session call per step: what GPUs run. On the CPU the same nodes are cut in two at the gradient, so that shards of
 * the batch go side by side on one thread each (1.4x to 1.7x the images per second; ARCHITECTURE.md): `gradientGraph` a
 * shard, `updateGraph` a step. Shards are summed in order, so the result does not depend on the number of threads.
 */

import { type GradOptions, grad } from "../autodiff/grad.ts";
import {
  largestLayer,
  type ModelConfig,
  modelInputs,
  modelLoss,
  modelParameters,
  pixelcnnIn,
} from "../models/families.ts";
import { isUnrolled } from "../models/networks.ts";
import { blockValues, joinFlat, lookupFlat } from "../network/lookup.ts";
import { countOf, flatBlocks, type ParameterSpec } from "../network/parameters.ts";
import { Graph, type Value } from "../onnx/graph.ts";
import { add, slice } from "../onnx/ops.ts";
import { type AdamSettings, adamStep, SCHEDULE_SIZE } from "./adam.ts";

const STATE = ["weights", "first", "second", "average"] as const;

/** Loss (summed over the images) and its gradient with respect to the flat weights. */
function lossAndGradient(
  model: ModelConfig,
  specs: readonly ParameterSpec[],
  weights: Value,
  images: Images,
  { chunk = images.pixels.shape[0]!, ...options }: GradOptions & { chunk?: number } = {},
): { loss: Value; gradient: Value } {
  const lookup = lookupFlat(specs, weights);
  const part = <V extends Value | null>(x: V, i: number): V => (x && slice(x, 0, i * chunk, (i + 1) * chunk)) as V;
  const losses = Array.from({ length: images.pixels.shape[0]! / chunk }, (_, i) =>
    modelLoss(model, lookup, {
      pixels: part(images.pixels, i),
      condition: part(images.condition, i),
      labels: part(images.labels, i),
      keep: part(images.keep, i),
      sees: part(images.sees, i),
    }),
  );
  const loss = losses.reduce((a, b) => add(a, b));
  return { loss, gradient: joinFlat(grad(loss, blockValues(specs, lookup), options)) };
}

interface Images {
  readonly pixels: Value;
  readonly condition: Value | null;
  readonly labels: Value | null;
  readonly keep: Value | null;
  readonly sees: Value | null;
}

function imageInputs(graph: Graph, model: ModelConfig, batch: number): Images {
  const { condition, labels, keep, sees } = modelInputs(model);
  return {
    pixels: graph.input("pixels", "uint8", [batch, model.height, model.width, model.channels]),
    condition: condition > 0 ? graph.input("condition", "float32", [batch, condition]) : null,
    labels: labels ? graph.input("labels", "int32", [batch]) : null,
    keep: keep ? graph.input("keep", "float32", [batch]) : null,
    sees: sees ? graph.input("sees", "float32", [batch]) : null,
  };
}

function update(
  graph: Graph,
  specs: readonly ParameterSpec[],
  gradient: Value,
  images: number,
  weights: Value,
  adam: AdamSettings,
): void {
  const n = countOf(specs);
  const [first, second, average] = [
    graph.input("first", "float32", [n]),
    graph.input("second", "float32", [n]),
    graph.input("average", "float32", [n]),
  ];
  const schedule = graph.input("schedule", "float32", [SCHEDULE_SIZE]);
  const next = graph.scope("adam", () =>
    adamStep(gradient, images, { weights, first, second, average }, schedule, flatBlocks(specs), adam),
  );
  graph.output("norm", next.norm);
  for (const name of STATE) graph.output(`next_${name}`, next[name]);
}

/**
 * The whole step. Inputs: `pixels` uint8 [B, H, W, C]; where the model wants them `condition` float32 [B, D], `labels`
 * int32 [B], `keep` and `sees` float32 [B] (1 or 0); `weights`, `first`, `second`, `average` float32 [n]; `schedule`
 * float32 [4]. Outputs: `loss` (summed over the batch), `norm` (of the mean gradient, before clipping), and the four
 * vectors anew as `next_...`. `splitInner`: see grad; the batch size is a good choice on a GPU.
 */
export function stepGraph(
  model: ModelConfig,
  batch: number,
  adam: AdamSettings,
  { splitInner = 1 }: GradOptions = {},
): Graph {
  const graph = new Graph("train-step");
  const specs = modelParameters(model);
  const images = imageInputs(graph, model, batch);
  const weights = graph.input("weights", "float32", [countOf(specs)]);
  const { loss, gradient } = lossAndGradient(model, specs, weights, images, { splitInner });
  graph.output("loss", loss);
  update(graph, specs, gradient, batch, weights, adam);
  return graph;
}

/**
 * One shard's part of a step: the inputs of {@link stepGraph} for `shard` images, and `weights`, -> `loss` and
 * `gradient`, both summed over the shard. `chunk` images at a time go through the network; weights are sliced, and
 * gradients joined, once per shard.
 */
export function gradientGraph(model: ModelConfig, shard: number, chunk = chunkSize(model, shard)): Graph {
  const graph = new Graph("gradient");
  const specs = modelParameters(model);
  const images = imageInputs(graph, model, shard);
  const weights = graph.input("weights", "float32", [countOf(specs)]);
  const { loss, gradient } = lossAndGradient(model, specs, weights, images, { chunk });
  graph.output("loss", loss);
  graph.output("gradient", gradient);
  return graph;
}

/** The rest of a step: `gradient0` .. of all shards, the state and the schedule -> `norm` and `next_...`. */
export function updateGraph(model: ModelConfig, shards: number, batch: number, adam: AdamSettings): Graph {
  const graph = new Graph("update");
  const specs = modelParameters(model);
  const n = countOf(specs);
  const gradients = Array.from({ length: shards }, (_, i) => graph.input(`gradient${i}`, "float32", [n]));
  const weights = graph.input("weights", "float32", [n]);
  const sum = gradients.reduce((a, b) => add(a, b));
  update(graph, specs, sum, batch, weights, adam);
  return graph;
}

/**
 * Images per shard: enough that the sum of the shards' gradients costs little, few enough that all threads have some; a
 * divisor of the batch. Without a PixelCNN the weights are many and the work for an image is little, so shards are
 * larger, but at least two: of CIFAR-10's deconvolution, one thread, 356 images/s at a batch of 64 in shards of 16, 221
 * in shards of 4, and 154 at a batch of 16 in shards of 4.
 */
export function shardSize(batch: number, model: ModelConfig): number {
  const most = pixelcnnIn(model) === null ? Math.max(1, Math.min(16, Math.floor(batch / 2))) : 4;
  for (let n = most; n > 1; n--) if (batch % n === 0) return n;
  return 1;
}

/**
 * Images of a shard that go through the network together: few enough that a layer's activations stay in a core's cache;
 * a divisor of the shard. Without a PixelCNN it is the weights of wide dense layers that are large, so all go together;
 * and an unrolled network has fewer nodes that way.
 */
export function chunkSize(model: ModelConfig, shard: number): number {
  const pixelcnn = pixelcnnIn(model);
  if (pixelcnn === null || isUnrolled(pixelcnn)) return shard;
  const perImage = largestLayer(model);
  let best = 1;
  for (let n = 1; n <= shard; n++) if (shard % n === 0 && n * perImage <= 60_000) best = n;
  return best;
}
