/** The one door to all families: configs, inputs, losses and graphs. */

import { describe, expect, test } from "vitest";
import { countOf, initialise, type ParameterSpec } from "../network/parameters.ts";
import { compile } from "../onnx/session.ts";
import { randomFrom } from "../random.ts";
import { tensor } from "../tensor.ts";
import { lossOf, randomLevels, randomParameters } from "./families.test-support.ts";
import {
  codeSize,
  encoderGraph,
  largestLayer,
  lossUnit,
  type ModelConfig,
  modelInputs,
  modelParameters,
  reconstructionGraph,
  resolveModel,
  separable,
  uniformLoss,
} from "./families.ts";
import { pixelcnnParameters } from "./networks.ts";

const image = { height: 6, width: 5, channels: 1, levels: 4 };
const small = { features: 4, depth: 2, firstKernel: 3, skip: 4, head: { features: 4 } };
const encoder = { features: [3, 4], hidden: 5 };
const plain = resolveModel({ ...image, ...small });
const conditioned = resolveModel({ ...image, ...small, condition: { kind: "class", classes: ["a", "b", "c"] } });
const autoencoder = resolveModel({ family: "autoencoder", ...image, encoder, decoder: { kind: "pixelcnn", ...small } });
const baseline = resolveModel({
  family: "autoencoder",
  ...image,
  encoder,
  latents: 7,
  decoder: { kind: "deconvolution", features: [5, 3] },
});
const embedder = resolveModel({ family: "embedder", ...image, encoder, size: 6, margin: 0.4 });
const recurrent = { ...image, features: 4, depth: 3, firstKernel: 3, head: { features: 4 } };
const rowLstm = resolveModel({
  family: "row-lstm",
  ...recurrent,
  condition: { kind: "class", classes: ["a", "b", "c"] },
});
const diagonal = resolveModel({ family: "diagonal-bilstm", ...recurrent });
const ALL: [string, ModelConfig][] = Object.entries({
  plain,
  conditioned,
  autoencoder,
  baseline,
  embedder,
  rowLstm,
  diagonal,
});

describe("a config", () => {
  test("without a family is a Gated PixelCNN", () => {
    expect(plain.family).toBe("gated-pixelcnn");
    expect(resolveModel({ ...image, family: "gated-pixelcnn", ...small })).toEqual(plain);
    expect(modelParameters(plain)).toEqual(
      pixelcnnParameters(plain as Extract<ModelConfig, { family: "gated-pixelcnn" }>),
    );
  });
  test("resolved is a valid input that resolves to itself", () => {
    for (const [, config] of ALL) expect(resolveModel(JSON.parse(JSON.stringify(config)))).toEqual(config);
  });
  test("of a family has its fields and no other's", () => {
    expect(rowLstm).toMatchObject({ kernel: 3 });
    for (const wrong of [{ kernels: [3] }, { dilations: [1] }, { skip: 4 }])
      expect(() => resolveModel({ family: "row-lstm", ...recurrent, ...wrong })).toThrow("the top level: unknown key");
    expect(() => resolveModel({ family: "diagonal-bilstm", ...recurrent, kernel: 3 })).toThrow("unknown key kernel");
    expect(() => resolveModel({ family: "diagonal-bilstm", ...recurrent, depth: 1 })).toThrow("depth");
    expect(() => resolveModel({ family: "row-lstm", ...recurrent, kernel: 4 })).toThrow("kernel");
  });
  test("of no family is told which there are", () => {
    expect(() => resolveModel({ ...image, family: "gan" })).toThrow(
      /expected the model config to fit its schema:\n {2}family: .*"gated-pixelcnn".*"autoencoder".*"embedder"/,
    );
    expect(() => resolveModel({ ...image, family: "embedder", depth: 3 })).toThrow("the top level: unknown key depth");
    expect(() => resolveModel({ ...image, latents: 3 })).toThrow("the top level: unknown key latents");
  });
});

test("what each family asks for and is measured in", () => {
  const told = ALL.map(([name, c]) => [name, modelInputs(c), lossUnit(c), separable(c)]);
  expect(told).toEqual([
    ["plain", { condition: 0, labels: false, keep: false, sees: false }, "nats", true],
    ["conditioned", { condition: 3, labels: false, keep: false, sees: true }, "nats", true],
    ["autoencoder", { condition: 0, labels: false, keep: true, sees: true }, "nats", true],
    ["baseline", { condition: 0, labels: false, keep: false, sees: false }, "squared error", true],
    ["embedder", { condition: 0, labels: true, keep: false, sees: false }, "triplet loss", false],
    ["rowLstm", { condition: 3, labels: false, keep: false, sees: true }, "nats", true],
    ["diagonal", { condition: 0, labels: false, keep: false, sees: false }, "nats", true],
  ]);
  expect([autoencoder, baseline, embedder].map(codeSize)).toEqual([10, 7, 6]);
  expect(() => codeSize(plain)).toThrow("expected an auto-encoder or an embedder to encode with");
  // Sub-pixels of the image, of its widest layer: 30 positions, 4 features, of a recurrence 4 gates of them; the
  // deconvolution ends at 8 x 8 with 3.
  expect(ALL.map(([, c]) => largestLayer(c))).toEqual([120, 120, 120, 192, 27, 480, 480]);
});

test.each(ALL)("no two parameters of one name: %s", (_, config) => {
  const names = modelParameters(config).map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
});

describe("the loss", () => {
  const fresh = (specs: readonly ParameterSpec[]) => initialise(specs, randomFrom(1));
  const labels = [0, 0, 1, 1];

  test("of a fresh model that predicts pixels is a uniform guess's, in nats", async () => {
    const loss = await lossOf(autoencoder, fresh(modelParameters(autoencoder)), randomLevels(autoencoder, 4));
    expect(loss / 4).toBeCloseTo(30 * Math.log(4), 8);
    expect(uniformLoss(autoencoder)).toBeCloseTo(30 * Math.log(4), 12);
    expect(uniformLoss(plain)).toBe(uniformLoss(autoencoder));
    for (const config of [rowLstm, diagonal]) {
      const given = config === rowLstm ? { condition: [1, 0, 0] } : {};
      const one = await lossOf(config, fresh(modelParameters(config)), randomLevels(config, 1), given);
      expect(one).toBeCloseTo(uniformLoss(plain), 8);
    }
  });
  test("of a fresh deconvolution is a mid-grey image's, at most one a sub-pixel", async () => {
    const pixels = randomLevels(baseline, 4);
    const grey = Array.from(pixels.data, (v) => ((2 * v) / 3 - 1) ** 2).reduce((a, b) => a + b, 0);
    expect(await lossOf(baseline, fresh(modelParameters(baseline)), pixels)).toBeCloseTo(grey, 8);
    const black = tensor("uint8", pixels.shape, new Uint8Array(pixels.data.length));
    const worst = await lossOf(baseline, fresh(modelParameters(baseline)), black);
    expect(worst / 4).toBeCloseTo(uniformLoss(baseline), 8);
  });
  test("of an embedder is never above its bound", async () => {
    for (let seed = 0; seed < 10; seed++) {
      const pixels = randomLevels(embedder, 4, seed);
      const loss = await lossOf(embedder, randomParameters(modelParameters(embedder), seed), pixels, { labels });
      expect(loss / 4).toBeLessThanOrEqual(uniformLoss(embedder));
    }
  });

  test.each(ALL.filter(([, c]) => separable(c)))("of a batch is the sum of its images': %s", async (_, config) => {
    const parameters = randomParameters(modelParameters(config));
    const pixels = randomLevels(config, 3);
    const one = (b: number) => tensor("uint8", [1, 6, 5, 1], pixels.data.slice(30 * b, 30 * b + 30));
    const given =
      modelInputs(config).condition > 0
        ? [
            [0, 1, 0],
            [0, 0, 0],
            [0.4, 0, 0.6],
          ]
        : [];
    const beside = (h: readonly number[]) => (h.length > 0 ? { condition: h } : {});
    let sum = 0;
    for (let b = 0; b < 3; b++) sum += await lossOf(config, parameters, one(b), beside(given[b] ?? []));
    expect(await lossOf(config, parameters, pixels, beside(given.flat()))).toBeCloseTo(sum, 9);
  });

  test("of an embedder without labels is refused", async () => {
    await expect(
      lossOf(embedder, randomParameters(modelParameters(embedder)), randomLevels(embedder, 2)),
    ).rejects.toThrow("expected the class of each image to train an embedder with but received no labels");
  });
});

describe("graphs", () => {
  test("for encoding and reconstructing say what goes in and out", () => {
    const { inputs, outputs } = compile(encoderGraph(baseline, 3));
    expect(inputs.map(({ name, dtype, shape }) => `${name} ${dtype} ${shape}`)).toEqual([
      "pixels uint8 3,6,5,1",
      `weights float32 ${countOf(modelParameters(baseline))}`,
    ]);
    expect(outputs.map(({ name, dtype, shape }) => `${name} ${dtype} ${shape}`)).toEqual(["codes float32 3,7"]);
    const back = compile(reconstructionGraph(baseline, 3));
    expect(back.inputs.map(({ name, shape }) => `${name} ${shape}`)[0]).toBe("codes 3,7");
    expect(back.outputs.map(({ name, dtype, shape }) => `${name} ${dtype} ${shape}`)).toEqual([
      "pixels float32 3,6,5,1",
    ]);
    expect(compile(encoderGraph(embedder, 2)).outputs[0]!.shape).toEqual([2, 6]);
  });
  test("that a family does not have are refused", () => {
    expect(() => encoderGraph(plain, 1)).toThrow("but received a gated-pixelcnn, which has no encoder");
    expect(() => reconstructionGraph(embedder, 1)).toThrow("received a model of family embedder");
    expect(() => reconstructionGraph(autoencoder, 1)).toThrow("which is sampled instead");
  });
});
