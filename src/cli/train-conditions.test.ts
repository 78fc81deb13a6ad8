/**
 * `pixelcnn train` with conditions of every source, and of other families: what the run's folder holds, going on, what
 * is refused.
 */

import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { decode } from "fast-png";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { writeNpy } from "../data/npy.ts";
import { randomFrom } from "../random.ts";
import { draftRun } from "../runs/draft.ts";
import { readRunConfig } from "../runs/run-folder.ts";
import { type Ran, runCommand } from "./command-in-process.test-support.ts";
import { scratchFolder } from "./command-line.test-support.ts";
import train from "./commands/train.ts";
import { ENCODER, modelAt, NETWORK, PATTERNS, patternFolder, writePng } from "./small-models.test-support.ts";

const scratch = scratchFolder("train-conditions");
const at = (...parts: string[]): string => join(scratch, ...parts);
const outside = process.cwd();
const random = randomFrom(3);
const numbers = (count: number): Float64Array =>
  Float64Array.from({ length: count }, () => 0.1 * (random.uniform() - 0.5));
beforeAll(() => {
  process.chdir(scratch);
  patternFolder("data");
  modelAt("codes", {
    family: "autoencoder",
    latents: 3,
    encoder: ENCODER,
    decoder: { kind: "deconvolution", features: [4] },
  });
  modelAt("faces", { family: "embedder", size: 2, encoder: ENCODER });
  writeFileSync("vectors.npy", writeNpy([18, 5], numbers(90)));
  writeFileSync("maps.npy", writeNpy([18, 2, 3, 2], numbers(216)));
});
afterAll(() => {
  process.chdir(outside);
  rmSync(scratch, { recursive: true, force: true });
});

const set = (...settings: string[]): string[] => settings.flatMap((s) => ["--set", s]);
const DATA = set("data.binarise=threshold", "data.testFraction=0.2");
const TRAIN = set("train.batch=4", "train.warmup=0", "train.decay=constant");
const TINY = [
  ...set("model.features=4", "model.depth=2", "model.firstKernel=3", "model.skip=4", "model.head.features=8"),
  ...DATA,
  ...TRAIN,
];
const run = (...words: string[]): Promise<Ran> => runCommand(train, ...words, "--threads", "1");
const weightsOf = (folder: string): string => readFileSync(join(folder, "model.safetensors")).toString("hex");
const sizeOf = (folder: string, step: number): number[] => {
  const { width, height } = decode(readFileSync(join(folder, "samples", `step-00000${step}.png`)));
  return [height, width];
};
/** Height and width of a picture of cells of 8 x 8. */
function gridSize(rows: number, columns: number): number[] {
  const factor = Math.max(1, Math.floor(798 / (columns * 8.5)));
  return [rows, columns].map((n) => n * (8 * factor + 2) + 2);
}

const map = { kind: "map", features: 16 };
const KINDS: [condition: string, source: object, model: object, more: string[], columns: number][] = [
  ["class", { from: "class" }, { kind: "class", classes: PATTERNS }, set("train.conditionDropout=0.25"), 8],
  ["thumbnail:2x4", { from: "thumbnail", height: 2, width: 4 }, { ...map, height: 2, width: 4, channels: 1 }, [], 9],
  ["vectors:vectors.npy", { from: "vectors" }, { kind: "vector", size: 5, scale: expect.any(Number) }, [], 9],
  ["vectors:maps.npy", { from: "vectors" }, { ...map, height: 2, width: 3, channels: 2 }, [], 9],
  [
    "encoder:codes",
    { from: "encoder", model: "encoder", of: "image" },
    { kind: "vector", size: 3, scale: expect.any(Number) },
    set("train.conditionDropout=0.25"),
    9,
  ],
  [
    "peers:faces",
    { from: "encoder", model: "encoder", of: "class" },
    { kind: "vector", size: 2, scale: expect.any(Number) },
    [],
    9,
  ],
];

describe.each(KINDS)("--condition %s", (condition, source, model, more, columns) => {
  const [whole, parts] = [`${condition.replace(/\W/g, "-")}-whole`, `${condition.replace(/\W/g, "-")}-parts`];
  const words = (out: string, steps: number): string[] => [
    ...["data", "--out", out, "--condition", condition, "--steps", String(steps), ...TINY, ...more],
  ];

  test(
    "a run says in its config where the condition comes from, draws its picture, and is whole by itself: it goes " +
      "on as if it had not stopped",
    async () => {
      const encoder = /^(?:encoder|peers):(.*)/.exec(condition)?.[1];
      const done = await run(...words(parts, 2));
      const evaluation = { kind: "likelihood", images: 4, step: 2 };
      expect(done.json, done.messages).toMatchObject({ run: parts, step: 2, evaluation });
      const before = await readRunConfig(parts);
      expect(before.condition).toEqual(source);
      expect(before.model).toMatchObject({ condition: model });
      // A row a class, or a row for each of the four test images with itself in front.
      expect(sizeOf(parts, 2)).toEqual(gridSize(columns === 8 ? 3 : 4, columns));
      if (encoder) renameSync(encoder, "gone");
      try {
        const resumed = await run("--resume", "--out", parts, "--steps", "4");
        expect(resumed.json, resumed.messages).toMatchObject({ step: 4 });
      } finally {
        if (encoder) renameSync("gone", encoder);
      }
      expect(await readRunConfig(parts)).toEqual({ ...before, train: { ...before.train, budget: { steps: 4 } } });
      if (columns === 8 || encoder) {
        expect((await run(...words(whole, 4))).code).toBe(0);
        expect(weightsOf(parts)).toBe(weightsOf(whole));
      }
      expect(existsSync(join(parts, "encoder"))).toBe(encoder !== undefined);
    },
  );
});

test("another run's config trains the same run again, its encoder with it, from any folder", async () => {
  for (const [condition] of KINDS.filter(([c]) => /class|encoder/.test(c))) {
    const whole = `${condition.replace(/\W/g, "-")}-whole`;
    const again = `${whole}-again`;
    process.chdir(outside);
    try {
      const { code, messages } = await run("--config", at(whole, "config.json"), "--out", at(again));
      expect(code, messages).toBe(0);
    } finally {
      process.chdir(scratch);
    }
    expect(await readRunConfig(again)).toEqual(await readRunConfig(whole));
    expect(weightsOf(again)).toBe(weightsOf(whole));
  }
  // With another condition, what the file said of the first is gone.
  const { code, messages } = await run(
    "--config",
    "class-whole/config.json",
    "--out",
    "other",
    "--condition",
    "thumbnail:2x2",
  );
  expect(code, messages).toBe(0);
  expect((await readRunConfig("other")).model).toMatchObject({ condition: { ...map, height: 2, width: 2 } });
});

test("--condition keeps what a preset says of a condition from the same source, and of no other", async () => {
  const drafted = async (source: { from: "captions" } | { from: "class" }): Promise<unknown> => {
    const { draft } = await draftRun({ preset: "emoji", settings: [], condition: { source }, fallback: "folder" });
    return { from: draft.condition?.from, said: draft.model.condition };
  };
  expect(await drafted({ from: "captions" })).toEqual({ from: "captions", said: { features: expect.any(Number) } });
  expect(await drafted({ from: "class" })).toEqual({ from: "class", said: undefined });
});

test("--condition beside another run's --config: its own shape, and the width of m(h) that the run had", async () => {
  const words = (out: string): string[] => ["data", "--out", out, "--steps", "1", ...TINY];
  await run(...words("two"), "--condition", "thumbnail:2x2", ...set("model.condition.features=5"));
  const ran = await run(...words("four"), "--config", join("two", "config.json"), "--condition", "thumbnail:4x4");
  expect(ran.code, ran.messages).toBe(0);
  expect((await readRunConfig("four")).model).toMatchObject({
    condition: { ...map, height: 4, width: 4, features: 5 },
  });
});

test(
  "classes as often, blind at times: a run that goes on is the run that did not stop; without classes it is " +
    "refused at once",
  async () => {
    const words = (out: string, steps: number): string[] => [
      ...["data", "--out", out, "--condition", "class", "--steps", String(steps), ...TINY],
      ...set("train.balance=true", "train.blind=0.3"),
    ];
    expect((await run(...words("often", 4))).code).toBe(0);
    expect((await run(...words("often-parts", 2))).code).toBe(0);
    expect((await run("--resume", "--out", "often-parts", "--steps", "4")).code).toBe(0);
    expect(weightsOf("often-parts")).toBe(weightsOf("often"));
    expect((await readRunConfig("often")).train).toMatchObject({ balance: true, blind: 0.3 });
    for (let i = 0; i < 4; i++) writePng(`of-no-class/${i}.png`, Array(64).fill(i % 2));
    const loose = await run(
      "of-no-class",
      "--out",
      "often-loose",
      "--steps",
      "1",
      ...TINY,
      ...set("train.balance=true"),
    );
    expect(loose.code).toBe(2);
    expect(loose.json.error?.message).toMatch(
      /^expected classes to balance \(train\.balance\) but .*of-no-class has none: subfolders are classes/,
    );
  },
);

test("a map's features, a vector's scale and its own shape can be set", async () => {
  const changed = (...settings: string[]): string[] => [
    ...TINY,
    ...set(...settings),
    "--steps",
    "0",
    "--no-final-eval",
  ];
  await run("data", "--out", "wide", "--condition", "thumbnail:2x2", ...changed("model.condition.features=5"));
  expect((await readRunConfig("wide")).model).toMatchObject({
    condition: { ...map, height: 2, width: 2, channels: 1, features: 5 },
  });
  await run("data", "--out", "loud", "--condition", "encoder:codes", ...changed("model.condition.scale=7"));
  expect((await readRunConfig("loud")).model).toMatchObject({ condition: { kind: "vector", size: 3, scale: 7 } });
  await run("data", "--out", "few", "--condition", "vectors:maps.npy", ...changed("model.condition.features=3"));
  expect((await readRunConfig("few")).model).toMatchObject({
    condition: { kind: "map", height: 2, width: 3, channels: 2, features: 3 },
  });
});

test("vectors are scaled to about 1", async () => {
  const { model } = await readRunConfig("vectors-vectors-npy-parts");
  const scale = model.family === "gated-pixelcnn" && model.condition?.kind === "vector" ? model.condition.scale! : 0;
  // Evenly spread over a tenth: their root mean square is about 0.1 / sqrt(12).
  expect(scale).toBeGreaterThan(25);
  expect(scale).toBeLessThan(48);
});

describe("presets of other families, two steps each", () => {
  const encoder = set("model.encoder.features=[4]", "model.encoder.hidden=4");
  const decoder = set(
    "model.decoder.features=4",
    "model.decoder.depth=2",
    "model.decoder.skip=4",
    "model.decoder.head.features=8",
  );
  test.each<[string, string[], object, number[] | null]>([
    ["mnist-autoencoder", [...encoder, ...decoder], { kind: "likelihood" }, gridSize(4, 9)],
    [
      "cifar10-autoencoder",
      [...encoder, ...decoder, ...set("model.latents=4")],
      { kind: "likelihood" },
      gridSize(4, 9),
    ],
    ["mnist-deconvolution", [...encoder, ...set("model.decoder.features=[4]")], { kind: "error" }, gridSize(2, 4)],
    [
      "embedder",
      [...encoder, ...set("data.height=8", "data.width=8", "data.levels=2", "train.perClass=2", "data.splitBy=image")],
      { kind: "verification" },
      null,
    ],
  ])("%s", async (preset, settings, evaluation, size) => {
    const words = preset === "mnist-autoencoder" || preset === "mnist-deconvolution" ? [] : set("data.binarise=none");
    const tiny = [...words, ...set("data.testFraction=0.2"), ...TRAIN, ...settings];
    const { json, messages } = await run("data", "--out", preset, "--preset", preset, "--steps", "2", ...tiny);
    expect(json, messages).toMatchObject({ step: 2, evaluation: { ...evaluation, images: 4 } });
    if (size) expect(sizeOf(preset, 2)).toEqual(size);
    else expect(readdirSync(join(preset, "samples"))).toEqual([]);
    const resumed = await run("--resume", "--out", preset, "--steps", "3", "--no-final-eval", "--eval-limit", "0");
    expect(resumed.json, resumed.messages).toMatchObject({ step: 3, evaluation: null });
  });
});

test("classes that changed since are told, and the run stays as it was", async () => {
  patternFolder("moving", 2);
  const words = ["--condition", "class", "--steps", "1", "--no-final-eval", ...TINY];
  expect((await run("moving", "--out", "moved", ...words)).code).toBe(0);
  const before = await readRunConfig("moved");
  renameSync("moving/dots", "moving/spots");
  const { json } = await run("--resume", "--out", "moved", "--steps", "2");
  expect(json.error.message).toMatch(
    /^expected the model's classes \(columns, dots, rows\) but .*moving has the classes columns, rows, spots$/,
  );
  expect(await readRunConfig("moved")).toEqual(before);
});

test("the preset of portraits says so when it is given nobody to ask for", async () => {
  const words = [
    "--preset",
    "portraits",
    "--steps",
    "1",
    "--no-final-eval",
    ...TINY,
    ...set("data.splitBy=image", "data.binarise=none"),
  ];
  const { code, messages } = await run("data", "--out", "unasked", ...words);
  expect(code, messages).toBe(0);
  expect(messages).toContain("without --condition peers:EMBEDDER nobody can be asked for");
});

describe("what cannot be is refused in words, and leaves no run behind", () => {
  beforeAll(() => {
    for (let i = 0; i < 4; i++) writePng(`loose/${i}.png`, Array(64).fill(i % 2));
    writeFileSync("few.npy", writeNpy([3, 2], numbers(6)));
    modelAt("plain", NETWORK);
  });
  const kinds =
    /class, captions, vectors:F\.npy, encoder:MODEL, peers:MODEL \(other images of the class\) or thumbnail:HxW/;
  test.each<[string, string[], number, string | RegExp]>([
    ["a word", ["data", "--condition", "labels"], 2, kinds],
    ["a source without its name", ["data", "--condition", "encoder:"], 2, 'for --condition but received "encoder:"'],
    ["half a size", ["data", "--condition", "thumbnail:7"], 2, 'for --condition but received "thumbnail:7"'],
    [
      "no classes",
      ["loose", "--condition", "class"],
      2,
      /expected classes for --condition class but .*loose has none: subfolders are classes/,
    ],
    [
      "no captions",
      ["data", "--condition", "captions"],
      2,
      /expected captions for the images of .*data but it has none/,
    ],
    [
      "too few vectors",
      ["data", "--condition", "vectors:few.npy"],
      1,
      /expected 18 rows in .*few\.npy, one for each image of data.*, but received 3/,
    ],
    ["no file of vectors", ["data", "--condition", "vectors:none.npy"], 1, /none\.npy/],
    ["no vectors at all", ["data", ...set("condition.from=vectors")], 2, "expected a .npy file for the condition"],
    ["no such encoder", ["data", "--condition", "encoder:nobody"], 2, 'but received "nobody"'],
    [
      "an encoder that is none",
      ["data", "--condition", "encoder:plain", ...set("data.binarise=threshold")],
      2,
      "but received a gated-pixelcnn, which has no encoder",
    ],
    [
      "a thumbnail larger than the images",
      ["data", "--condition", "thumbnail:9x2"],
      2,
      /expected a thumbnail of at most height 8, as the images of .*, but received 9/,
    ],
    [
      "a thumbnail of nothing",
      ["data", "--condition", "thumbnail:0x2"],
      2,
      /condition.*\n {2}height: expected at least 1 but received 0/,
    ],
    [
      "half a condition by --set",
      ["data", ...set("condition.from=encoder")],
      2,
      /condition.*\n {2}model: expected text but received nothing/,
    ],
    ["a key of no condition", ["data", ...set("condition.of=class", "condition.from=class")], 2, /unknown key of/],
    [
      "one for an auto-encoder",
      ["data", "--preset", "mnist-autoencoder", "--condition", "class"],
      2,
      "expected no --condition for a model of family autoencoder: its decoder is conditioned on what its own " +
        "encoder makes of each image",
    ],
    [
      "one for an embedder",
      ["data", "--preset", "embedder", "--condition", "class"],
      2,
      "family embedder: it draws no images",
    ],
    [
      "a dropout for an auto-encoder of squared error",
      ["data", "--preset", "mnist-deconvolution", ...set("train.conditionDropout=0.1")],
      2,
      "train.conditionDropout: expected 0 for an auto-encoder with a deconvolution decoder, which draws nothing by " +
        "a condition, but received 0.1",
    ],
    ["one class alone for an embedder", ["loose", "--preset", "embedder"], 2, /expected classes to divide .*loose by/],
  ])("%s", async (_, words, code, message) => {
    const found = await run(...words, "--out", "none", ...set("data.height=8", "data.width=8"), "--steps", "1");
    expect(found.json.error?.message).toMatch(message);
    expect(found.code).toBe(code);
    expect(existsSync("none/config.json")).toBe(false);
  });

  test("another condition for a run that goes on", async () => {
    const { json } = await run("--resume", "--out", "class-whole", "--condition", "thumbnail:2x2");
    expect(json.error.message).toBe(
      "expected no --condition with --resume: the run in class-whole goes on with its own config.json",
    );
    const other = await run("--resume", "--out", "thumbnail-2x4-parts", ...set("condition.width=2"));
    expect(other.json.error.message).toContain("its config.json has condition.width 4 but received 2");
  });
});
