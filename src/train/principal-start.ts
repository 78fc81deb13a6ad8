/**
 * First values of linear paths (encoder.ts, deconvolution.ts, condition-map.ts): the principal components of the
 * training images. Of all linear codes of so many numbers they leave the least squared error, and gradient descent
 * needs hours to find them; so training starts there, and the layers beside the path add what no line can.
 */

import type { Dataset } from "../data/dataset.ts";
import { linearPaths, modelParameters } from "../models/families.ts";
import type { PrincipalComponents } from "../models/linear-paths.ts";
import { flatten, unflatten } from "../network/parameters.ts";
import { scaledPixels } from "../network/pixels.ts";
import { Graph } from "../onnx/graph.ts";
import { gemm, reshape, sub } from "../onnx/ops.ts";
import { compile, openSession } from "../onnx/session.ts";
import { type Random, randomFrom } from "../random.ts";
import { tensor } from "../tensor.ts";
import type { RunConfig } from "./config.ts";
import { initialState, type RunState } from "./state.ts";
import { symmetricEigen } from "./symmetric-eigen.ts";

/** Images that are looked at; more change little (CIFAR-10, 100 components: 20,000 leave 76.0, all 50,000 75.6). */
const IMAGES = 20_000;
/** Bytes of pixels that are kept at once: fewer large images than small ones. */
const BYTES = 128 * 2 ** 20;
/** Columns more than are wanted: what the iteration has not separated yet lies in them. */
const SPARE = 16;
const ITERATIONS = 8;
/** Stream of the seed (batches.ts has the others). */
const STREAM = 6;

/** A fresh run's state; where the model has linear paths they begin at the principal components of its images. */
export async function firstState(
  config: RunConfig,
  data: Dataset,
  { threads }: { readonly threads?: number | undefined } = {},
): Promise<RunState> {
  const state = initialState(config);
  const { model, train } = config;
  const paths = linearPaths(model);
  if (!paths) return state;
  const began = performance.now();
  const found = await principalComponents(data, { count: paths.codes, seed: train.seed, threads });
  const specs = modelParameters(model);
  const parameters = unflatten(specs, state.weights);
  for (const [name, numbers] of paths.start(found)) {
    const { data: values } = parameters.get(name)!;
    for (let i = 0; i < values.length; i++) values[i] = numbers[i]!;
  }
  const weights = flatten(specs, parameters);
  // What it takes is time of training.
  return { ...state, weights, average: weights.slice(), seconds: (performance.now() - began) / 1000 };
}

/**
 * Principal components of a data set's images by subspace iteration: a random basis is multiplied by the covariance and
 * made orthonormal again, eight times; then the small problem within it is solved.
 */
export async function principalComponents(
  data: Dataset,
  { count, seed, threads }: { readonly count: number; readonly seed: number; readonly threads?: number | undefined },
): Promise<PrincipalComponents> {
  const { height, width, channels, levels } = data;
  const D = height * width * channels;
  const random = randomFrom(seed, STREAM);
  const images = await chosenImages(data, random, Math.max(1, Math.min(IMAGES, Math.floor(BYTES / D))));
  const batch = Math.min(images.length, 250);
  const N = Math.floor(images.length / batch) * batch;
  const k = Math.min(count + SPARE, D, N);
  const mean = new Float64Array(D);
  for (const pixels of images.slice(0, N))
    for (let i = 0; i < D; i++) mean[i]! += ((2 * pixels[i]!) / (levels - 1) - 1) / N;

  const session = await openSession(compile(covarianceGraph([batch, height, width, channels], levels, k)), { threads });
  const centre = tensor("float32", [1, D], Float32Array.from(mean));
  const times = async (basis: Float64Array): Promise<{ product: Float64Array; gram: Float64Array }> => {
    const product = new Float64Array(D * k);
    const gram = new Float64Array(k * k);
    const given = tensor("float32", [D, k], Float32Array.from(basis));
    for (let from = 0; from < N; from += batch) {
      const pixels = new Uint8Array(batch * D);
      for (let i = 0; i < batch; i++) pixels.set(images[from + i]!, i * D);
      const shape = [batch, height, width, channels];
      const outputs = await session.run({ pixels: tensor("uint8", shape, pixels), mean: centre, basis: given });
      addTo(product, outputs.product!.data as Float32Array, 1 / N);
      addTo(gram, outputs.gram!.data as Float32Array, 1 / N);
    }
    return { product, gram };
  };
  try {
    let basis = orthonormal(
      Float64Array.from({ length: D * k }, () => 2 * random.uniform() - 1),
      D,
      k,
    );
    for (let i = 0; i < ITERATIONS; i++) basis = orthonormal((await times(basis)).product, D, k);
    const { gram } = await times(basis);
    const { values, vectors } = symmetricEigen(gram, k);
    const components = new Float64Array(D * count);
    const deviations = new Float64Array(count);
    for (let c = 0; c < Math.min(count, k); c++) {
      deviations[c] = Math.sqrt(Math.max(0, values[c]!));
      for (let d = 0; d < D; d++) {
        let sum = 0;
        for (let j = 0; j < k; j++) sum += basis[d * k + j]! * vectors[j * k + c]!;
        components[d * count + c] = sum;
      }
    }
    return { mean, components, deviations, count };
  } finally {
    await session.close();
  }
}

/** Some images of a data set, drawn without replacement, of `most` at most. */
async function chosenImages(data: Dataset, random: Random, most: number): Promise<Uint8Array[]> {
  const order = random.permutation(data.length).subarray(0, most);
  const D = data.height * data.width * data.channels;
  const images: Uint8Array[] = [];
  for (let from = 0; from < order.length; from += 500) {
    const indices = order.subarray(from, from + 500);
    const { pixels } = await data.batch(indices);
    for (let i = 0; i < indices.length; i++) images.push(pixels.slice(i * D, (i + 1) * D));
  }
  return images;
}

/**
 * pixels uint8 [B, H, W, C], mean [1, D] and a basis [D, k] -> product [D, k], the covariance of the batch (times B)
 * times the basis; and gram [k, k], the covariance within the basis (times B).
 */
function covarianceGraph(shape: readonly number[], levels: number, k: number): Graph {
  const graph = new Graph("covariance");
  const [B, height, width, channels] = shape as [number, number, number, number];
  const D = height * width * channels;
  const pixels = graph.input("pixels", "uint8", [B, height, width, channels]);
  const mean = graph.input("mean", "float32", [1, D]);
  const basis = graph.input("basis", "float32", [D, k]);
  const x = sub(reshape(scaledPixels(pixels, levels, "float32"), [B, D]), mean);
  const scores = gemm(x, basis);
  graph.output("product", gemm(x, scores, { transA: true }));
  graph.output("gram", gemm(scores, scores, { transA: true }));
  return graph;
}

function addTo(sum: Float64Array, part: Float32Array, times: number): void {
  for (let i = 0; i < sum.length; i++) sum[i]! += part[i]! * times;
}

/** Columns of x [D, k] made orthonormal, first to last (modified Gram-Schmidt, twice); dependent ones become zeros. */
function orthonormal(x: Float64Array, D: number, k: number): Float64Array {
  const columns = Array.from({ length: k }, (_, j) => Float64Array.from({ length: D }, (_, d) => x[d * k + j]!));
  const dot = (a: Float64Array, b: Float64Array): number => {
    let sum = 0;
    for (let d = 0; d < D; d++) sum += a[d]! * b[d]!;
    return sum;
  };
  columns.forEach((column, j) => {
    const before = Math.sqrt(dot(column, column));
    for (let pass = 0; pass < 2; pass++) {
      for (const other of columns.slice(0, j)) {
        const along = dot(column, other);
        for (let d = 0; d < D; d++) column[d]! -= along * other[d]!;
      }
    }
    const length = Math.sqrt(dot(column, column));
    const factor = length > 1e-9 * before && length > 0 ? 1 / length : 0;
    for (let d = 0; d < D; d++) column[d]! *= factor;
  });
  const result = new Float64Array(D * k);
  columns.forEach((column, j) => {
    for (let d = 0; d < D; d++) result[d * k + j] = column[d]!;
  });
  return result;
}
