/** `pixelcnn sample` and `complete` with conditions: whose picture stands where, what is said, what is refused. */

import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { decode } from "fast-png";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Ran, runCommand } from "../cli/command-in-process.test-support.ts";
import { pixelcnn, scratchFolder, TINY } from "../cli/command-line.test-support.ts";
import complete from "../cli/commands/complete.ts";
import sample from "../cli/commands/sample.ts";
import {
  ENCODER,
  modelAt,
  NETWORK,
  PATTERNS,
  patternFolder,
  type SmallModel,
  writePng,
} from "../cli/small-models.test-support.ts";
import { writeNpy } from "../data/npy.ts";
import { openData } from "../data/open.ts";
import { type Condition, createEngine } from "../exact/engine.ts";
import { encode } from "../measure/encode.ts";
import { decoderConfig, decoderParameters } from "../models/autoencoder.ts";
import type { PixelcnnConfig } from "../models/config.ts";

const scratch = scratchFolder("sample-conditions");
const outside = process.cwd();
const models: Record<string, SmallModel> = {};
const given = Uint8Array.from({ length: 64 }, (_, p) => ((p * 7) % 3 === 0 ? 1 : 0));
beforeAll(() => {
  process.chdir(scratch);
  patternFolder("data");
  writePng("given.png", given);
  const data = { source: "data", binarise: "threshold", testFraction: 1 / 3 };
  const add = (name: string, model: object, run: object = {}): void => {
    models[name] = modelAt(name, model, { data, ...run });
  };
  const classes = { kind: "class", classes: PATTERNS };
  add("classes", { ...NETWORK, condition: classes }, { train: { conditionDropout: 0.1 } });
  add("always", { ...NETWORK, condition: classes });
  add("plain", NETWORK);
  add(
    "maps",
    { ...NETWORK, condition: { kind: "map", height: 2, width: 2, channels: 1, features: 4 } },
    { condition: { from: "thumbnail", height: 2, width: 2 } },
  );
  add("latents", { family: "autoencoder", latents: 3, encoder: ENCODER, decoder: { kind: "pixelcnn", ...NETWORK } });
  add("faces", { family: "embedder", size: 2, encoder: ENCODER });
  add("codes/encoder", { family: "embedder", size: 2, encoder: ENCODER });
  add(
    "codes",
    { ...NETWORK, condition: { kind: "vector", size: 2, scale: 3 } },
    { condition: { from: "encoder", model: "encoder" } },
  );
});
afterAll(() => {
  process.chdir(outside);
  rmSync(scratch, { recursive: true, force: true });
});

const draw = (...words: string[]): Promise<Ran> =>
  runCommand(sample, ...words, "--scale", "1", "-o", "x.png", "--force");
const fill = (...words: string[]): Promise<Ran> =>
  runCommand(complete, ...words, "--scale", "1", "-o", "x.png", "--force");
/** Cells of the picture last written, as levels: [row][column][pixel]. */
function cells(rows: number, columns: number): number[][][] {
  const { width, height, channels, data } = decode(readFileSync("x.png"));
  expect([height, width]).toEqual([10 * rows + 2, 10 * columns + 2]);
  return Array.from({ length: rows }, (_, row) =>
    Array.from({ length: columns }, (_, column) =>
      Array.from({ length: 64 }, (_, p) => {
        const at = (2 + 10 * row + (p >> 3)) * width + 2 + 10 * column + (p & 7);
        return data[at * channels]! / 255;
      }),
    ),
  );
}
type Drawn = { readonly guidance?: number; readonly rows?: number; readonly seed?: number };
/** What the exact engine draws of a model of classes or vectors, image by image. */
async function drawn(
  name: string,
  conditions: (Condition | null)[],
  { guidance, rows = 0, seed = 1 }: Drawn = {},
): Promise<number[][]> {
  const { config, parameters } = models[name]!;
  const { model } = config;
  const engine = createEngine(
    model.family === "autoencoder"
      ? { config: decoderConfig(model), parameters: decoderParameters(model, parameters) }
      : { config: model as PixelcnnConfig, parameters },
  );
  const count = conditions.length;
  const pixels = Uint8Array.from({ length: 64 * count }, (_, i) => given[i % 64]!);
  const found = await engine.complete({
    images: { height: 8, width: 8, pixels },
    rows,
    seed,
    conditions,
    ...(guidance ? { guidance } : {}),
  });
  await engine.close();
  return Array.from({ length: count }, (_, i) => [...found.pixels.subarray(64 * i, 64 * i + 64)]);
}
const each = <T>(values: readonly T[], n: number): T[] => values.flatMap((value) => Array<T>(n).fill(value));

describe("sample: a row a condition, each image its own stream of the seed", () => {
  const mixture = Float32Array.of(0.5, 0.5, 0);
  test.each<[string[], Condition[], string[]]>([
    [["--class", "dots"], [1], ["dots"]],
    [
      ["--class", "rows,columns"],
      [2, 0],
      ["rows", "columns"],
    ],
    [["--class", "all"], [0, 1, 2], PATTERNS],
    [[], [0, 1, 2], PATTERNS],
    [
      ["--class", "columns+dots,rows"],
      [mixture, 2],
      ["columns+dots", "rows"],
    ],
    [["--class", "rows*0.25"], [Float32Array.of(0, 0, 0.25)], ["rows*0.25"]],
  ])("%s", async (words, conditions, labels) => {
    const { json, text, code } = await draw("classes", "-n", "2", "--seed", "5", ...words);
    expect(code).toBe(0);
    expect(json).toMatchObject({ count: 2 * conditions.length, seed: 5, conditions: labels });
    expect(text).toContain(`${labels.length > 1 ? "rows" : "condition"}: ${labels.join(", ")}`);
    const expected = await drawn("classes", each(conditions, 2), { seed: 5 });
    // One condition alone is a square; more are a row each.
    const found = labels.length > 1 ? cells(labels.length, 2) : cells(1, 2);
    expect(found.flat()).toEqual(expected);
  });

  test("as many as were asked for, or sixteen, or eight a row", async () => {
    expect((await draw("classes", "--class", "dots")).json.count).toBe(16);
    expect((await draw("classes", "--class", "dots,rows")).json.count).toBe(16);
    expect((await draw("classes")).json.count).toBe(24);
    expect((await draw("plain")).json).toMatchObject({ count: 16 });
  });

  test("--unconditional leaves the condition out, with a warning of a model that never trained without", async () => {
    const { messages } = await draw("classes", "-n", "2", "--unconditional");
    expect(messages).not.toContain("train.conditionDropout");
    expect(cells(1, 2).flat()).toEqual(await drawn("classes", [null, null]));
    const warned = await draw("always", "-n", "2", "--unconditional");
    expect(warned.messages).toContain(
      "always was trained with its condition always there (train.conditionDropout 0): without it, images may be poor",
    );
    expect(warned.code).toBe(0);
  });

  test("--guidance strengthens it; --oracle draws the same", async () => {
    await draw("classes", "--class", "dots,rows", "-n", "2", "--guidance", "2.5");
    const guided = cells(2, 2).flat();
    expect(guided).toEqual(await drawn("classes", [1, 1, 2, 2], { guidance: 2.5 }));
    expect(guided).not.toEqual(await drawn("classes", [1, 1, 2, 2]));
    await draw("classes", "--class", "dots,rows", "-n", "2", "--guidance", "2.5", "--oracle", "--threads", "1");
    expect(cells(2, 2).flat()).toEqual(guided);
  });

  test("--like: what the model's own encoder makes of an image, or its thumbnail", async () => {
    const data = await openData("data", {
      binarise: "threshold",
      split: "test",
      splitDraw: "order",
      testFraction: 1 / 3,
    });
    const codesOf = async (name: string): Promise<Float32Array[]> => {
      const { config, parameters } = models[name]!;
      const codes = await encode({ config: config.model, parameters }, data, { threads: 1 });
      const m = codes.length / data.length;
      return [1, 2].map((i) => codes.slice(m * i, m * i + m));
    };
    const like = ["--like", "data:test:1-2", "-n", "2"];
    expect((await draw("latents", ...like)).json.conditions).toEqual([data.nameOf(1), data.nameOf(2)]);
    expect(cells(2, 2).flat()).toEqual(await drawn("latents", each(await codesOf("latents"), 2)));
    await draw("codes", ...like);
    expect(cells(2, 2).flat()).toEqual(await drawn("codes", each(await codesOf("codes/encoder"), 2)));
    // A picture on its own: means of its quarters, -1 .. 1.
    const cell = (y: number, x: number): number =>
      Array.from({ length: 16 }, (_, p) => 2 * given[(4 * y + (p >> 2)) * 8 + 4 * x + (p & 3)]! - 1).reduce(
        (a, b) => a + b,
      ) / 16;
    expect((await draw("maps", "--like", "given.png", "-n", "2")).json.conditions).toEqual(["given.png"]);
    const thumbnail = Float32Array.of(cell(0, 0), cell(0, 1), cell(1, 0), cell(1, 1));
    expect(cells(1, 2).flat()).toEqual(await drawn("maps", [thumbnail, thumbnail]));
  });

  test("--latent: numbers, or rows of a file", async () => {
    writeFileSync("two.npy", writeNpy([2, 2], Float64Array.of(0.5, -1, 2, 0.25)));
    const [a, b] = [Float32Array.of(0.5, -1), Float32Array.of(2, 0.25)];
    await draw("codes", "--latent", "0.5,-1", "-n", "2");
    expect(cells(1, 2).flat()).toEqual(await drawn("codes", [a, a]));
    expect((await draw("codes", "--latent", "two.npy", "-n", "2")).json.conditions).toEqual(["two.npy 0", "two.npy 1"]);
    expect(cells(2, 2).flat()).toEqual(await drawn("codes", [a, a, b, b]));
  });
});

describe("complete", () => {
  test("takes the class of an image of a data set from its label, or the one that is asked for", async () => {
    // Images of "data" by number are in the order of their files: six of each class.
    const { json } = await fill("classes", "data:all:0,7,17", "--rows", "0", "-n", "2");
    expect(json.error).toBeUndefined();
    const own = cells(3, 4).flatMap((row) => row.slice(2));
    expect(own).toEqual(await drawn("classes", [0, 0, 1, 1, 2, 2]));
    await fill("classes", "data:all:0,7,17", "--rows", "0", "-n", "1", "--class", "dots");
    expect(cells(3, 3).map((row) => row[2])).toEqual(await drawn("classes", [1, 1, 1]));
    await fill(
      "classes",
      "data:all:0,7,17",
      "--rows",
      "0",
      "-n",
      "1",
      "--class",
      "rows,dots,columns",
      "--guidance",
      "1",
    );
    expect(cells(3, 3).map((row) => row[2])).toEqual(await drawn("classes", [2, 1, 0], { guidance: 1 }));
  });
  test("keeps the given rows of a file, which has no class of its own", async () => {
    const { json } = await fill("classes", "given.png", "--rows", "3");
    expect(json.error.message).toBe(
      "expected a condition for classes, one of 3 classes (columns, dots, rows): --class C (columns, dots, rows), " +
        "--unconditional, but received none",
    );
    await fill("classes", "given.png", "--rows", "3", "-n", "2", "--class", "dots");
    const [row] = cells(1, 4);
    expect(row![0]).toEqual([...given]);
    expect(row!.slice(2)).toEqual(await drawn("classes", [1, 1], { rows: 3 }));
    for (const image of row!.slice(2)) expect(image.slice(0, 24)).toEqual([...given.subarray(0, 24)]);
    await fill("plain", "given.png", "--rows", "3", "-n", "1");
    expect(cells(1, 3)[0]![2]!.slice(0, 24)).toEqual([...given.subarray(0, 24)]);
  });
  test("images of other classes of the same number do not lend their labels", async () => {
    patternFolder("elsewhere/b", 1);
    const { json } = await fill("classes", "elsewhere:all:0", "--rows", "2", "-n", "1");
    expect(json.error.message).toContain("expected a condition for classes");
  });
});

test.each<[string, string[], string | RegExp]>([
  [
    "an unknown class",
    ["classes", "--class", "dot"],
    'expected a class of the model (columns, dots, rows) but received "dot"; did you mean dots?',
  ],
  ["an unknown class of a mixture", ["classes", "--class", "dots+cats"], 'but received "cats"'],
  [
    "a mixture of words",
    ["classes", "--class", "dots*much"],
    'expected a number after * in a mixture such as 3*0.7+8*0.3 but received "much"',
  ],
  [
    "a class of a model without",
    ["plain", "--class", "dots"],
    "expected no --class: plain is a model without a condition",
  ],
  [
    "nothing of a model without",
    ["plain", "--unconditional"],
    "expected no --unconditional: plain is a model without a condition",
  ],
  [
    "two at once",
    ["classes", "--class", "dots", "--unconditional"],
    "expected one of --class, --like, --latent, --text, --unconditional but received --class and --unconditional",
  ],
  [
    "a class of a model of maps",
    ["maps", "--class", "dots"],
    "expected a condition that maps has, a map of 2x2x1 numbers: --like IMAGE, --latent F, but received --class",
  ],
  [
    "numbers of a model of classes",
    ["classes", "--latent", "1,0,0"],
    /that classes has, one of 3 classes .*, but received --latent/,
  ],
  [
    "an image for a model of classes",
    ["classes", "--like", "given.png"],
    /that classes has, one of 3 classes .*, but received --like/,
  ],
  ["a text", ["codes", "--text", "a dot"], "a vector of 2 numbers: --like IMAGE, --latent F, but received --text"],
  ["too few numbers", ["codes", "--latent", "1"], "expected a condition of 2 numbers an image but received 1"],
  [
    "nothing",
    ["latents"],
    "expected a condition for latents, a vector of 3 numbers: --like IMAGE, --latent F, but received none",
  ],
  ["guidance of a model without", ["plain", "--guidance", "1"], /guidance/],
  ["guidance of none", ["classes", "--unconditional", "--guidance", "1"], "expected conditions for guidance"],
  ["an embedder", ["faces"], "expected a model that gives the probability of an image but faces is an embedder"],
])("%s: the words", async (_, words, message) => {
  const { json, code } = await draw(...words, "-n", "1");
  expect(json.error?.message).toMatch(message);
  expect(code).toBeGreaterThan(0);
});

test("through the front door: train with classes, test, classify, draw a row a class", async () => {
  const tiny = ["--set", "data.testFraction=0.2", "--set", "train.conditionDropout=0.1", "--steps", "3"];
  const front = async (...words: string[]): Promise<Record<string, unknown>> => {
    const { code, stdout, stderr } = await pixelcnn([...words, "--json"], { cwd: scratch });
    expect(code, stderr).toBe(0);
    return JSON.parse(stdout);
  };
  await front("train", "data", "--out", "run", "--condition", "class", ...TINY, ...tiny);
  expect(await front("eval", "run", "--classify", "--threads", "1")).toMatchObject({ images: 4, labelled: 4 });
  expect(await front("sample", "run", "--class", "rows,dots+columns", "-n", "2", "-o", "front.png")).toMatchObject({
    conditions: ["rows", "dots+columns"],
    count: 4,
  });
  expect(await front("sample", "run", "--unconditional", "-n", "2", "-o", "front.png", "--force")).toMatchObject({
    conditions: ["unconditional"],
  });
  const { code, stderr } = await pixelcnn(["sample", "run", "--class", "row", "-o", "wrong.png"], { cwd: scratch });
  expect(stderr).toContain(
    'expected a class of the model (columns, dots, rows) but received "row"; did you mean rows?',
  );
  expect(code).toBe(2);
});
