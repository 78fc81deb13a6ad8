/** Values that mean nothing to a model are refused wherever they come in: none becomes a number. */

import { expect, test } from "vitest";
import { compress } from "../codec/compress.ts";
import { datasetFromArrays } from "../data/dataset.ts";
import { withVectors } from "../data/with-vectors.ts";
import { createEngine } from "../exact/engine.ts";
import { likelihood } from "../measure/likelihood.ts";
import type { PixelcnnConfig } from "../models/config.ts";
import { randomParameters } from "../models/families.test-support.ts";
import type { Model } from "../models/model.ts";
import { pixelcnnParameters } from "../models/networks.ts";
import { resolvePixelcnn } from "../models/schema.ts";

const size = { height: 2, width: 2, channels: 1, levels: 4 } as const;
const modelOf = (more: object = {}): Model<PixelcnnConfig> => {
  const config = resolvePixelcnn({ ...size, features: 4, depth: 1, firstKernel: 3, head: { features: 4 }, ...more });
  return { config, parameters: randomParameters(pixelcnnParameters(config)) };
};
const plain = modelOf();
const classes = modelOf({ condition: { kind: "class", classes: ["a", "b"] } });
const vectors = modelOf({ condition: { kind: "vector", size: 2 } });
const parts = { ...size, name: "odd", split: "all", classes: ["a", "b"] };
const good = Uint8Array.of(0, 1, 2, 3);
const bad = Uint8Array.of(0, 1, 2, 200);
const scored = (model: Model<PixelcnnConfig>, pixels: Uint8Array, conditions?: never): Promise<unknown> => {
  const engine = createEngine(model);
  const given = { images: { height: 2, width: 2, pixels }, ...(conditions !== undefined && { conditions }) };
  return engine.score(given).finally(() => engine.close());
};

test.each<[string, () => unknown, RegExp]>([
  [
    "a level of a data set",
    () => datasetFromArrays(parts, bad),
    /expected pixels from 0 to 3 for odd but received 200/,
  ],
  [
    "a label beyond the classes",
    () => datasetFromArrays(parts, good, [200]),
    /expected labels from 0 to 1, or -1 for none, for odd but received 200 for image 0/,
  ],
  ["a label below -1", () => datasetFromArrays(parts, good, [-2]), /but received -2 for image 0/],
  ["half a label", () => datasetFromArrays(parts, good, [0.5]), /but received 0.5 for image 0/],
  ["more labels than images", () => datasetFromArrays(parts, good, [0, 1]), /expected 1 labels/],
  ["a level in the engine", () => scored(plain, bad), /200/],
  ["a class in the engine", () => scored(classes, good, 2 as never), /expected a class from 0 to 1/],
  [
    "a number that is none, in a vector",
    () => scored(vectors, good, Float32Array.of(1, Number.NaN) as never),
    /expected finite numbers/,
  ],
  [
    "a vector of another size",
    () => scored(vectors, good, Float32Array.of(1) as never),
    /expected 2 numbers|2 numbers/,
  ],
  ["a level in an archive", () => compress(plain, { height: 2, width: 2, pixels: bad }), /200/],
  [
    "levels of another model, for likelihood",
    () => likelihood(plain, datasetFromArrays({ ...parts, levels: 256 }, good), { threads: 1 }),
    /expected .*levels/,
  ],
  [
    "vectors of another size, for likelihood",
    () => likelihood(vectors, withVectors(datasetFromArrays(parts, good), Float32Array.of(1), 1), { threads: 1 }),
    /expected .*2 numbers/,
  ],
])("%s", async (_, work, message) => {
  await expect((async () => work())()).rejects.toThrow(message);
});
