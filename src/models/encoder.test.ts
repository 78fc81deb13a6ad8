/** The encoder against docs/model.md as loops in float64. */

import { expect, test } from "vitest";
import type { ParameterMap } from "../network/parameters.ts";
import { encoderOutputs, encoderParameters, encoderSchema, encoderSizes } from "./encoder.ts";
import { randomLevels, randomParameters, runModelGraph } from "./families.test-support.ts";
import { type ModelConfig, modelParameters, resolveModel } from "./families.ts";

/** An encoder inside an embedder's config: odd sizes, several channels. */
const configOf = (encoder: object, changes: object = {}): Extract<ModelConfig, { family: "embedder" }> =>
  resolveModel({
    family: "embedder",
    height: 7,
    width: 5,
    channels: 2,
    levels: 5,
    size: 3,
    encoder,
    ...changes,
  }) as Extract<ModelConfig, { family: "embedder" }>;

/** One image, level by level, through the encoder. */
function naiveEncoder(
  config: ReturnType<typeof configOf>,
  parameters: ParameterMap,
  pixels: ArrayLike<number>,
): number[] {
  const at = (name: string, i: number): number => parameters.get(`encoder.${name}`)!.data[i]!;
  let [H, W, F] = [config.height, config.width, config.channels];
  let map = Array.from(pixels, (v) => (2 * v) / (config.levels - 1) - 1);
  config.encoder.features.forEach((out, l) => {
    const [h, w] = [Math.ceil(H / 2), Math.ceil(W / 2)];
    const next = Array.from({ length: h * w * out }, (_, k) => {
      const [y, x, o] = [Math.floor(k / out / w), Math.floor(k / out) % w, k % out];
      let sum = at(`layer${l + 1}.b`, o);
      for (let ky = 0; ky < 4; ky++)
        for (let kx = 0; kx < 4; kx++) {
          const [i, j] = [2 * y + ky - 1, 2 * x + kx - 1];
          if (i < 0 || i >= H || j < 0 || j >= W) continue;
          for (let f = 0; f < F; f++)
            sum += map[(i * W + j) * F + f]! * at(`layer${l + 1}.W`, ((ky * 4 + kx) * F + f) * out + o);
        }
      return Math.max(0, sum);
    });
    [H, W, F, map] = [h, w, out, next];
  });
  const dense = (x: number[], name: string, outputs: number): number[] =>
    Array.from({ length: outputs }, (_, o) =>
      x.reduce((sum, value, i) => sum + value * at(`${name}.W`, i * outputs + o), at(`${name}.b`, o)),
    );
  const { hidden, normalise } = config.encoder;
  let last = map;
  if (hidden > 0) {
    const sums = dense(map, "hidden", hidden);
    const average = (values: number[]): number => values.reduce((a, b) => a + b) / hidden;
    const mean = normalise ? average(sums) : 0;
    const deviation = normalise ? Math.sqrt(average(sums.map((v) => (v - mean) ** 2)) + 1e-5) : 1;
    last = sums.map((v) => Math.max(0, (v - mean) / deviation));
  }
  return dense(last, "outputs", config.size);
}

test.each([
  ["one layer, no hidden one", { features: [3], hidden: 0 }],
  ["two layers and a hidden one", { features: [3, 4], hidden: 5 }],
  ["a hidden layer that is normalised", { features: [3], hidden: 6, normalise: true }],
  ["more layers than the image has halves", { features: [2, 3, 2, 3, 2], hidden: 0 }],
])("the encoder is its loops: %s", async (_, encoder) => {
  const config = configOf(encoder);
  const parameters = randomParameters(modelParameters(config));
  const pixels = randomLevels(config, 3);
  const { shape, y } = await runModelGraph(config, parameters, pixels, (lookup, images) =>
    encoderOutputs(config.encoder, config, lookup, images),
  );
  expect(shape).toEqual([3, 3]);
  const expected = [0, 1, 2].flatMap((b) =>
    naiveEncoder(config, parameters, pixels.data.subarray(b * 70, (b + 1) * 70)),
  );
  y.forEach((value, i) => {
    expect(value).toBeCloseTo(expected[i]!, 11);
  });
});

test("its parameters have the names and shapes of docs/model.md", () => {
  const { encoder } = configOf({});
  expect(encoder).toEqual({ features: [32, 64, 128], hidden: 128, normalise: false, linear: false });
  const image = { height: 28, width: 28, channels: 1, levels: 2 };
  expect(encoderSizes(encoder, image).map(({ height }) => height)).toEqual([28, 14, 7, 4]);
  expect(encoderParameters(encoder, image, 10).map(({ name, shape }) => `${name} ${shape.join(" ")}`)).toEqual([
    "encoder.layer1.W 4 4 1 32",
    "encoder.layer1.b 32",
    "encoder.layer2.W 4 4 32 64",
    "encoder.layer2.b 64",
    "encoder.layer3.W 4 4 64 128",
    "encoder.layer3.b 128",
    "encoder.hidden.W 2048 128",
    "encoder.hidden.b 128",
    "encoder.outputs.W 128 10",
    "encoder.outputs.b 10",
  ]);
  const plain = encoderParameters(encoderSchema.parse({ features: [8], hidden: 0 }), image, 10);
  expect(plain.map(({ name }) => name).slice(-2)).toEqual(["encoder.outputs.W", "encoder.outputs.b"]);
  expect(plain.at(-2)!.shape).toEqual([14 * 14 * 8, 10]);
  const [outputs, , linear] = encoderParameters(encoderSchema.parse({ features: [8], linear: true }), image, 10).slice(
    -3,
  );
  expect([outputs!.name, outputs!.bound]).toEqual(["encoder.outputs.W", 0]);
  expect([linear!.name, linear!.shape]).toEqual(["encoder.linear.W", [784, 10]]);
});

test(
  "with a normalised hidden layer the outputs stay as large as their own weights make them, whatever the hidden " +
    "layer's have grown to",
  async () => {
    const most = async (normalise: boolean, grown: number): Promise<number> => {
      const config = configOf({ features: [3], hidden: 6, normalise });
      const parameters = new Map(
        [...randomParameters(modelParameters(config))].map(([name, t]) => [
          name,
          /hidden/.test(name) ? { ...t, data: t.data.map((v) => v * grown) } : t,
        ]),
      );
      const { y } = await runModelGraph(config, parameters, randomLevels(config, 3), (lookup, images) =>
        encoderOutputs(config.encoder, config, lookup, images),
      );
      return Math.max(...y.map(Math.abs));
    };
    expect(await most(false, 100)).toBeGreaterThan(30 * (await most(false, 1)));
    expect(await most(true, 100)).toBeCloseTo(await most(true, 1), 3);
  },
);

test("there is nothing to normalise in a hidden layer of no unit, or of one", () => {
  for (const hidden of [0, 1])
    expect(() => configOf({ features: [3], hidden, normalise: true })).toThrow(
      `encoder.hidden: expected a hidden layer of at least 2 units to normalise but received ${hidden}`,
    );
});

test("an image of another size is refused", async () => {
  const config = configOf({ features: [3] });
  const other = randomLevels({ ...config, height: 8 }, 1);
  await expect(
    runModelGraph(config, randomParameters(modelParameters(config)), other, (lookup, images) =>
      encoderOutputs(config.encoder, config, lookup, images),
    ),
  ).rejects.toThrow("expected uint8 pixels [B, 7, 5, 2] for the encoder but received uint8[1,8,5,2]");
});
