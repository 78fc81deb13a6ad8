/**
 * `pixelcnn eval` of models with conditions, and of other families: against likelihoods worked out by hand in float64.
 */

import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Dataset } from "../data/dataset.ts";
import { writeNpy } from "../data/npy.ts";
import { openData } from "../data/open.ts";
import type { DataOptions } from "../data/options.ts";
import { othersOf } from "../measure/compare-conditions.ts";
import { encode } from "../measure/encode.ts";
import { evaluate } from "../measure/evaluate.ts";
import type { GatedConfig } from "../models/config.ts";
import { type NaiveCondition, naiveLogits, naiveLogProbability } from "../models/naive.test-support.ts";
import { randomFrom } from "../random.ts";
import { type Ran, runCommand } from "./command-in-process.test-support.ts";
import { scratchFolder } from "./command-line.test-support.ts";
import evaluateCommand from "./commands/eval.ts";
import {
  ENCODER,
  modelAt,
  NETWORK,
  PATTERNS,
  patternFolder,
  type SmallModel,
  writePng,
} from "./small-models.test-support.ts";

const scratch = scratchFolder("eval-conditions");
const outside = process.cwd();
const models: Record<string, SmallModel> = {};
/** The six test images: levels and labels. */
let images: Uint8Array[];
let labels: number[];
const data = { source: "data", binarise: "threshold", testFraction: 1 / 3 };
const openTest = (more: DataOptions = {}): Promise<Dataset> =>
  openData("data", { binarise: "threshold", testFraction: 1 / 3, splitDraw: "order", split: "test", ...more });
beforeAll(async () => {
  process.chdir(scratch);
  patternFolder("data");
  const random = randomFrom(5);
  writeFileSync(
    "vectors.npy",
    writeNpy(
      [18, 3],
      Float64Array.from({ length: 54 }, () => 2 * random.uniform() - 1),
    ),
  );
  const add = (name: string, model: object, run: object = {}): void => {
    models[name] = modelAt(name, model, { data, ...run });
  };
  add("classes", { ...NETWORK, condition: { kind: "class", classes: PATTERNS } }, { condition: { from: "class" } });
  add("plain", NETWORK);
  add(
    "maps",
    { ...NETWORK, condition: { kind: "map", height: 2, width: 2, channels: 1, features: 4 } },
    { condition: { from: "thumbnail", height: 2, width: 2 } },
  );
  add(
    "vectors",
    { ...NETWORK, condition: { kind: "vector", size: 3 } },
    { data: { ...data, vectors: join(scratch, "vectors.npy") }, condition: { from: "vectors" } },
  );
  add("faces", { family: "embedder", size: 2, encoder: ENCODER });
  add(
    "peers",
    { ...NETWORK, condition: { kind: "vector", size: 2, scale: 1.5 } },
    { condition: { from: "encoder", model: join(scratch, "faces"), of: "class" } },
  );
  add("latents", { family: "autoencoder", latents: 3, encoder: ENCODER, decoder: { kind: "pixelcnn", ...NETWORK } });
  add("blurred", {
    family: "autoencoder",
    latents: 3,
    encoder: ENCODER,
    decoder: { kind: "deconvolution", features: [4] },
  });
  const test = await openTest();
  const batch = await test.batch([0, 1, 2, 3, 4, 5]);
  expect(test.length).toBe(6);
  images = [0, 1, 2, 3, 4, 5].map((i) => batch.pixels.slice(64 * i, 64 * i + 64));
  labels = [...batch.labels];
});
afterAll(() => {
  process.chdir(outside);
  rmSync(scratch, { recursive: true, force: true });
});

const run = (...words: string[]): Promise<Ran> => runCommand(evaluateCommand, ...words, "--threads", "1");
/** Nats of test image i. */
function natsOf(name: string, i: number, value: NaiveCondition): number {
  const { config, parameters } = models[name]!;
  return -naiveLogProbability(naiveLogits(config.model as GatedConfig, parameters, images[i]!, value), images[i]!);
}
const meanOf = (name: string, values: readonly NaiveCondition[]): number =>
  values.reduce<number>((sum, value, i) => sum + natsOf(name, i, value), 0) / values.length;

describe("of classes", () => {
  test("own: each image's class; none: the condition left out; in each the words say which", async () => {
    const own = await run("classes");
    expect(own.json).toMatchObject({ images: 6, of: 6, split: "test", conditions: "own" });
    expect(own.json.nats).toBeCloseTo(meanOf("classes", labels), 4);
    expect(own.json.bitsPerDim * 64 * Math.LN2).toBeCloseTo(own.json.nats, 9);
    expect(own.text).not.toContain("without");
    const none = await run("classes", "--conditions", "none", "--limit", "4");
    expect(none.json).toMatchObject({ images: 4, of: 6, conditions: "none" });
    expect(none.json.nats).toBeCloseTo(meanOf("classes", Array(4).fill(null)), 4);
    expect(none.text).toContain("bits/dim, without the condition");
  });

  test("shuffled: others' classes, and how often the own one is better among pairs of two classes", async () => {
    const { json, text } = await run("classes", "--conditions", "shuffled", "--seed", "4");
    const rounds = Math.ceil(500 / 6);
    let [nats, pairs, better] = [0, 0, 0];
    const table = images.map((_, i) => [0, 1, 2].map((k) => natsOf("classes", i, k)));
    for (let round = 0; round < rounds; round++) {
      othersOf(6, 4, round).forEach((from, i) => {
        expect(from).not.toBe(i);
        nats += table[i]![labels[from]!]! / 6 / rounds;
        if (labels[from] === labels[i]) return;
        pairs++;
        if (table[i]![labels[i]!]! < table[i]![labels[from]!]!) better++;
      });
    }
    expect(json).toMatchObject({ images: 6, conditions: "shuffled", pairs });
    expect(json.nats).toBeCloseTo(nats, 4);
    expect(json.ownNats).toBeCloseTo(meanOf("classes", labels), 4);
    expect(json.ownBetter).toBeCloseTo(better / pairs, 12);
    expect(text).toContain(`% of ${pairs} pairs`);
  });

  test("--classify: Bayes' rule over the classes, which are as likely before", async () => {
    const { json, text } = await run("classes", "--classify");
    const table = images.map((_, i) => [0, 1, 2].map((k) => natsOf("classes", i, k)));
    const chosen = table.map((nats) => nats.indexOf(Math.min(...nats)));
    const right = chosen.filter((k, i) => k === labels[i]).length;
    // -log of p(x | y) / sum of p(x | any), with nothing subtracted first: of 64 binary sub-pixels no exponential is
    // too small.
    const posterior = table.map(
      (nats, i) => -Math.log(Math.exp(-nats[labels[i]!]!) / nats.reduce((sum, n) => sum + Math.exp(-n), 0)),
    );
    expect(json).toMatchObject({ images: 6, labelled: 6, right, accuracy: right / 6 });
    expect(json.posteriorNats).toBeCloseTo(posterior.reduce((a, b) => a + b) / 6, 4);
    const wrong = (json.confusion as { from: number; to: number; count: number }[]).flatMap(({ from, to, count }) =>
      Array<string>(count).fill(`${from} ${to}`),
    );
    expect(wrong.sort()).toEqual(chosen.flatMap((k, i) => (k === labels[i] ? [] : [`${labels[i]} ${k}`])).sort());
    expect(text).toContain(`${right} of 6 images get their own class by Bayes' rule`);
    // The labels are not all right nor all wrong, or this would say little.
    expect(right).toBeGreaterThan(0);
    expect(right).toBeLessThan(6);
  });
});

test("of vectors and maps: each image's own, and none", async () => {
  const cell = (image: Uint8Array, y: number, x: number): number => {
    let sum = 0;
    for (let p = 0; p < 16; p++) sum += 2 * image[(4 * y + (p >> 2)) * 8 + 4 * x + (p & 3)]! - 1;
    return Math.fround(sum / 16);
  };
  const thumbnails = images.map((image) => [
    cell(image, 0, 0),
    cell(image, 0, 1),
    cell(image, 1, 0),
    cell(image, 1, 1),
  ]);
  expect((await run("maps")).json.nats).toBeCloseTo(meanOf("maps", thumbnails), 4);
  expect((await run("maps", "--conditions", "none")).json.nats).toBeCloseTo(meanOf("maps", Array(6).fill(null)), 4);
  const all = await openTest({ vectors: "vectors.npy" });
  const { vectors } = await all.batch([0, 1, 2, 3, 4, 5]);
  const rows = images.map((_, i) => [...vectors!.subarray(3 * i, 3 * i + 3)]);
  expect(new Set(rows.map(String)).size).toBe(6);
  expect((await run("vectors")).json.nats).toBeCloseTo(meanOf("vectors", rows), 4);
});

test("of peers: the embedding of the next image of the class, among all images whatever the limit", async () => {
  const { config, parameters } = models.faces!;
  const test = await openTest();
  const codes = await encode({ config: config.model, parameters }, test, { threads: 1 });
  const next = (i: number): number => {
    const others = [1, 2, 3, 4, 5].map((k) => (i + k) % 6).filter((j) => labels[j] === labels[i]);
    return others[0] ?? i;
  };
  // The scale is part of what the network is given.
  const given = images.map((_, i) => [...codes.subarray(2 * next(i), 2 * next(i) + 2)].map((v) => 1.5 * v));
  expect(images.some((_, i) => next(i) < i)).toBe(true);
  for (const limit of [6, 4, 1]) {
    const { json } = await run("peers", "--limit", String(limit));
    expect(json.nats).toBeCloseTo(meanOf("peers", given.slice(0, limit)), 4);
  }
});

test("of other families: what they are measured by", async () => {
  const test = await openTest();
  for (const [name, measure] of [
    ["latents", "likelihood"],
    ["blurred", "error"],
    ["faces", "verification"],
  ] as const) {
    const { config, parameters } = models[name]!;
    const { kind: _, ...expected } = await evaluate({ config: config.model, parameters }, test, { threads: 1 });
    expect((await run(name)).json).toMatchObject({ measure, ...expected });
  }
  const { json } = await run("latents", "--conditions", "none");
  expect(json).toMatchObject({ conditions: "none", images: 6 });
  const shuffled = await run("latents", "--conditions", "shuffled");
  expect(shuffled.json.ownNats).toBeCloseTo((await run("latents")).json.nats, 9);
});

describe("what cannot be is refused in words", () => {
  beforeAll(() => {
    patternFolder("four", 3);
    writePng("four/waves/0.png", Array(64).fill(1));
  });
  test.each<[string, string[], string | RegExp]>([
    [
      "an unknown word",
      ["classes", "--conditions", "noen"],
      'expected own, none, shuffled for --conditions but received "noen"; did you mean none?',
    ],
    [
      "none of a model without",
      ["plain", "--conditions", "none"],
      "expected --conditions own: plain is a Gated PixelCNN without a condition",
    ],
    ["shuffled of a model without", ["plain", "--conditions", "shuffled"], "expected --conditions own: plain is"],
    [
      "--classify without classes",
      ["maps", "--classify"],
      "expected a model of classes for --classify but maps is a Gated PixelCNN without",
    ],
    [
      "--classify of an embedder",
      ["faces", "--classify"],
      /expected a model that gives the probability of an image but faces is an embedder/,
    ],
    [
      "data of other classes",
      ["classes", "four"],
      /expected the model's classes \(columns, dots, rows\) but .*four has the classes/,
    ],
    [
      "--classify on them",
      ["classes", "four", "--classify"],
      /expected the model's classes \(columns, dots, rows\) but .*four has the classes/,
    ],
    [
      "shuffled among them",
      ["classes", "four", "--conditions", "shuffled"],
      /expected the model's classes \(columns, dots, rows\)/,
    ],
  ])("%s", async (_, words, message) => {
    expect((await run(...words)).json.error?.message).toMatch(message);
  });
  test("data of other classes have a likelihood without the condition", async () => {
    expect((await run("classes", "four", "--conditions", "none")).json).toMatchObject({ conditions: "none" });
  });
});
