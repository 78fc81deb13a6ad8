/** For tests: untrained models whose every number matters, and their outputs for given pixels. */

import { lookupIn } from "../network/lookup.ts";
import type { ParameterMap } from "../network/parameters.ts";
import { numbers } from "../onnx/evaluate.test-support.ts";
import { Graph } from "../onnx/graph.ts";
import { compile, openSession } from "../onnx/session.ts";
import { randomFrom } from "../random.ts";
import { sizeOf, type Tensor, tensor } from "../tensor.ts";
import { conditionNumbersOf } from "./condition.ts";
import type { GatedConfig, GatedInput, PixelcnnConfig } from "./config.ts";
import { pixelcnnLogits, pixelcnnLogProbability } from "./log-probability.ts";
import { pixelcnnParameters } from "./networks.ts";
import { resolvePixelcnn } from "./schema.ts";

export interface RandomModel<C extends PixelcnnConfig = GatedConfig> {
  readonly config: C;
  readonly parameters: Map<string, Tensor<"float32">>;
}

/** A small model; features come in groups that 3 channels divide, and widths differ from each other. */
export function configOf(changes: Partial<GatedInput> = {}): GatedConfig {
  const base = { height: 5, width: 7, channels: 1, levels: 4, features: 6, depth: 3, firstKernel: 3, skip: 12 };
  return resolvePixelcnn({ ...base, head: { features: 18 }, ...changes, family: "gated-pixelcnn" });
}

/**
 * Random weights, no number of them zero, biases and the logits' weights included; moderate, so that gates stay off
 * their ends and a change far away still shows in float64.
 */
export function randomModel<C extends PixelcnnConfig>(config: C, seed = 1): RandomModel<C> {
  const random = randomFrom(seed);
  const parameters = new Map(
    pixelcnnParameters(config).map(({ name, shape, decays }) => {
      const inputs = sizeOf(shape) / shape.at(-1)!;
      const most = !decays ? 0.5 : (/logits|mixture/.test(name) ? 3 : 1.5) / Math.sqrt(inputs);
      const draw = (): number => (random.below(2) === 0 ? -1 : 1) * most * (0.1 + 0.9 * random.uniform());
      return [name, tensor("float32", shape, Float32Array.from({ length: sizeOf(shape) }, draw))];
    }),
  );
  return { config, parameters };
}

/** Random levels [count, H, W, C]. */
export function randomPixels({ height, width, channels, levels }: PixelcnnConfig, count = 1, seed = 7): Uint8Array {
  const random = randomFrom(seed);
  return Uint8Array.from({ length: count * height * width * channels }, () => random.below(levels));
}

export interface Opened {
  /** `logits`: [B H W C, K]; `logProbability`: [B]. */
  run(pixels: Uint8Array, h?: readonly number[]): Promise<number[]>;
  close(): Promise<void>;
}

/** The model as a graph of one element type with its weights inside, ready to run. */
export async function openModel(
  { config, parameters }: { config: PixelcnnConfig; parameters: ParameterMap },
  output: "logits" | "logProbability",
  { dtype = "float64", batch = 1 }: { dtype?: "float32" | "float64"; batch?: number } = {},
): Promise<Opened> {
  const { height, width, channels, condition } = config;
  const graph = new Graph("model");
  const pixels = graph.input("pixels", "uint8", [batch, height, width, channels]);
  const h = condition ? graph.input("h", dtype, [batch, conditionNumbersOf(condition)]) : null;
  const wide = (data: Float32Array) => (dtype === "float64" ? Float64Array.from(data) : data);
  const lookup = lookupIn(
    pixelcnnParameters(config),
    new Map(
      [...parameters].map(([name, { shape, data }]) => [
        name,
        graph.constant(dtype, shape, wide(data) as Float32Array),
      ]),
    ),
  );
  const build = output === "logits" ? pixelcnnLogits : pixelcnnLogProbability;
  graph.output("y", build(config, lookup, { pixels, condition: h }));
  const session = await openSession(compile(graph), { threads: 1 });
  return {
    async run(values, given) {
      const array = dtype === "float64" ? Float64Array.from(given ?? []) : Float32Array.from(given ?? []);
      const { y } = await session.run({
        pixels: tensor("uint8", pixels.shape, values),
        ...(h ? { h: { dtype, shape: h.shape, data: array } } : {}),
      });
      return numbers(y!);
    },
    close: () => session.close(),
  };
}

/** Runs a model once. */
export async function runModel(
  model: { config: PixelcnnConfig; parameters: ParameterMap },
  output: "logits" | "logProbability",
  pixels: Uint8Array,
  { h, ...options }: { h?: readonly number[]; dtype?: "float32" | "float64"; batch?: number } = {},
): Promise<number[]> {
  const opened = await openModel(model, output, options);
  try {
    return await opened.run(pixels, h);
  } finally {
    await opened.close();
  }
}

/** All images of a config's size, [levels^(H W C), H, W, C]. */
export function allImages({ height, width, channels, levels }: PixelcnnConfig): Uint8Array {
  const places = height * width * channels;
  const digit = (image: number, place: number): number => Math.floor(image / levels ** (places - 1 - place)) % levels;
  return Uint8Array.from({ length: levels ** places * places }, (_, i) => digit(Math.floor(i / places), i % places));
}
