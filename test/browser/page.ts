/** What the browser test runs in the page: the likelihood of images by the throughput engine, from the browser door. */

import { initialise, type Random, randomFrom } from "../../src/graph.ts";
import { datasetFromArrays, likelihood } from "../../src/index.ts";
import { pixelcnnParameters } from "../../src/models/networks.ts";
import { resolvePixelcnn } from "../../src/models/schema.ts";

/** The same small untrained colour model and images wherever it runs; nats of each image. */
export async function nats(): Promise<number[]> {
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
  const data = datasetFromArrays(
    { name: "random", split: "test", height: 6, width: 5, channels: 3, levels: 8, classes: null },
    pixels,
  );
  return Array.from((await likelihood({ config, parameters }, data, { threads: 1, batch: 4 })).each);
}

const draw = (random: Random): number => random.below(8);

Object.assign(globalThis, { nats });
