/**
 * What the browser test runs in the page, from the browser door: the likelihood of images by the throughput engine, and
 * an archive that holds its model.
 */

import { initialise, type Random, randomFrom } from "../../src/graph.ts";
import { archiveModel, compress, createEngine, datasetFromArrays, decompress, likelihood } from "../../src/index.ts";
import { pixelcnnParameters } from "../../src/models/networks.ts";
import { resolvePixelcnn } from "../../src/models/schema.ts";

/** The same small untrained colour model and images wherever it runs; nats of each image. */
function smallModel() {
  const config = resolvePixelcnn({
    height: 6,
    width: 5,
    channels: 3,
    levels: 8,
    features: 12,
    depth: 4,
    firstKernel: 5,
    dilations: [1, 2],
    skip: 6,
    head: { features: 9 },
  });
  const random = randomFrom(7);
  // Every weight random, also those that a fresh model has at zero.
  const specs = pixelcnnParameters(config).map((spec) => ({ ...spec, bound: spec.bound || 0.5 }));
  const parameters = initialise(specs, random);
  const pixels = Uint8Array.from({ length: 4 * 6 * 5 * 3 }, () => draw(random));
  return { config, parameters, pixels };
}

export async function nats(): Promise<number[]> {
  const { config, parameters, pixels } = smallModel();
  const data = datasetFromArrays(
    { name: "random", split: "test", height: 6, width: 5, channels: 3, levels: 8, classes: null },
    pixels,
  );
  return Array.from((await likelihood({ config, parameters }, data, { threads: 1, batch: 4 })).each);
}

/** An archive of the images with the model inside, its bytes as numbers, which a message between processes keeps. */
export async function archive(): Promise<number[]> {
  const { pixels, ...model } = smallModel();
  return [...(await compress(model, { height: 6, width: 5, pixels }, { withModel: true }))];
}

/** The images of an archive, opened with nothing else, and one that the model inside draws. */
export async function opened(bytes: number[]): Promise<number[][]> {
  const file = Uint8Array.from(bytes);
  const images = (await decompress(file)).map(({ pixels }) => [...pixels]);
  const engine = createEngine((await archiveModel(file))!);
  const drawn = await engine.sample({ count: 1, seed: 3 });
  await engine.close();
  return [...images, [...drawn.pixels]];
}

const draw = (random: Random): number => random.below(8);

Object.assign(globalThis, { nats, archive, opened });
