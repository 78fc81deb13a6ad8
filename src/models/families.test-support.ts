/** For tests: models of any family with random weights, and their loss and codes in float64. */

import { type Build, checkDerivatives } from "../autodiff/central-differences.test-support.ts";
import { type Lookup, lookupFlat } from "../network/lookup.ts";
import { countOf, flatten, type ParameterMap, type ParameterSpec } from "../network/parameters.ts";
import { numbers } from "../onnx/evaluate.test-support.ts";
import { Graph, type Value } from "../onnx/graph.ts";
import { compile, openSession } from "../onnx/session.ts";
import { randomFrom } from "../random.ts";
import { sizeOf, type Tensor, tensor } from "../tensor.ts";
import { type LossInputs, type ModelConfig, modelLoss, modelParameters } from "./families.ts";

/** Random weights, none of them zero, biases included, of a size that keeps a layer's numbers near 1. */
export function randomParameters(specs: readonly ParameterSpec[], seed = 1): ParameterMap {
  const random = randomFrom(seed);
  return new Map(
    specs.map(({ name, shape, decays }) => {
      const most = decays ? 2 / Math.sqrt(sizeOf(shape) / shape.at(-1)!) : 0.5;
      const draw = (): number => (random.below(2) === 0 ? -1 : 1) * most * (0.1 + 0.9 * random.uniform());
      return [name, tensor("float32", shape, Float32Array.from({ length: sizeOf(shape) }, draw))];
    }),
  );
}

/** Random levels of `count` images of a config's size, [count, H, W, C]. */
export function randomLevels(config: ModelConfig, count: number, seed = 7): Tensor<"uint8"> {
  const { height, width, channels, levels } = config;
  const random = randomFrom(seed);
  const shape = [count, height, width, channels];
  return tensor(
    "uint8",
    shape,
    Uint8Array.from({ length: sizeOf(shape) }, () => random.below(levels)),
  );
}

const wide = (flat: Float32Array): Tensor<"float64"> => tensor("float64", [flat.length], Float64Array.from(flat));

/** Outputs of a graph in float64 of pixels and weights: what `build` makes of them. */
export async function runModelGraph(
  config: ModelConfig,
  parameters: ParameterMap,
  pixels: Tensor<"uint8">,
  build: (lookup: Lookup, pixels: Value, graph: Graph) => Value,
): Promise<{ shape: readonly number[]; y: number[] }> {
  const graph = new Graph("test");
  const specs = modelParameters(config);
  const weights = graph.input("weights", "float64", [countOf(specs)]);
  graph.output("y", build(lookupFlat(specs, weights), graph.input("pixels", "uint8", pixels.shape), graph));
  const session = await openSession(compile(graph), { threads: 1 });
  try {
    const { y } = await session.run({ weights: wide(flatten(specs, parameters)), pixels });
    return { shape: y!.shape, y: numbers(y!) };
  } finally {
    await session.close();
  }
}

/** What a loss asks for beside the pixels, as constants of a graph. */
export interface Beside {
  readonly labels?: readonly number[];
  /** [B, D]. */
  readonly condition?: readonly number[];
  /** [B], 1 or 0. */
  readonly keep?: readonly number[];
  readonly sees?: readonly number[];
}

const constants = (
  graph: Graph,
  images: number,
  { labels, condition, keep, sees }: Beside,
): Omit<LossInputs, "pixels"> => ({
  labels: labels ? graph.constant("int32", [labels.length], Int32Array.from(labels)) : null,
  keep: keep ? graph.constant("float64", [keep.length], Float64Array.from(keep)) : null,
  sees: sees ? graph.constant("float64", [sees.length], Float64Array.from(sees)) : null,
  condition: condition
    ? graph.constant("float64", [images, condition.length / images], Float64Array.from(condition))
    : null,
});

/** The loss that training differentiates, summed over the images. */
export async function lossOf(
  config: ModelConfig,
  parameters: ParameterMap,
  pixels: Tensor<"uint8">,
  beside: Beside = {},
): Promise<number> {
  const { y } = await runModelGraph(config, parameters, pixels, (lookup, images, graph) =>
    modelLoss(config, lookup, { pixels: images, ...constants(graph, images.shape[0]!, beside) }),
  );
  return y[0]!;
}

/**
 * Fails unless the loss's derivatives by every weight are those of central differences; gives them back by parameter.
 */
export async function checkLossDerivatives(
  config: ModelConfig,
  parameters: ParameterMap,
  pixels: Tensor<"uint8">,
  beside: Beside = {},
  tolerance?: number,
): Promise<Map<string, number[]>> {
  const specs = modelParameters(config);
  const build: Build = ({ weights }, graph) =>
    modelLoss(config, lookupFlat(specs, weights!), {
      pixels: graph.constant("uint8", pixels.shape, pixels.data),
      ...constants(graph, pixels.shape[0]!, beside),
    });
  const { weights } = await checkDerivatives({ weights: wide(flatten(specs, parameters)) }, build, tolerance);
  // The place of each weight, by flattening its own number.
  let next = 0;
  const numbered = new Map(
    specs.map(({ name, shape }) => [
      name,
      tensor(
        "float32",
        shape,
        Float32Array.from({ length: sizeOf(shape) }, () => next++),
      ),
    ]),
  );
  const order = flatten(specs, numbered);
  const byNumber = new Float64Array(order.length);
  order.forEach((number, at) => {
    byNumber[number] = weights![at]!;
  });
  return new Map([...numbered].map(([name, { data }]) => [name, Array.from(data, (number) => byNumber[number]!)]));
}
