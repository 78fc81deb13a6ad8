/** `encode`, `reconstruct`, `interpolate`, and reading back what they write: through the front door, with small random models. */

import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { decode, encode } from "fast-png";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { datasetFromArrays } from "../data/dataset.ts";
import { readNpy } from "../data/npy.ts";
import { thumbnailOf } from "../data/thumbnails.ts";
import { createEngine } from "../exact/engine.ts";
import { decode as decodeCodes, encode as encodeCodes } from "../measure/encode.ts";
import { randomParameters } from "../models/families.test-support.ts";
import { modelParameters } from "../models/families.ts";
import { pixelcnnOf } from "../models/model.ts";
import { writeSafeTensors } from "../models/safetensors.ts";
import type { Parameters } from "../network/parameters.ts";
import { randomFrom } from "../random.ts";
import { type RunConfig, resolveRun } from "../train/config.ts";
import { pixelcnn, scratchFolder, TINY, tinyData } from "./command-line.test-support.ts";

const scratch = scratchFolder("latent");
const at = (...parts: string[]): string => join(scratch, ...parts);
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const SHAPE = { height: 6, width: 8, channels: 1, levels: 4 };
const SIZE = 48;
const NETWORK = { features: 4, depth: 2, firstKernel: 5, skip: 0, head: { features: 6 } };
const ENCODER = { features: [4], hidden: 5 };

interface Model {
  readonly config: RunConfig;
  readonly parameters: Parameters;
}
const models: Record<string, Model> = {};

/** A model folder of random weights. */
function modelAt(name: string, model: object, run: object = {}): void {
  const config: RunConfig = resolveRun({ data: { source: "mnist", levels: 4 }, ...run, model: { ...SHAPE, ...model } });
  const parameters = randomParameters(modelParameters(config.model));
  mkdirSync(at(name), { recursive: true });
  writeFileSync(at(name, "config.json"), JSON.stringify(config));
  writeFileSync(at(name, "model.safetensors"), writeSafeTensors(parameters, { format: "1", step: "3" }));
  models[name] = { config, parameters };
}

/** Levels of picture i; a level's grey is the level again when it is read. */
function levelsOf(i: number): Uint8Array {
  const random = randomFrom(100 + i);
  return Uint8Array.from({ length: SIZE }, () => random.below(4));
}
const greys = (levels: ArrayLike<number>): number[] => Array.from(levels, (v) => 85 * v);

const PEOPLE = ["anna/1.png", "anna/2, smiling.png", 'ben/"3".png', "ben/4.png", "ben/5.png"];
beforeAll(() => {
  modelAt("latents", { family: "autoencoder", latents: 3, encoder: ENCODER, decoder: { kind: "pixelcnn", ...NETWORK } });
  modelAt("blurred", {
    family: "autoencoder",
    latents: 2,
    encoder: ENCODER,
    decoder: { kind: "deconvolution", features: [6, 4] },
  });
  modelAt("faces", { family: "embedder", size: 4, encoder: ENCODER });
  modelAt(
    "portraits",
    { ...NETWORK, condition: { kind: "vector", size: 4 } },
    { condition: { from: "encoder", model: "encoder", of: "class" }, train: { conditionDropout: 0.1 } },
  );
  cpSync(at("faces"), at("portraits", "encoder"), { recursive: true });
  const map = { kind: "map", height: 2, width: 3, channels: 1, features: 4 };
  modelAt("small", { ...NETWORK, condition: map }, { condition: { from: "thumbnail", height: 2, width: 3 } });
  modelAt("plain", NETWORK);
  modelAt(
    "classes",
    { ...NETWORK, condition: { kind: "class", classes: ["cat", "dog", "C++"] } },
    { condition: { from: "class" } },
  );
  modelAt("captions", { ...NETWORK, condition: { kind: "vector", size: 384 } }, { condition: { from: "captions" } });
  modelAt("fine", { levels: 256, family: "autoencoder", latents: 2, encoder: ENCODER, decoder: { kind: "deconvolution" } });
  for (const [i, name] of PEOPLE.entries()) {
    mkdirSync(dirname(at("people", name)), { recursive: true });
    const data = Uint8Array.from(greys(levelsOf(i)));
    writeFileSync(at("people", name), encode({ width: 8, height: 6, channels: 1, depth: 8, data }));
  }
  writeFileSync(at("large.png"), encode({ width: 9, height: 6, channels: 1, depth: 8, data: new Uint8Array(54) }));
});
const A = join("people", PEOPLE[0]!);
const B = join("people", PEOPLE[2]!);

/** The one object that a command prints with --json. */
async function json(...words: string[]): Promise<Record<string, never> & { code: number; stderr: string }> {
  const { code, stdout, stderr } = await pixelcnn([...words, "--json"], { cwd: scratch });
  expect(stdout, stderr).toMatch(/^\{.*\}\n$/);
  return { code, stderr, ...JSON.parse(stdout) };
}

/** Codes of pictures by the library. */
function codesOf(name: string, ...pictures: number[]): Promise<Float32Array> {
  const { config, parameters } = models[name]!;
  const data = datasetFromArrays(
    { name: "pictures", split: "all", classes: null, ...SHAPE },
    Uint8Array.from(pictures.flatMap((i) => [...levelsOf(i)])),
  );
  return encodeCodes({ config: config.model, parameters }, data, { threads: 1 });
}

/** Greys of `count` samples of a seed under one condition, by the library. */
async function samplesOf(name: string, condition: Float32Array, count: number, seed = 1, guidance = 0): Promise<number[][]> {
  const { config, parameters } = models[name]!;
  const engine = createEngine(pixelcnnOf({ config: config.model, parameters }));
  const { pixels } = await engine.sample({ count, seed, guidance, height: 6, width: 8, conditions: condition });
  return Array.from({ length: count }, (_, i) => greys(pixels.subarray(i * SIZE, (i + 1) * SIZE)));
}

/** Greys of reconstructions by a deconvolution, by the library. */
async function blurredOf(codes: Float32Array): Promise<{ levels: Float32Array; greys: number[][] }> {
  const { config, parameters } = models.blurred!;
  const levels = await decodeCodes({ config: config.model, parameters }, codes, { threads: 1 });
  const all = Array.from(levels, (v) => Math.round(85 * v));
  return { levels, greys: Array.from({ length: codes.length / 2 }, (_, i) => all.slice(i * SIZE, (i + 1) * SIZE)) };
}

/** Cells of a picture of scale 1, row by row. */
function cellsOf(file: string, rows: number, columns: number): number[][][] {
  const { width, height, channels, data } = decode(readFileSync(at(file)));
  expect([width, height, channels]).toEqual([2 + columns * 10, 2 + rows * 8, 1]);
  return Array.from({ length: rows }, (_, row) =>
    Array.from({ length: columns }, (_, column) =>
      Array.from({ length: SIZE }, (_, p) => data[(2 + row * 8 + (p >> 3)) * width + 2 + column * 10 + (p & 7)]!),
    ),
  );
}
const bytes = (file: string): Buffer => readFileSync(at(file));

/** A test here starts up to seven processes, which a busy machine does not do in the usual minute. */
const SEVERAL = { timeout: 240_000 };

describe("encode", SEVERAL, () => {
  test("a folder as .npy, .csv and .json: the same numbers, and --latent reads all three as --like sees the images", async () => {
    const done = await Promise.all(
      ["npy", "csv", "json"].map((ending) => json("encode", "latents", "people", "-o", `codes.${ending}`, "--threads", "1")),
    );
    for (const one of done)
      expect(one).toMatchObject({ code: 0, model: "latents", step: 3, images: 5, kind: "latents", size: 3 });
    const expected = await codesOf("latents", 0, 1, 2, 3, 4);
    expect(readNpy(bytes("codes.npy"), "codes.npy")).toEqual({ shape: [5, 3], data: expected });

    const [heading, first, second, third] = bytes("codes.csv").toString().split("\n");
    expect(heading).toBe("name,0,1,2");
    expect(first).toMatch(/^anna\/1\.png(,-?[\d.e-]+){3}$/);
    expect(second).toMatch(/^"anna\/2, smiling\.png",/);
    expect(third).toMatch(/^"ben\/""3""\.png",/);

    const { model, codes } = JSON.parse(bytes("codes.json").toString());
    expect(model).toBe("latents");
    expect(codes.map(({ name }: { name: string }) => name)).toEqual(PEOPLE);
    expect(codes.map(({ label }: { label: string }) => label)).toEqual(["anna", "anna", "ben", "ben", "ben"]);
    expect(Float32Array.from(codes.flatMap(({ code }: { code: number[] }) => code))).toEqual(expected);

    const draw = async (option: string, value: string, file: string): Promise<unknown> =>
      (await json("sample", "latents", option, value, "-n", "2", "-o", file, "--scale", "1")).conditions;
    const named = await draw("--latent", "codes.npy", "npy.png");
    expect(named).toEqual([0, 1, 2, 3, 4].map((i) => `codes.npy ${i}`));
    await Promise.all([
      draw("--latent", "codes.csv", "csv.png"),
      draw("--latent", "codes.json", "json.png"),
      draw("--like", "people:all:0-4", "like.png"),
    ]);
    expect(cellsOf("npy.png", 5, 2)[0]).toEqual(await samplesOf("latents", expected.slice(0, 3), 2));
    for (const file of ["csv.png", "json.png", "like.png"]) expect(bytes(file)).toEqual(bytes("npy.png"));
  });

  test("an embedder and a model conditioned on its embeddings give the same, of length one, whatever the threads", async () => {
    await Promise.all([
      json("encode", "faces", "people", "-o", "faces.npy", "--threads", "1"),
      json("encode", "portraits", "people", "-o", "portraits.npy", "--threads", "2"),
    ]);
    expect(bytes("portraits.npy")).toEqual(bytes("faces.npy"));
    const { data } = readNpy(bytes("faces.npy"), "faces.npy");
    for (let i = 0; i < 5; i++) expect(Math.hypot(...(data as Float32Array).subarray(4 * i, 4 * i + 4))).toBeCloseTo(1, 5);
  });

  test("files and some of a set, one after another; a limit; a split", async () => {
    await json("encode", "latents", A, B, "people:all:3-4", "people/ben", "-o", "some.json", "--threads", "1");
    const names = (file: string): string[] => JSON.parse(bytes(file).toString()).codes.map((row: { name: string }) => row.name);
    expect(names("some.json")).toEqual([A, B, "ben/4.png", "ben/5.png", '"3".png', "4.png", "5.png"]);
    await json("encode", "latents", A, B, "people", "-o", "few.json", "--limit", "3", "--threads", "1");
    expect(names("few.json")).toEqual([A, B, "anna/1.png"]);
    expect(await json("encode", "latents", "people", "-o", "test.csv", "--split", "test", "--threads", "1")).toMatchObject({
      images: 1,
    });
    const { stdout } = await pixelcnn(["encode", "latents", "people:train", "-o", "train.csv", "--threads", "1"], {
      cwd: scratch,
    });
    expect(stdout).toMatch(/^4 images in [\d.]+ s, 3 latents each: train\.csv\n$/);
  });

  test("thumbnails are maps: .npy of rank 4, as data.vectors and --latent read them", async () => {
    await json("encode", "small", "people", "-o", "maps.npy", "--threads", "1");
    const { shape, data } = readNpy(bytes("maps.npy"), "maps.npy");
    expect(shape).toEqual([5, 2, 3, 1]);
    expect((data as Float32Array).subarray(6, 12)).toEqual(thumbnailOf(levelsOf(1), SHAPE, { height: 2, width: 3 }));
    const words = ["-n", "1", "--scale", "1"];
    await Promise.all([
      json("sample", "small", "--latent", "maps.npy", "-o", "maps.png", ...words),
      json("sample", "small", "--like", "people:all:0-4", "-o", "like-maps.png", ...words),
    ]);
    expect(bytes("maps.png")).toEqual(bytes("like-maps.png"));
  });
});

describe("reconstruct", SEVERAL, () => {
  test("a row an image: itself, the baseline's grey reconstruction with its squared error, samples", async () => {
    const words = ["reconstruct", "latents", A, B, "--baseline", "blurred", "-n", "3", "--scale", "1", "--seed", "5"];
    const done = await json(...words, "-o", "rows.png");
    const blurred = await blurredOf(await codesOf("blurred", 0, 2));
    const errors = [0, 2].map((picture, i) =>
      levelsOf(picture).reduce((sum, v, p) => sum + ((v - blurred.levels[i * SIZE + p]!) * (2 / 3)) ** 2, 0),
    );
    expect(done).toMatchObject({
      ...{ code: 0, model: "latents", step: 3, baseline: "blurred", out: "rows.png", count: 3, seed: 5, temperature: 1 },
      images: [
        { name: A, squaredError: expect.closeTo(errors[0]!, 4) },
        { name: B, squaredError: expect.closeTo(errors[1]!, 4) },
      ],
    });
    const [a, b] = cellsOf("rows.png", 2, 5);
    expect(a!.slice(0, 2)).toEqual([greys(levelsOf(0)), blurred.greys[0]]);
    expect(b!.slice(0, 2)).toEqual([greys(levelsOf(2)), blurred.greys[1]]);
    expect(a!.slice(2)).toEqual(await samplesOf("latents", (await codesOf("latents", 0, 2)).slice(0, 3), 3, 5));
    expect(new Set([...a!, ...b!].map(String)).size).toBe(10);

    await json(...words, "-o", "again.png", "--threads", "2");
    expect(bytes("again.png")).toEqual(bytes("rows.png"));
    await json(...words.slice(0, -1), "6", "-o", "other.png");
    const [other] = cellsOf("other.png", 2, 5);
    expect(other!.slice(0, 2)).toEqual(a!.slice(0, 2));
    expect(other!.slice(2)).not.toEqual(a!.slice(2));
  });

  test("of a deconvolution, which draws nothing", async () => {
    const { stdout } = await pixelcnn(["reconstruct", "blurred", A, "-o", "blurred.png", "--scale", "1"], { cwd: scratch });
    expect(stdout).toMatch(
      /^1 image in [\d.]+ s: blurred\.png\ncolumns: the image, squared error \(blurred\)\nsquared error [\d.]+ an image \(x in -1 \.\. 1\)\n$/,
    );
    expect(cellsOf("blurred.png", 1, 2)).toEqual([[greys(levelsOf(0)), ...(await blurredOf(await codesOf("blurred", 0))).greys]]);
  });

  test("of a model conditioned through an encoder: others like the image, 4 unless said, with guidance", async () => {
    const words = ["reconstruct", "portraits", B, "--scale", "1", "--guidance", "1"];
    const done = await json(...words, "-o", "person.png");
    expect(done).toMatchObject({ count: 4, seed: 1, guidance: 1, images: [{ name: B }] });
    const expected = await samplesOf("portraits", await codesOf("faces", 2), 4, 1, 1);
    expect(cellsOf("person.png", 1, 5)).toEqual([[greys(levelsOf(2)), ...expected]]);
  });
});

describe("interpolate", SEVERAL, () => {
  const between = (a: Float32Array, b: Float32Array, t: number): Float32Array => a.map((x, i) => (1 - t) * x + t * b[i]!);

  test("latents on a line, the draws of a row the same, the images at both ends", async () => {
    const words = ["interpolate", "latents", A, B, "--steps", "3", "--rows", "2", "--seed", "4", "--scale", "1"];
    const done = await json(...words, "-o", "line.png");
    expect(done).toMatchObject({ code: 0, from: A, to: B, steps: 3, rows: 2, seed: 4, temperature: 1 });
    const codes = await codesOf("latents", 0, 2);
    const columns = await Promise.all(
      [0, 0.5, 1].map((t) => samplesOf("latents", between(codes.slice(0, 3), codes.slice(3), t), 2, 4)),
    );
    expect(cellsOf("line.png", 2, 5)).toEqual(
      [0, 1].map((row) => [greys(levelsOf(0)), ...columns.map((column) => column[row]), greys(levelsOf(2))]),
    );
    await json(...words, "-o", "line-2.png", "--threads", "2");
    expect(bytes("line-2.png")).toEqual(bytes("line.png"));
  });

  test("embeddings on the great circle: the middle is their sum, made of length one", async () => {
    const words = ["--steps", "3", "--rows", "4", "-o", "circle.png", "--scale", "1"];
    await json("interpolate", "portraits", "people:all:0,4", ...words);
    const codes = await codesOf("faces", 0, 4);
    const [a, b] = [codes.slice(0, 4), codes.slice(4)];
    const straight = between(a, b, 0.5);
    expect(Math.hypot(...straight)).toBeLessThan(0.9);
    const middle = straight.map((x) => x / Math.hypot(...straight));
    const columns = await Promise.all([a, middle, b].map((code) => samplesOf("portraits", code, 4)));
    expect(cellsOf("circle.png", 4, 5)).toEqual(
      [0, 1, 2, 3].map((row) => [greys(levelsOf(0)), ...columns.map((column) => column[row]), greys(levelsOf(4))]),
    );
    expect(columns[1]).not.toEqual(await samplesOf("portraits", straight, 4));
  });

  test("classes: mixtures of the two", async () => {
    const words = ["interpolate", "classes", "--from", "cat", "--to", "C++", "--steps", "3", "-o", "classes.png", "--scale", "1"];
    const { stdout } = await pixelcnn(words, { cwd: scratch });
    expect(stdout).toMatch(/^3 steps from cat to C\+\+ in [\d.]+ s \(seed 1\): classes\.png\n$/);
    const mixtures = [
      [1, 0, 0],
      [0.5, 0, 0.5],
      [0, 0, 1],
    ];
    const columns = await Promise.all(
      mixtures.map(async (weights) => (await samplesOf("classes", Float32Array.from(weights), 1))[0]),
    );
    expect(cellsOf("classes.png", 1, 3)).toEqual([columns]);
  });

  test("of a deconvolution: its outputs, 8 unless said", async () => {
    const done = await json("interpolate", "blurred", A, B, "-o", "outputs.png", "--scale", "1");
    expect(done).toMatchObject({ steps: 8 });
    expect(done).not.toHaveProperty("seed");
    const codes = await codesOf("blurred", 0, 2);
    const points = Array.from({ length: 8 }, (_, k) => [...between(codes.slice(0, 2), codes.slice(2), k / 7)]).flat();
    const { greys: outputs } = await blurredOf(Float32Array.from(points));
    expect(cellsOf("outputs.png", 1, 10)).toEqual([[greys(levelsOf(0)), ...outputs, greys(levelsOf(2))]]);
  });
});

const ENCODERS =
  "expected a model with an encoder (an auto-encoder, an embedder, or a Gated PixelCNN trained with --condition encoder:MODEL, peers:MODEL or thumbnail:HxW) but ";
const ALONE = "blurred is an auto-encoder with a deconvolution decoder, which gives one image a code and draws nothing";
describe("an error says what the model is and what is possible", () => {
  const cases: [string, string[], number, string][] = [
    [
      "no file to write",
      ["encode", "latents", A],
      2,
      "expected -o F, the file to write (.json, .csv or .npy), but received none",
    ],
    [
      "a file of another kind",
      ["encode", "latents", A, "-o", "x.cvs"],
      2,
      'expected a file ending with .json, .csv or .npy for -o but received ".cvs"; did you mean .csv?',
    ],
    ["nothing to encode", ["encode", "latents", "-o", "x.csv"], 2, "expected <images> but received nothing"],
    [
      "an image that is not there",
      ["encode", "latents", "no.png", "-o", "x.csv"],
      1,
      'or some of one such as mnist:test:0-99, but received "no.png", and there is no such file',
    ],
    ["an image of another size", ["encode", "latents", "large.png", "-o", "x.csv"], 1, "but received 9 x 6"],
    ["numbers beyond a set", ["encode", "latents", "people:all:5", "-o", "x.csv"], 2, "expected numbers from 0 to 4"],
    ["no condition", ["encode", "plain", A, "-o", "x.csv"], 1, `${ENCODERS}plain is a Gated PixelCNN without a condition`],
    [
      "classes",
      ["encode", "classes", A, "-o", "x.csv"],
      1,
      `${ENCODERS}classes is a Gated PixelCNN conditioned on one of 3 classes (cat, dog, C++), not on images`,
    ],
    [
      "captions",
      ["reconstruct", "captions", A, "-o", "x.png"],
      1,
      `${ENCODERS}captions is a Gated PixelCNN conditioned on a vector of 384 numbers, not on images`,
    ],
    [
      "an embedder, which makes no images",
      ["reconstruct", "faces", A, "-o", "x.png"],
      1,
      "expected a model that makes images but faces is an embedder; a model conditioned on its embeddings makes them: train with --condition encoder:faces",
    ],
    [
      "a baseline that draws",
      ["reconstruct", "latents", A, "-o", "x.png", "--baseline", "latents"],
      1,
      "expected an auto-encoder with a deconvolution decoder for --baseline but latents is an auto-encoder with a pixelcnn decoder",
    ],
    [
      "a baseline of other images",
      ["reconstruct", "latents", A, "-o", "x.png", "--baseline", "fine"],
      1,
      "expected a baseline for images of 6x8x1, 4 levels, as latents has, but fine is for 6x8x1, 256 levels",
    ],
    [
      "a baseline of a baseline",
      ["reconstruct", "blurred", A, "-o", "x.png", "--baseline", "blurred"],
      2,
      "expected no --baseline: blurred is an auto-encoder with a deconvolution decoder, which is a baseline itself",
    ],
    ["samples of a deconvolution", ["reconstruct", "blurred", A, "-o", "x.png", "-n", "4"], 2, `expected no -n: ${ALONE}`],
    [
      "rows of a deconvolution",
      ["interpolate", "blurred", A, B, "-o", "x.png", "--rows", "2"],
      2,
      `expected no --rows: ${ALONE}`,
    ],
    [
      "a temperature of nothing",
      ["reconstruct", "latents", A, "-o", "x.png", "--temperature", "0"],
      2,
      'expected a number above 0 for --temperature but received "0"',
    ],
    ["one image", ["interpolate", "latents", A, "-o", "x.png"], 2, `expected two images to go between but received 1: ${A}`],
    ["no images", ["interpolate", "latents", "-o", "x.png"], 2, "expected two images to go between, files or some of a data set"],
    [
      "classes of a model of images",
      ["interpolate", "latents", "--to", "cat", "-o", "x.png"],
      2,
      "expected two images to go between, since latents is no model of classes, but received --to",
    ],
    [
      "images of a model of classes",
      ["interpolate", "classes", A, B, "-o", "x.png"],
      2,
      "expected --from C and --to C for classes, which is conditioned on one of 3 classes (cat, dog, C++), but received images",
    ],
    ["one class", ["interpolate", "classes", "--from", "cat", "-o", "x.png"], 2, "but received --from alone"],
    [
      "several classes",
      ["interpolate", "classes", "--from", "cat,dog", "--to", "dog", "-o", "x.png"],
      2,
      'expected one class for --from but received 2: "cat,dog"',
    ],
    [
      "both",
      ["interpolate", "classes", A, "--to", "dog", "-o", "x.png"],
      2,
      "expected two images, or --from C and --to C, but received both",
    ],
  ];
  test.concurrent.each(cases)("%s", async (_, words, code, message) => {
    const found = await json(...words);
    expect(found.stderr).toContain(message);
    expect(found.code).toBe(code);
  });
});

test.concurrent.each(["encode", "reconstruct", "interpolate"])("%s --help: its options and an example", async (name) => {
  const { code, stdout } = await pixelcnn([name, "--help"]);
  expect(code).toBe(0);
  expect(stdout).toMatch(new RegExp(`^ {2}pixelcnn ${name} runs/`, "m"));
  for (const option of ["-o", "--threads", "--seed", "--json"]) expect(stdout).toContain(option);
});

test("a run's own picture shows a deconvolution's blur, though the model has two levels", async () => {
  const model = { family: "autoencoder", latents: 2, encoder: ENCODER, decoder: { kind: "deconvolution", features: [4] } };
  writeFileSync(at("run.json"), JSON.stringify({ model }));
  const words = ["train", tinyData(at("blots")), "--out", "run", "--config", "run.json", "--steps", "2", ...TINY.slice(0, 4)];
  const { code, stderr } = await pixelcnn(words, { cwd: scratch });
  expect(code, stderr).toBe(0);
  const { data } = decode(bytes("run/samples/step-000002.png"));
  expect(data.some((v) => v !== 0 && v !== 255)).toBe(true);
});
