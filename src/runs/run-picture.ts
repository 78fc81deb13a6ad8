/**
 * The picture that a run draws of itself: samples; one row per class; images of the test split beside samples under
 * their conditions; reconstructions beside their originals. An embedder draws none.
 */

import { type Dataset, subset } from "../data/dataset.ts";

import { decode, type EncodeOptions, encode } from "../measure/encode.ts";
import type { PixelcnnConfig } from "../models/config.ts";
import { codeSize, codesKind, pixelcnnIn } from "../models/families.ts";
import { type Model, pixelcnnOf } from "../models/model.ts";
import { gridPng, picturesOf } from "../pictures/grid.ts";
import type { Asked } from "./asked-conditions.ts";
import type { DrawRequest, drawSamples } from "./draw-samples.ts";
import { asGreys } from "./latent-model.ts";
import { conditionsOfFirst, everyClass, repeated } from "./sample-conditions.ts";

/** Images of a picture without conditions; images a condition; images of the test split. */
const SAMPLES = 16;
const EACH = 8;
const SHOWN = 8;

export interface RunPicture {
  readonly model: Model;
  /** Names what is drawn. */
  readonly seed: number;
  readonly test: Dataset;
  readonly draw: typeof drawSamples;
  readonly threads?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: DrawRequest["onProgress"];
}

/** A PNG; null of a model that draws no images. */
export async function drawRunPicture({
  model: trained,
  test,
  draw,
  ...options
}: RunPicture): Promise<Uint8Array | null> {
  const { config: model } = trained;
  if (codesKind(model) === "embedding") return null;
  const pixelcnn = pixelcnnIn(model);
  const how = { threads: options.threads, signal: options.signal };
  if (!pixelcnn) return reconstructions(trained, test, how);
  const request = { ...options, model: pixelcnnOf(trained) };
  if (pixelcnn.condition === null) {
    const pixels = await draw({ ...request, count: SAMPLES });
    return gridPng({ cells: picturesOf({ ...pixelcnn, pixels }), columns: Math.sqrt(SAMPLES) });
  }
  const asked = everyClass(pixelcnn) ?? (await ofTest(trained, pixelcnn, test, how));
  const conditions = repeated(asked, EACH);
  const drawn = picturesOf({ ...pixelcnn, pixels: await draw({ ...request, count: conditions.length, conditions }) });
  const cells = asked.flatMap(({ image }, i) => [
    ...(image ? picturesOf({ ...pixelcnn, pixels: image }) : []),
    ...drawn.slice(i * EACH, (i + 1) * EACH),
  ]);
  return gridPng({ cells, columns: cells.length / asked.length });
}

/** The first test images and what they are conditioned on. */
async function ofTest(trained: Model, pixelcnn: PixelcnnConfig, test: Dataset, how: EncodeOptions): Promise<Asked[]> {
  const { config: model } = trained;
  if (codesKind(model) !== "latents") return conditionsOfFirst(pixelcnn, test, SHOWN);
  const first = await firstOf(test);
  const codes = await encode(trained, first.data, how);
  return first.images.map((image, i) => ({
    label: test.nameOf(i),
    value: codes.slice(i * codeSize(model), (i + 1) * codeSize(model)),
    image,
  }));
}

async function reconstructions(trained: Model, test: Dataset, how: EncodeOptions): Promise<Uint8Array> {
  const { config: model } = trained;
  const first = await firstOf(test);
  const back = await decode(trained, await encode(trained, first.data, how), how);
  const originals = first.images.flatMap((image) => picturesOf({ ...model, pixels: image }));
  const reconstructed = picturesOf({ ...model, levels: 256, pixels: asGreys(back, model) });
  return gridPng({ cells: [...originals, ...reconstructed], columns: originals.length });
}

async function firstOf(test: Dataset): Promise<{ data: Dataset; images: Uint8Array[] }> {
  const data = subset(test, { to: Math.min(SHOWN, test.length) });
  const { pixels } = await data.batch([...Array(data.length).keys()], { epoch: 0 });
  const size = pixels.length / data.length;
  return { data, images: Array.from({ length: data.length }, (_, i) => pixels.slice(i * size, (i + 1) * size)) };
}
