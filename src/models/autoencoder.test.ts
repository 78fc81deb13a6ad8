/**
 * Both auto-encoders: derivatives end to end, the decoder as a model of its own, and the deconvolution against loops in
 * float64.
 */

import { describe, expect, test } from "vitest";
import { checkParameters, type ParameterMap } from "../network/parameters.ts";
import type { Tensor } from "../tensor.ts";
import {
  type AutoencoderConfig,
  autoencoderParameters,
  decoderConfig,
  decoderParameters,
  latentsOf,
  reconstruction,
} from "./autoencoder.ts";
import {
  checkLossDerivatives,
  lossOf,
  randomLevels,
  randomParameters,
  runModelGraph,
} from "./families.test-support.ts";
import { resolveModel } from "./families.ts";
import { pixelcnnLogProbabilities } from "./log-probability.ts";
import { pixelcnnParameters } from "./networks.ts";
import { runModel } from "./random-model.test-support.ts";

const SMALL = { features: 2, depth: 2, firstKernel: 3, skip: 2, head: { features: 2 } };
/** Tiny: odd sizes, three latents; wide enough that not every unit of a ReLU layer is off. */
const configOf = (decoder: object, changes: object = {}): AutoencoderConfig =>
  resolveModel({
    family: "autoencoder",
    height: 3,
    width: 5,
    channels: 1,
    levels: 3,
    latents: 3,
    encoder: { features: [4, 5], hidden: 6 },
    decoder,
    ...changes,
  }) as AutoencoderConfig;
const pixelcnn = (changes: object = {}): AutoencoderConfig => configOf({ kind: "pixelcnn", ...SMALL }, changes);
const deconvolution = (changes: object = {}): AutoencoderConfig =>
  configOf({ kind: "deconvolution", features: [3, 2] }, changes);
const two = { channels: 2, decoder: { kind: "pixelcnn", ...SMALL } };

const latents = async (
  config: AutoencoderConfig,
  parameters: ParameterMap,
  pixels: Tensor<"uint8">,
): Promise<number[]> =>
  (await runModelGraph(config, parameters, pixels, (lookup, images) => latentsOf(config, lookup, images))).y;
const changed = (parameters: ParameterMap, which: RegExp, f: (x: number) => number): ParameterMap =>
  new Map([...parameters].map(([name, t]) => [name, which.test(name) ? { ...t, data: t.data.map(f) } : t]));

describe("the loss's derivatives by every weight are those of central differences", () => {
  test.each([
    ["a PixelCNN decoder", pixelcnn()],
    ["a PixelCNN decoder of two channels", pixelcnn(two)],
    ["a deconvolution", deconvolution()],
    [
      "a PixelCNN decoder whose latents go through m(h), and an encoder that is normalised",
      configOf(
        { kind: "pixelcnn", ...SMALL, mapFeatures: 4 },
        { encoder: { features: [4, 5], hidden: 6, normalise: true }, height: 3, width: 4 },
      ),
    ],
    [
      "linear paths and a deconvolution",
      configOf(
        { kind: "deconvolution", features: [3, 2], linear: true, refine: [3] },
        { encoder: { features: [5], hidden: 0, linear: true } },
      ),
    ],
    [
      "linear paths and a PixelCNN decoder",
      configOf(
        { kind: "pixelcnn", ...SMALL, mapFeatures: 4, linear: true },
        { encoder: { features: [4, 5], hidden: 6, linear: true, normalise: true }, height: 3, width: 4 },
      ),
    ],
    ["an encoder without a hidden layer", deconvolution({ encoder: { features: [5], hidden: 0 } })],
  ])("%s", async (_, config) => {
    const parameters = randomParameters(autoencoderParameters(config), 3);
    const found = await checkLossDerivatives(config, parameters, randomLevels(config, 2));
    // The encoder learns through the decoder: every tensor of it has a derivative that is not zero.
    const encoder = [...found].filter(([name]) => name.startsWith("encoder."));
    expect(encoder.length).toBeGreaterThan(3);
    for (const [name, values] of encoder) expect(Math.max(...values.map(Math.abs)), name).toBeGreaterThan(1e-3);
  });
});

test("an image whose latents are left out is as likely as under null, and teaches the encoder nothing", async () => {
  const config = configOf({ kind: "pixelcnn", ...SMALL, mapFeatures: 4 });
  const parameters = randomParameters(autoencoderParameters(config), 3);
  const pixels = randomLevels(config, 2);
  const of = (keep: readonly number[]): Promise<number> => lossOf(config, parameters, pixels, { keep });
  const decoder = decoderConfig(config);
  const own = await latents(config, parameters, pixels);
  const under = async (i: number, h: readonly number[]): Promise<number> => {
    const image = { ...pixels, shape: [1, 3, 5, 1], data: pixels.data.slice(15 * i, 15 * (i + 1)) };
    return lossOf(decoder, decoderParameters(config, parameters), image, { condition: h });
  };
  const nothing = [0, 0, 0];
  const [first, second] = [own.slice(0, 3), own.slice(3)];
  expect(await of([1, 0])).toBeCloseTo((await under(0, first)) + (await under(1, nothing)), 9);
  expect(await of([0, 1])).toBeCloseTo((await under(0, nothing)) + (await under(1, second)), 9);
  expect(await of([1, 1])).toBeCloseTo(await lossOf(config, parameters, pixels), 12);
  expect(Math.abs((await of([1, 1])) - (await of([1, 0])))).toBeGreaterThan(1e-3);
  const derivatives = await checkLossDerivatives(config, parameters, pixels, { keep: [0, 0] });
  for (const [name, values] of derivatives)
    if (name.startsWith("encoder.")) expect(Math.max(...values.map(Math.abs)), name).toBe(0);
  expect(Math.max(...derivatives.get("layer1.vertical.b_f")!.map(Math.abs))).toBeGreaterThan(1e-3);
});

test("an image whose pixels are not shown is told from its latents alone, and teaches the encoder still", async () => {
  const config = configOf({ kind: "pixelcnn", ...SMALL, mapFeatures: 4 });
  const parameters = randomParameters(autoencoderParameters(config), 3);
  const pixels = randomLevels(config, 1);
  const other = { ...pixels, data: pixels.data.map((v, i) => (i === 7 ? (v + 1) % 3 : v)) };
  // Latents that do not depend on the image: of the decoder alone, each sub-pixel then has its own nats.
  const decoder = decoderConfig(config);
  const weights = decoderParameters(config, parameters);
  const condition = [0.5, -1, 0.3];
  const each = async (image: Tensor<"uint8">, sees: readonly number[] | null): Promise<number[]> =>
    (
      await runModelGraph(decoder, weights, image, (lookup, images, graph) =>
        pixelcnnLogProbabilities(decoder, lookup, {
          pixels: images,
          condition: graph.constant("float64", [1, 3], Float64Array.from(condition)),
          sees: sees && graph.constant("float64", [1], Float64Array.from(sees)),
        }),
      )
    ).y;
  const [blind, changedBlind] = [await each(pixels, [0]), await each(other, [0])];
  const [seen, changedSeen] = [await each(pixels, [1]), await each(other, [1])];
  expect(seen).toEqual(await each(pixels, null));
  const differ = (a: number[], b: number[]): number[] => a.flatMap((v, i) => (v === b[i] ? [] : [i]));
  // Shown, the change reaches later pixels; not shown, its own alone.
  expect(differ(blind, changedBlind)).toEqual([7]);
  expect(differ(seen, changedSeen)).toEqual(expect.arrayContaining([7, 8]));
  expect(differ(blind, seen).length).toBeGreaterThan(10);
  const derivatives = await checkLossDerivatives(config, parameters, pixels, { sees: [0] });
  expect(Math.max(...derivatives.get("encoder.outputs.W")!.map(Math.abs))).toBeGreaterThan(1e-3);
  // The first layer's taps meet nothing but zeros.
  expect(Math.max(...derivatives.get("layer1.vertical.W_f")!.map(Math.abs))).toBe(0);
});

test("a linear path of m(h) has a feature a channel, and needs m(h)", () => {
  const config = pixelcnn({ channels: 2, decoder: { kind: "pixelcnn", ...SMALL, mapFeatures: 4, linear: true } });
  expect(decoderConfig(config).condition).toEqual({ kind: "vector", size: 3, features: 4, linear: 2 });
  const parameters = randomParameters(autoencoderParameters(config));
  expect(decoderParameters(config, parameters).get("map.linear.W")!.shape).toEqual([3, 3, 5, 2]);
  expect(() => pixelcnn({ decoder: { kind: "pixelcnn", ...SMALL, linear: true } })).toThrow(
    "decoder.mapFeatures: expected mapFeatures above 0 beside a linear path, which is a part of m(h), but received 0",
  );
  const alone = { ...decoderConfig(config), condition: { kind: "vector", size: 3, linear: 2 } };
  expect(() => resolveModel(alone)).toThrow(
    "condition.features: expected features of m(h) beside the linear ones but received 2 linear alone",
  );
});

test("latents that go through m(h) are a vector that does", () => {
  const config = configOf({ kind: "pixelcnn", ...SMALL, mapFeatures: 4 });
  expect(decoderConfig(config).condition).toEqual({ kind: "vector", size: 3, features: 4 });
  const decoder = decoderParameters(config, randomParameters(autoencoderParameters(config)));
  expect(decoder.get("map.layer1.W")!.shape).toEqual([4, 4, 3, 4]);
  expect(decoder.get("layer2.vertical.V_f")!.shape).toEqual([4, 2]);
});

describe("the PixelCNN decoder is a model of its own", () => {
  const config = pixelcnn(two);
  const parameters = randomParameters(autoencoderParameters(config), 5);
  const pixels = randomLevels(config, 2);

  test("with the fields of the decoder and a vector as its condition", () => {
    expect(decoderConfig(config)).toEqual({
      family: "gated-pixelcnn",
      height: 3,
      width: 5,
      channels: 2,
      levels: 3,
      ...SMALL,
      kernels: [3],
      dilations: [1],
      head: { kind: "categorical", features: 2 },
      condition: { kind: "vector", size: 3 },
    });
    expect(resolveModel(decoderConfig(config))).toEqual(decoderConfig(config));
  });

  test("and exactly its parameters", () => {
    const decoder = decoderParameters(config, parameters);
    expect(() => checkParameters(pixelcnnParameters(decoderConfig(config)), decoder)).not.toThrow();
    expect(decoder.get("layer2.vertical.V_f")!.shape).toEqual([3, 2]);
    expect(decoder.get("layer2.vertical.V_f")).toBe(parameters.get("layer2.vertical.V_f"));
    expect(
      [...parameters.keys()].filter((name) => !decoder.has(name)).every((name) => name.startsWith("encoder.")),
    ).toBe(true);
    expect(() => decoderParameters(config, decoder)).toThrow(
      "expected a parameter encoder.layer1.W of shape [4,4,2,4]",
    );
  });

  test("whose likelihood given the latents is the loss", async () => {
    const h = await latents(config, parameters, pixels);
    const model = { config: decoderConfig(config), parameters: decoderParameters(config, parameters) };
    const each = await runModel(model, "logProbability", pixels.data, { h, batch: 2 });
    const loss = await lossOf(config, parameters, pixels);
    expect(loss).toBeCloseTo(-each[0]! - each[1]!, 10);
    // Not so given each other's.
    const swapped = await runModel(model, "logProbability", pixels.data, {
      h: [...h.slice(3), ...h.slice(0, 3)],
      batch: 2,
    });
    expect(Math.abs(loss + swapped[0]! + swapped[1]!)).toBeGreaterThan(1e-3);
  });

  test("which with V = 0 does not depend on the latents", async () => {
    const without = changed(parameters, /\.V_[fg]$/, () => 0);
    const others = changed(without, /^encoder\./, (x) => x * 1.5 - 0.2);
    expect(await latents(config, without, pixels)).not.toEqual(await latents(config, others, pixels));
    expect(await lossOf(config, without, pixels)).toBe(await lossOf(config, others, pixels));
    // As it does with V.
    const with_ = changed(parameters, /^encoder\./, (x) => x * 1.5 - 0.2);
    expect(await lossOf(config, parameters, pixels)).not.toBe(await lossOf(config, with_, pixels));
    // And it is the model without a condition, with the same weights.
    const plain = { ...decoderConfig(config), condition: null };
    const weights = new Map([...decoderParameters(config, without)].filter(([name]) => !/\.V_[fg]$/.test(name)));
    const each = await runModel({ config: plain, parameters: weights }, "logProbability", pixels.data, { batch: 2 });
    expect(await lossOf(config, without, pixels)).toBeCloseTo(-each[0]! - each[1]!, 10);
  });
});

/** One image of the deconvolution in scaled units, by loops: docs/model.md. */
function naiveDeconvolution(config: AutoencoderConfig, parameters: ParameterMap, code: readonly number[]): number[] {
  const at = (name: string, i: number): number => parameters.get(`decoder.${name}`)!.data[i]!;
  const { decoder, height: H, width: W, channels: C } = config;
  if (decoder.kind !== "deconvolution") throw new Error("no deconvolution");
  let h = Math.ceil(H / 2 ** decoder.features.length);
  let w = Math.ceil(W / 2 ** decoder.features.length);
  let F = decoder.features[0]!;
  const flat = h * w * F;
  let map = Array.from({ length: flat }, (_, o) =>
    Math.max(
      0,
      code.reduce((sum, value, i) => sum + value * at("map.W", i * flat + o), at("map.b", o)),
    ),
  );
  decoder.features.forEach((out, l) => {
    // Scattering, where the graph gathers.
    const next = Array.from({ length: 4 * h * w * out }, (_, k) => at(`layer${l + 1}.b`, k % out));
    for (let i = 0; i < h; i++)
      for (let j = 0; j < w; j++)
        for (let ky = 0; ky < 4; ky++)
          for (let kx = 0; kx < 4; kx++) {
            const [y, x] = [2 * i + ky - 1, 2 * j + kx - 1];
            if (y < 0 || y >= 2 * h || x < 0 || x >= 2 * w) continue;
            for (let f = 0; f < F; f++)
              for (let o = 0; o < out; o++)
                next[(y * 2 * w + x) * out + o]! +=
                  map[(i * w + j) * F + f]! * at(`layer${l + 1}.W`, ((ky * 4 + kx) * F + f) * out + o);
          }
    [h, w, F, map] = [2 * h, 2 * w, out, next.map((v) => Math.max(0, v))];
  });
  const line = Array.from({ length: H * W * C }, (_, k) =>
    decoder.linear
      ? code.reduce((sum, v, i) => sum + (v / Math.sqrt(code.length)) * at("linear.W", i * H * W * C + k), 0) +
        at("linear.b", k)
      : 0,
  );
  // Features of each pixel of the image; nothing outside.
  let pixels = Array.from({ length: H * W }, (_, p) => {
    const from = (Math.floor(p / W) * w + (p % W)) * F;
    const refined = decoder.linear && decoder.refine.length > 0;
    return [...map.slice(from, from + F), ...(refined ? line.slice(p * C, (p + 1) * C) : [])];
  });
  decoder.refine.forEach((out, l) => {
    const inputs = pixels[0]!.length;
    pixels = pixels.map((_, p) =>
      Array.from({ length: out }, (_, o) => {
        let sum = at(`refine${l + 1}.b`, o);
        for (let t = 0; t < 9; t++) {
          const [y, x] = [Math.floor(p / W) + Math.floor(t / 3) - 1, (p % W) + (t % 3) - 1];
          if (y < 0 || y >= H || x < 0 || x >= W) continue;
          for (let f = 0; f < inputs; f++)
            sum += pixels[y * W + x]![f]! * at(`refine${l + 1}.W`, (t * inputs + f) * out + o);
        }
        return Math.max(0, sum);
      }),
    );
  });
  return Array.from({ length: H * W * C }, (_, k) => {
    const c = k % C;
    const features = pixels[Math.floor(k / C)]!;
    return features.reduce((sum, v, f) => sum + v * at("outputs.W", f * C + c), at("outputs.b", c)) + line[k]!;
  });
}

describe.each([
  ["the deconvolution", {}],
  ["the deconvolution with a linear path", { linear: true }],
  ["the deconvolution, refined", { refine: [5, 4] }],
  ["the deconvolution with a linear path, refined", { linear: true, refine: [5] }],
])("%s", (_, decoder) => {
  const config = configOf(
    { kind: "deconvolution", features: [3, 2], ...decoder },
    { channels: 2, height: 5, width: 6, encoder: { features: [4, 5], hidden: 6, linear: "linear" in decoder } },
  );
  const parameters = randomParameters(autoencoderParameters(config), 8);
  const pixels = randomLevels(config, 3);

  test("is its loops, and its loss the squared error in scaled units", async () => {
    const codes = await latents(config, parameters, pixels);
    // Latents of any size are latents; some of these leave the levels' range.
    const loud = codes.map((value, i) => (i < 3 ? 20 * value : value));
    const found = await runModelGraph(config, parameters, pixels, (lookup, _, graph) =>
      reconstruction(config, lookup, graph.constant("float64", [3, 3], loud)),
    );
    expect(found.shape).toEqual([3, 5, 6, 2]);
    const images = (h: number[]): number[] =>
      [0, 1, 2].flatMap((b) => naiveDeconvolution(config, parameters, h.slice(3 * b, 3 * b + 3)));
    const expected = images(loud);
    found.y.forEach((value, i) => {
      expect(value).toBeCloseTo(Math.min(2, Math.max(0, expected[i]! + 1)), 11);
    });
    // Some were clipped and some were not.
    const within = found.y.filter((value) => value > 0 && value < 2).length;
    expect(within).toBeGreaterThan(10);
    expect(within).toBeLessThan(found.y.length);
    const error = images(codes).reduce((sum, y, i) => sum + (y - (pixels.data[i]! - 1)) ** 2, 0);
    expect(await lossOf(config, parameters, pixels)).toBeCloseTo(error, 10);
  });

  test("gives its own parameters away, and no other", () => {
    expect([...decoderParameters(config, parameters).keys()].every((name) => name.startsWith("decoder."))).toBe(true);
  });
});

test("a deconvolution has the parameters of docs/model.md", () => {
  const decoder = { kind: "deconvolution", features: [3, 2], linear: true, refine: [6, 5] };
  const named = autoencoderParameters(configOf(decoder, { height: 28, width: 28 })).filter(({ name }) =>
    /^decoder/.test(name),
  );
  expect(named.map(({ name, shape }) => `${name} ${shape.join(" ")}`)).toEqual([
    "decoder.map.W 3 147",
    "decoder.map.b 147",
    "decoder.layer1.W 4 4 3 3",
    "decoder.layer1.b 3",
    "decoder.layer2.W 4 4 3 2",
    "decoder.layer2.b 2",
    "decoder.refine1.W 3 3 3 6",
    "decoder.refine1.b 6",
    "decoder.refine2.W 3 3 6 5",
    "decoder.refine2.b 5",
    "decoder.outputs.W 5 1",
    "decoder.outputs.b 1",
    "decoder.linear.W 3 784",
    "decoder.linear.b 784",
  ]);
});

describe("a config", () => {
  test("has the paper's sizes by default", () => {
    const config = resolveModel({ family: "autoencoder", height: 28, width: 28, channels: 1, levels: 2 });
    expect(config).toMatchObject({
      latents: 10,
      encoder: { features: [32, 64, 128] },
      decoder: { kind: "pixelcnn", depth: 8 },
    });
  });
  test("that is wrong is told what was expected, at the decoder's own place", () => {
    expect(() => configOf({ kind: "pixelcnn", ...SMALL, features: 7 }, { channels: 2 })).toThrow(
      "decoder.features: expected a multiple of channels (2) for features but received 7",
    );
    expect(() => configOf({ kind: "pixelcnn", condition: null })).toThrow("decoder: unknown key condition");
    expect(() => configOf({ kind: "deconvolution", depth: 3 })).toThrow("decoder: unknown key depth");
    expect(() => configOf({ kind: "gan" })).toThrow(/decoder\.kind: .*"pixelcnn" or "deconvolution"/);
  });
  test("of the other decoder is refused by name", async () => {
    expect(() => decoderConfig(deconvolution())).toThrow(
      "expected an auto-encoder with a pixelcnn decoder but received one with a deconvolution decoder",
    );
    const config = pixelcnn();
    await expect(
      runModelGraph(
        config,
        randomParameters(autoencoderParameters(config)),
        randomLevels(config, 1),
        (lookup, images) => reconstruction(config, lookup, latentsOf(config, lookup, images)),
      ),
    ).rejects.toThrow("expected an auto-encoder with a deconvolution decoder to reconstruct with");
  });
});
