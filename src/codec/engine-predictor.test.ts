/**
 * The codec on the exact engine: any size, any grouping, any number of threads; and which changes make another model.
 */

import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { PixelcnnError } from "../errors.ts";
import type { ExactModel } from "../exact/plan.ts";
import type { GatedConfig, PixelcnnConfig, PixelcnnInput } from "../models/config.ts";
import { pixelcnnParameters } from "../models/networks.ts";
import { resolvePixelcnn } from "../models/schema.ts";
import { initialise } from "../network/parameters.ts";
import { randomFrom } from "../random.ts";
import { openModel } from "../runs/open-model.ts";
import type { Tensor } from "../tensor.ts";
import { type CodecImage, decodeArchive, decodeGroups, encodeImages, encodeSingle } from "./codec.ts";
import { openPxc, readGroup } from "./container.ts";
import { hex, modelDigest } from "./digest.ts";
import { type EnginePredictor, enginePredictor } from "./engine-predictor.ts";
import { openGroupThreads } from "./group-threads.ts";

type Condition = NonNullable<PixelcnnInput["condition"]>;

interface Shape {
  readonly channels?: number;
  readonly levels?: number;
  readonly height?: number;
  readonly condition?: Condition;
}

/** The fields that the families share. */
const sizesOf = ({ channels = 1, levels = 2, height = 5, condition }: Shape) => ({
  height,
  width: 7,
  channels,
  levels,
  features: 4 * channels,
  depth: 3,
  firstKernel: 5,
  dilations: [1, 2],
  head: { features: 4 * channels },
  ...(condition === undefined ? {} : { condition }),
});

/** A small Gated PixelCNN. */
const modelOf = (shape: Shape = {}) =>
  withWeights(resolvePixelcnn({ ...sizesOf(shape), skip: 4 * (shape.channels ?? 1) }));

/** One with a mixture of logistics. */
const mixtureModelOf = (shape: Shape = {}) => {
  const { head, ...sizes } = sizesOf(shape);
  const mixture = { kind: "mixture", components: 3, ...head } as const;
  return withWeights(resolvePixelcnn({ ...sizes, head: mixture, skip: 4 * (shape.channels ?? 1) }));
};

/** A plain PixelCNN of the same sizes. */
const plainModelOf = (shape: Shape = {}) =>
  withWeights(resolvePixelcnn({ family: "pixelcnn" as const, ...sizesOf(shape) }));

/** A Row LSTM and a Diagonal BiLSTM likewise. */
const rowModelOf = (shape: Shape = {}) =>
  withWeights(resolvePixelcnn({ family: "row-lstm" as const, ...recurrentSizesOf(shape) }));
const diagonalModelOf = (shape: Shape = {}) =>
  withWeights(resolvePixelcnn({ family: "diagonal-bilstm" as const, ...recurrentSizesOf(shape) }));
function recurrentSizesOf(shape: Shape) {
  const { dilations: _, ...sizes } = sizesOf(shape);
  return sizes;
}

function withWeights<C extends PixelcnnConfig>(config: C) {
  const specs = pixelcnnParameters(config).map((spec) => ({ ...spec, bound: 1.5 * (spec.bound || 0.3) }));
  return { config, parameters: initialise(specs, randomFrom(3)) };
}

const closing: { close(): Promise<void> }[] = [];
afterAll(async () => void (await Promise.all(closing.map((one) => one.close()))));
async function predictorOf(model: ExactModel): Promise<EnginePredictor> {
  const predictor = await enginePredictor(model);
  closing.push(predictor);
  return predictor;
}

/** Images that the model itself drew, of several sizes. */
async function drawn(
  { engine }: EnginePredictor,
  sizes: readonly (readonly [number, number, number])[],
): Promise<CodecImage[]> {
  const images: CodecImage[] = [];
  for (const [count, height, width] of sizes) {
    const { pixels } = await engine.sample({ count, height, width, seed: 5 });
    const size = pixels.length / count;
    for (let i = 0; i < count; i++)
      images.push({
        height,
        width,
        pixels: pixels.slice(i * size, (i + 1) * size),
        name: `${height}x${width}/${i}.png`,
      });
  }
  return images;
}

const pixelsOf = (images: readonly CodecImage[]): number[][] => images.map(({ pixels }) => [...pixels]);

const vector = { kind: "vector", size: 3 } as const;

describe.each<[string, ExactModel<PixelcnnConfig>]>([
  ["binary", modelOf()],
  ["grey", modelOf({ levels: 256 })],
  ["colour", modelOf({ channels: 3, levels: 8 })],
  ["colour and alpha", modelOf({ channels: 4, levels: 3 })],
  ["conditioned", modelOf({ levels: 4, condition: vector })],
  ["plain binary", plainModelOf()],
  ["plain grey", plainModelOf({ levels: 256 })],
  ["plain colour, conditioned", plainModelOf({ channels: 3, levels: 8, condition: vector })],
  ["Row LSTM, grey", rowModelOf({ levels: 256 })],
  ["Row LSTM, colour, conditioned", rowModelOf({ channels: 3, levels: 8, condition: vector })],
  ["Diagonal BiLSTM, binary", diagonalModelOf()],
  ["mixture, grey", mixtureModelOf({ levels: 256 })],
  ["mixture, colour, conditioned", mixtureModelOf({ channels: 3, levels: 64, condition: vector })],
  ["Diagonal BiLSTM, colour, conditioned", diagonalModelOf({ channels: 3, levels: 8, condition: vector })],
])("a %s model", (_name, model) => {
  test("gives back images of any size, in groups of 1, 3 and 64, and alone", async () => {
    const predictor = await predictorOf(model);
    const images = (
      await drawn(predictor, [
        [5, 5, 7],
        [1, 1, 1],
        [1, 37, 21],
        [2, 9, 4],
      ])
    ).map((image, i) => (model.config.condition === null ? image : { ...image, condition: i % 3 }));
    for (const groupSize of [1, 3, 64]) {
      const bytes = await encodeImages(predictor, images, { groupSize });
      expect(pixelsOf(await decodeArchive(predictor, bytes))).toEqual(pixelsOf(images));
    }
    for (const image of images) {
      const [back] = await decodeArchive(predictor, await encodeSingle(predictor, image));
      expect(back).toMatchObject({ height: image.height, width: image.width, pixels: image.pixels });
    }
  });

  test("needs the bits that the engine says, and at most 4 more a group", async () => {
    const predictor = await predictorOf(model);
    const images = await drawn(predictor, [[40, 6, 9]]);
    const pixels = Uint8Array.from(images.flatMap((image) => [...image.pixels]));
    const scored = await predictor.engine.score({ images: { height: 6, width: 9, pixels } });
    const bits = scored.reduce((a, b) => a + b, 0);
    const file = openPxc(await encodeImages(predictor, images));
    if (file.kind !== "archive") throw new Error("expected an archive");
    const { payload, stored } = readGroup(file, 0);
    expect(file.groups).toHaveLength(1);
    if (!stored.includes(true)) expect(Math.abs(8 * payload.length - bits)).toBeLessThanOrEqual(2e-5 * bits + 4 + 8);
    else expect(8 * payload.length).toBeLessThanOrEqual(bits + 4 + 8);
  });
});

describe("threads", () => {
  const model = modelOf({ levels: 4 });

  test("change no byte and no pixel", async () => {
    const predictor = await predictorOf(model);
    const images = await drawn(predictor, [
      [9, 5, 7],
      [4, 8, 3],
    ]);
    const alone = await encodeImages(predictor, images, { groupSize: 2 });
    for (const count of [1, 2, 3]) {
      const threads = openGroupThreads(model, predictor, { count });
      closing.push(threads);
      const seen: number[] = [];
      const bytes = await encodeImages(predictor, images, {
        groupSize: 2,
        threads,
        onProgress: ({ row }) => seen.push(row),
      });
      expect(hex(bytes)).toBe(hex(alone));
      expect(seen).toHaveLength(5 * 5 + 2 * 8);
      expect(pixelsOf(await decodeArchive(predictor, alone, { threads }))).toEqual(pixelsOf(images));
    }
  });

  test("stop on request, when a group is damaged, and when nobody asks for more; then work again", async () => {
    const predictor = await predictorOf(model);
    const images = await drawn(predictor, [[6, 5, 7]]);
    const threads = openGroupThreads(model, predictor, { count: 2 });
    closing.push(threads);
    const bytes = await encodeImages(predictor, images, { groupSize: 1, threads });
    const failure = (work: Promise<unknown>): Promise<PixelcnnError> =>
      work.then(
        () => Promise.reject(new Error("expected an error")),
        (error) => (error instanceof PixelcnnError ? error : Promise.reject(error)),
      );
    const stop = new AbortController();
    const stopped = decodeArchive(predictor, bytes, { threads, signal: stop.signal, onProgress: () => stop.abort() });
    expect((await failure(stopped)).kind).toBe("interrupted");
    const damaged = bytes.slice();
    const file = openPxc(bytes);
    damaged[(file.kind === "archive" && file.groups[3]!.offset + 14) || 0]! ^= 1;
    expect((await failure(decodeArchive(predictor, damaged, { threads }))).message).toMatch(
      /^group 3 \(images 3 to 3, .*CRC-32/,
    );
    for await (const group of decodeGroups(predictor, bytes, { threads })) {
      expect(group).toHaveLength(1);
      break;
    }
    expect(pixelsOf(await decodeArchive(predictor, bytes, { threads }))).toEqual(pixelsOf(images));
  });

  test("of another model are refused", async () => {
    const predictor = await predictorOf(model);
    const other = modelOf({ levels: 3 });
    const threads = openGroupThreads(other, await predictorOf(other), { count: 1 });
    const images = await drawn(predictor, [[1, 2, 2]]);
    await expect(encodeImages(predictor, images, { threads })).rejects.toThrow(
      /^expected threads of the model [0-9a-f]{64} but/,
    );
  });
});

test(
  "the digest covers every weight and what the engine reads of the config, not the size that the model was " +
    "trained on",
  async () => {
    const digestOf = async (model: ExactModel): Promise<string> => hex((await predictorOf(model)).digest);
    const digest = await digestOf(modelOf());
    expect(await digestOf(modelOf({ height: 28 }))).toBe(digest);
    expect(await digestOf(modelOf({ levels: 3 }))).not.toBe(digest);
    const { config, parameters } = modelOf();
    expect(await digestOf({ config, parameters: Object.fromEntries(parameters) })).toBe(digest);
    for (const tensor of parameters.values()) {
      const before = tensor.data[0]!;
      new Int32Array(tensor.data.buffer, tensor.data.byteOffset, 1)[0]! += 1;
      expect(await digestOf({ config, parameters })).not.toBe(digest);
      tensor.data[0] = before;
    }
  },
);

test("the digests of models that ship stay what they are", async () => {
  const digests: Record<string, string> = {};
  for (const name of ["fashion-mnist-1", "mnist-binary"]) {
    const { config, parameters } = await openModel(fileURLToPath(new URL(`../../models/${name}`, import.meta.url)));
    digests[name] = hex((await predictorOf({ config: config as GatedConfig, parameters })).digest);
  }
  expect(digests).toEqual({
    "fashion-mnist-1": "af7346f359617f9276b2b800a690dd8fb26f773aed68ed5bead804e73f1ac1c4",
    "mnist-binary": "5e4c16cc190df48ff9d28f48d69e03a2d6680780d0a1c66913ba9859cc2867aa",
  });
});

type Fields = Readonly<Record<string, unknown>>;

/** Families that name themselves in their digest: how a small model is made, its own fields, and digests that stay. */
const NAMED: [
  string,
  (shape?: Shape) => ExactModel<PixelcnnConfig>,
  readonly string[],
  Readonly<Record<string, string>>,
][] = [
  [
    "a plain PixelCNN",
    plainModelOf,
    ["features", "depth", "firstKernel", "kernels", "dilations"],
    {
      binary: "bc5b043b052df44b44887be2f9945cac1864b743dbb85bdc149eaca2ad3f7a2a",
      "colour, conditioned": "6d9dbaf92b1d2bd7be113b97553508f6de36c66f11772aa04d660748a14f2ecb",
    },
  ],
  [
    "a Row LSTM",
    rowModelOf,
    ["features", "depth", "firstKernel", "kernel"],
    {
      binary: "e2a4bfa36489758a89d731a543d7a21f12d310ee1a49f915f8a1e10f6ab79d85",
      "colour, conditioned": "833f055503d7e966dc4e969b64478609acc27aaada7ef3fd7e048ed3d261571e",
    },
  ],
  [
    "a Diagonal BiLSTM",
    diagonalModelOf,
    ["features", "depth", "firstKernel"],
    {
      binary: "f9f35687fced90cc0460f23a8bec8b4ef292f778886ac78f3c24f5819aff11ea",
      "colour, conditioned": "97ca56b383c55cbb30324a0379728877e084a5b905ecc0f2b84f5290e89b3f53",
    },
  ],
];

describe.each(NAMED)("the digest of %s", (_name, make, own, digests) => {
  const digestOf = async (model: ExactModel): Promise<string> => hex((await predictorOf(model)).digest);

  test("names the family, and holds the fields that it has and no others", async () => {
    const { config, parameters } = make();
    const fields = config as unknown as Fields;
    const { family, channels, levels, head } = config;
    const read = {
      ...Object.fromEntries(own.map((field) => [field, fields[field]])),
      channels,
      levels,
      head,
      condition: null,
    };
    const tensors = parameters as ReadonlyMap<string, Tensor<"float32">>;
    const digest = await digestOf({ config, parameters });
    expect(hex(await modelDigest({ family, ...read }, tensors))).toBe(digest);
    expect(hex(await modelDigest(read, tensors))).not.toBe(digest);
    expect(await digestOf(make({ height: 28 }))).toBe(digest);
    expect(await digestOf(make({ levels: 3 }))).not.toBe(digest);
    expect(await digestOf(modelOf())).not.toBe(digest);
  });

  test("stays what it is", async () => {
    // Bounds of their own: how a model's first values are drawn may be tuned.
    const even = ({ config }: ExactModel<PixelcnnConfig>): ExactModel => {
      const specs = pixelcnnParameters(config).map((spec) => ({ ...spec, bound: 0.3 }));
      return { config, parameters: initialise(specs, randomFrom(3)) };
    };
    expect({
      binary: await digestOf(even(make())),
      "colour, conditioned": await digestOf(even(make({ channels: 3, levels: 8, condition: vector }))),
    }).toEqual(digests);
  });
});

describe("the digest of a condition holds its kind and sizes:", () => {
  const digestOf = async (condition: Condition, height = 5): Promise<string> =>
    hex((await predictorOf(modelOf({ condition, height }))).digest);
  const written = async (condition: Condition, fields: object, others: object = {}): Promise<string> => {
    const { config, parameters } = modelOf({ condition });
    const { channels, levels, features, depth, firstKernel, kernels, dilations, skip, head } = config;
    const read = {
      channels,
      levels,
      features,
      depth,
      firstKernel,
      kernels,
      dilations,
      skip,
      head,
      condition: fields,
      ...others,
    };
    return hex(await modelDigest(read, parameters));
  };

  test("of classes their number, not their names", async () => {
    const condition = { kind: "class", classes: ["a", "b", "c"] } as const;
    const digest = await digestOf({ ...condition, classes: [...condition.classes] });
    expect(await written({ kind: "class", classes: ["a", "b", "c"] }, { kind: "class", size: 3 })).toBe(digest);
    expect(await digestOf({ kind: "class", classes: ["x", "y", "z"] }, 28)).toBe(digest);
    expect(await digestOf({ kind: "class", classes: ["a", "b"] })).not.toBe(digest);
    // The same weights, given numbers that are no classes.
    expect(await digestOf({ kind: "vector", size: 3 })).not.toBe(digest);
  });

  test("of a vector its size", async () => {
    const digest = await digestOf({ kind: "vector", size: 3 });
    expect(await written({ kind: "vector", size: 3 }, { kind: "vector", size: 3 })).toBe(digest);
    expect(await digestOf({ kind: "vector", size: 3 }, 28)).toBe(digest);
    expect(await digestOf({ kind: "vector", size: 3, scale: 1 })).toBe(digest);
  });

  test("of a map its size and features, and the size of the images", async () => {
    const map = { kind: "map", height: 3, width: 4, channels: 2, features: 5 } as const;
    const digest = await digestOf(map);
    expect(await written(map, { ...map }, { height: 5, width: 7 })).toBe(digest);
    // As many transposed convolutions, so the very same weights.
    expect(await digestOf(map, 6)).not.toBe(digest);
    for (const other of [{ height: 4 }, { width: 5 }, { channels: 3 }, { features: 6 }])
      expect(await digestOf({ ...map, ...other })).not.toBe(digest);
  });
});

test("groups of wide images are made small enough to decode in moderate memory", async () => {
  const predictor = await predictorOf(modelOf());
  expect(predictor.mostImages({ height: 28, width: 28 })).toBeGreaterThan(64);
  for (const width of [4000, 100_000]) {
    const count = predictor.mostImages({ height: 1, width });
    if (count > 1) expect(predictor.engine.memoryFor({ count, width })).toBeLessThanOrEqual(2 ** 28);
    expect(predictor.engine.memoryFor({ count: count + 1, width })).toBeGreaterThan(2 ** 28 - 2 ** 16);
  }
});
