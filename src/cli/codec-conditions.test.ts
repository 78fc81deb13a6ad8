/**
 * `compress`, `decompress`, `score` and `info` with models that are conditioned, of every kind: small random ones; once
 * through the front door.
 */

import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { decode, encode } from "fast-png";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Archive, openPxc, readGroup } from "../codec/container.ts";
import { conditionsLength } from "../codec/group-conditions.ts";
import { writeNpy } from "../data/npy.ts";
import { thumbnailOf } from "../data/thumbnails.ts";
import { modelParameters } from "../models/families.ts";
import { writeSafeTensors } from "../models/safetensors.ts";
import { initialise } from "../network/parameters.ts";
import { randomFrom } from "../random.ts";
import { resolveRun } from "../train/config.ts";
import { type Ran, runCommand } from "./command-in-process.test-support.ts";
import { pixelcnn, scratchFolder } from "./command-line.test-support.ts";
import compress from "./commands/compress.ts";
import decompress from "./commands/decompress.ts";
import info from "./commands/info.ts";
import score from "./commands/score.ts";
import type { Command } from "./run-command.ts";

const scratch = scratchFolder("codec-conditions");
const at = (...parts: string[]): string => join(scratch, ...parts);
const outside = process.cwd();
beforeAll(() => process.chdir(scratch));
afterAll(() => {
  process.chdir(outside);
  rmSync(scratch, { recursive: true, force: true });
});

const SHAPE = { height: 8, width: 8, channels: 1, levels: 2 };
const NETWORK = { features: 4, depth: 2, firstKernel: 5, skip: 0, head: { features: 4 } };

/**
 * A model folder of random weights that find black likely, so that images of few white pixels are coded and not stored.
 */
function modelAt(name: string, model: object, run: object = {}): void {
  const config = resolveRun({ data: { source: "none" }, ...run, model: { ...SHAPE, ...model } });
  const specs = modelParameters(config.model).map((spec) => ({ ...spec, bound: 1.5 * (spec.bound || 0.3) }));
  const parameters = initialise(specs, randomFrom(7));
  const logits = parameters.get("head.logits.b")?.data;
  if (logits) logits[0] = 2;
  mkdirSync(at(name), { recursive: true });
  writeFileSync(at(name, "config.json"), JSON.stringify(config));
  writeFileSync(at(name, "model.safetensors"), writeSafeTensors(parameters, { format: "1", step: "0" }));
}

/** Image i of 8 x 8: a white blot on black. */
function blot(i: number): Uint8Array {
  const pixels = new Uint8Array(64);
  const random = randomFrom(i);
  const [y, x] = [random.below(7), random.below(7)];
  for (const p of [0, 1, 8, 9]) pixels[y * 8 + x + p] = 255;
  return pixels;
}

const LABELS = Array.from({ length: 12 }, (_, i) => (7 * i) % 3);

/** A folder of IDX files, 12 blots with labels from 0 to 2. */
function labelledSet(folder: string): void {
  mkdirSync(at(folder), { recursive: true });
  for (const part of ["train", "t10k"]) {
    const images = Uint8Array.of(
      0,
      0,
      8,
      3,
      0,
      0,
      0,
      12,
      0,
      0,
      0,
      8,
      0,
      0,
      0,
      8,
      ...LABELS.flatMap((_, i) => [...blot(i)]),
    );
    writeFileSync(at(folder, `${part}-images-idx3-ubyte`), images);
    writeFileSync(at(folder, `${part}-labels-idx1-ubyte`), Uint8Array.of(0, 0, 8, 1, 0, 0, 0, 12, ...LABELS));
  }
}

function png(path: string, width: number, height: number, pixels: Uint8Array): void {
  mkdirSync(dirname(at(path)), { recursive: true });
  writeFileSync(at(path), encode({ width, height, channels: 1, depth: 8, data: pixels }));
}

const commands = { compress, decompress, score, info } as Record<string, Command>;

/** Runs a command line in this process, in the scratch folder. */
const run = (line: string): Promise<Ran> => {
  const [name, ...words] = line.split(" ");
  return runCommand(commands[name!]!, ...words);
};

const groupsOf = (file: string) => {
  const archive = openPxc(readFileSync(at(file))) as Archive;
  return archive.groups.map((place, i) => ({ ...place, ...readGroup(archive, i) }));
};
const pixelsOf = (path: string): string =>
  Buffer.from(decode(readFileSync(at(path))).data as Uint8Array).toString("hex");
const hexOf = (pixels: Uint8Array): string => Buffer.from(pixels).toString("hex");

/** Conditions of each image, in the order of the archive, which is that of the images where all are of one kind. */
const conditionsOf = (file: string) =>
  groupsOf(file).flatMap(({ conditions, count }) => conditions ?? Array(count).fill(null));

beforeAll(() => {
  const classes = { kind: "class", classes: ["0", "1", "2"] };
  modelAt("classes", { ...NETWORK, condition: classes }, { condition: { from: "class" } });
  modelAt(
    "dropped",
    { ...NETWORK, condition: classes },
    { condition: { from: "class" }, train: { conditionDropout: 0.1 } },
  );
  modelAt("plain", NETWORK);
  modelAt("captions", { ...NETWORK, condition: { kind: "vector", size: 512 } }, { condition: { from: "captions" } });
  modelAt("vectors", { ...NETWORK, condition: { kind: "vector", size: 3 } }, { condition: { from: "vectors" } });
  modelAt("latents", {
    family: "autoencoder",
    latents: 3,
    encoder: { features: [4], hidden: 5 },
    decoder: { kind: "pixelcnn", ...NETWORK },
  });
  const map = { kind: "map", height: 2, width: 2, channels: 1, features: 4 };
  modelAt("small", { ...NETWORK, condition: map }, { condition: { from: "thumbnail", height: 2, width: 2 } });
  modelAt("faces", { family: "embedder", size: 3, encoder: { features: [4], hidden: 5 } });
  modelAt(
    "portraits",
    { ...NETWORK, condition: { kind: "vector", size: 3 } },
    { condition: { from: "encoder", model: "encoder", of: "class" } },
  );
  cpSync(at("faces"), at("portraits", "encoder"), { recursive: true });
  labelledSet("set");
  for (const i of LABELS.keys()) png(`blots/${i}.png`, 8, 8, blot(i));
});

describe("a model of classes", () => {
  test("codes each image under its label, which the archive then holds once: through the front door", async () => {
    const door = async (line: string) => pixelcnn(line.split(" "), { cwd: scratch });
    const done = await door("compress classes set --split test -o set.pxc --group 5");
    const bytes = readFileSync(at("set.pxc")).length;
    expect(done.stdout).toMatch(/\nconditions: each image's class; 12 of the bytes, for 12 images\n$/);
    expect(done.stdout).toContain(`${bytes} bytes, ${((8 * bytes) / 768).toFixed(4)} bits/dim`);
    const back = await door("decompress set.pxc -o set-back");
    expect([done.code, back.code]).toEqual([0, 0]);
    for (const i of LABELS.keys()) expect(pixelsOf(`set-back/set/test/${i}.png`)).toBe(hexOf(blot(i)));
    expect(readFileSync(at("set-back/labels.csv"), "utf8")).toBe(
      `file,label,class\n${LABELS.map((label, i) => `set/test/${i}.png,${label},${label}\n`).join("")}`,
    );

    expect(groupsOf("set.pxc").map(({ count }) => count)).toEqual([5, 5, 2]);
    expect(conditionsOf("set.pxc")).toEqual(LABELS);
    expect((openPxc(readFileSync(at("set.pxc"))) as Archive).labels).toBeUndefined();
    const about = await run("info set.pxc");
    expect(about.text).toMatch(/^labels +of 12 images, 3 class names$/m);
    expect(about.text).toMatch(/^conditions +a class for each of 12 images, which are the labels; 12 bytes$/m);
    expect(about.json).toMatchObject({ labels: 12, conditions: { classes: 12, numbers: 0, size: null, bytes: 12 } });
    const { text, json } = await run("decompress set.pxc --list");
    expect(text).toContain("\nconditions: a class for each of 12 images, which are the labels; 12 bytes\n");
    expect(text).toContain("\n  8x8  set/test/1  written as set/test/1.png  1\n  8x8  set/test/2  ");
    expect(json.images[1]).toEqual({
      name: "set/test/1",
      stored: "set/test/1",
      written: "set/test/1.png",
      label: 1,
      condition: { class: 1 },
      height: 8,
      width: 8,
    });
  });

  test("without names and labels knows the classes all the same, in any groups and threads", async () => {
    for (const [options, bytes] of [
      ["--group 1", 12],
      ["--group 3 --threads 2", 12],
      // Two bits an image, and what says so.
      ["--group 64", 6],
    ] as const) {
      const done = await run(`compress classes set --split test -o bare.pxc --bare --force ${options}`);
      expect(done.json.conditions).toEqual({ of: "each image's class", images: 12, bytes });
      expect(conditionsOf("bare.pxc")).toEqual(LABELS);
      const back = await run("decompress bare.pxc -o bare-back --force");
      expect([back.code, readdirSync(at("bare-back")).length]).toEqual([0, 12]);
      expect(pixelsOf("bare-back/image-000007.png")).toBe(hexOf(blot(6)));
      expect((await run("info bare.pxc")).text).toMatch(
        new RegExp(`^labels +none\nconditions +a class for each of 12 images; ${bytes} bytes$`, "m"),
      );
    }
  });

  test("takes the subfolder that an image lies in for its class; beside subfolders there is none", async () => {
    const files = ["0/1.png", "0/3.png", "2/0.png", "2/2.png", "2/4.png", "loose.png"];
    for (const [i, file] of files.entries()) png(`folder/${file}`, 5 + i, 6, blot(i).subarray(0, (5 + i) * 6));
    const done = await run("compress classes folder -o folder.pxc");
    expect(done.json.conditions).toEqual({ of: "each image's class", images: 5, bytes: 5 });
    expect(conditionsOf("folder.pxc")).toEqual([0, 0, 2, 2, 2, null]);
    await run("decompress folder.pxc -o folder-back");
    for (const file of files) expect(pixelsOf(`folder-back/${file}`)).toBe(pixelsOf(`folder/${file}`));
    for (const split of ["train", "test"]) for (const i of [0, 1]) png(`divided/${split}/${i}/${i}.png`, 8, 8, blot(i));
    await run("compress classes divided -o divided.pxc");
    expect(conditionsOf("divided.pxc")).toEqual([0, 1, 0, 1]);
  });

  test("takes the classes that metadata name, as training does", async () => {
    for (const i of [0, 1]) png(`told-classes/${i}.png`, 8, 8, blot(i));
    const lines = ["2", "0"].map((label, i) => JSON.stringify({ file_name: `${i}.png`, label }));
    writeFileSync(at("told-classes/metadata.jsonl"), lines.join("\n"));
    await run("compress classes told-classes -o told-classes.pxc");
    expect(conditionsOf("told-classes.pxc")).toEqual([2, 0]);
  });

  test("takes one class or a mixture for all", async () => {
    const mixed = await run("compress classes blots --class 0*0.75+2*0.25 -o mixed.pxc");
    expect(mixed.json.conditions).toEqual({ of: "0*0.75+2*0.25, for all images", images: 12, bytes: 13 });
    expect(conditionsOf("mixed.pxc")).toEqual(LABELS.map(() => Float32Array.of(0.75, 0, 0.25)));
    await run("decompress mixed.pxc -o mixed-back");
    for (const i of LABELS.keys()) expect(pixelsOf(`mixed-back/${i}.png`)).toBe(hexOf(blot(i)));
    const { json, text } = await run("decompress mixed.pxc --list");
    expect(json.conditions).toEqual({ classes: 0, numbers: 12, size: 3, bytes: 13 });
    expect(json.images).toContainEqual(
      expect.objectContaining({ name: "3.png", condition: { numbers: 3 }, height: 8, width: 8 }),
    );
    expect(text).toContain("\n  8x8  3.png  (3 numbers)\n");

    const one = await run("compress classes blots/3.png --class 1 --single -o one.pxc");
    expect(one.json.conditions).toEqual({ of: "1, for all images", images: 1, bytes: 1 });
    expect((await run("info one.pxc")).text).toMatch(/^condition +class 1$/m);
    expect((await run("decompress one.pxc --list")).text).toMatch(/^one.pxc: one image, .*; condition: class 1$/);
    await run("decompress one.pxc -o one-back --model classes");
    expect(pixelsOf("one-back/one.png")).toBe(hexOf(blot(3)));
    // Labels that are not what the model was told are kept beside it.
    await run("compress classes set --split test --class 1 -o told.pxc");
    await run("decompress told.pxc -o told-back");
    expect(readFileSync(at("told-back/labels.csv"), "utf8").split("\n")[3]).toBe(
      `set/test/2.png,${LABELS[2]},${LABELS[2]}`,
    );
  });
});

test("a model of vectors takes one for all images, or one for each, or none", async () => {
  const rows = Float32Array.from({ length: 36 }, (_, i) => Math.fround(Math.sin(i)));
  writeFileSync(at("rows.npy"), writeNpy([12, 3], rows));
  const each = await run("compress vectors blots --latent rows.npy -o rows.pxc --group 5");
  expect(each.json.conditions).toEqual({
    of: "rows.npy 0 to rows.npy 11, one an image",
    images: 12,
    bytes: 3 + 12 * 12,
  });
  expect(conditionsOf("rows.pxc")[2]).toEqual(rows.slice(6, 9));
  await run("decompress rows.pxc -o rows-back");
  for (const i of LABELS.keys()) expect(pixelsOf(`rows-back/${i}.png`)).toBe(hexOf(blot(i)));

  const one = await run("compress vectors blots --latent 0.5,-1,2 -o one-vector.pxc");
  expect(one.json.conditions).toEqual({ of: "0.5,-1,2, for all images", images: 12, bytes: 13 });
  const none = await run("compress vectors blots --unconditional -o no-vector.pxc");
  expect(none.json.conditions).toEqual({ of: "unconditional, for all images", images: 0, bytes: 0 });
  expect(none.messages).toContain("was trained with its condition always there");
  await run("decompress no-vector.pxc -o no-vector-back");
  expect(pixelsOf("no-vector-back/4.png")).toBe(hexOf(blot(4)));
  expect((await run("info no-vector.pxc")).text).not.toContain("condition");

  for (const command of [
    "compress vectors blots/0.png blots/1.png --latent rows.npy -o x.pxc",
    "score vectors set:test:0-1 --latent rows.npy",
  ])
    expect((await run(command)).json.error).toEqual({
      kind: "usage",
      message: "expected one condition for all images, or one for each of 2, but received 12",
    });
});

test("a model of vectors that belong to its data takes those of the images; all zeros are none", async () => {
  const rows = Float32Array.from({ length: 72 }, (_, i) => (i >= 39 && i < 42 ? 0 : i));
  writeFileSync(at("own.npy"), writeNpy([24, 3], rows));
  modelAt(
    "own",
    { ...NETWORK, condition: { kind: "vector", size: 3 } },
    {
      data: { source: at("set"), vectors: at("own.npy") },
      condition: { from: "vectors" },
    },
  );
  const done = await run("compress own set:test:0-3 -o own.pxc");
  expect(done.json.conditions).toEqual({ of: "each image's vector in the data", images: 3, bytes: 1 + 36 });
  // The train images come first; the second of the test images has zeros.
  expect(conditionsOf("own.pxc")).toEqual([rows.slice(36, 39), rows.slice(42, 45), rows.slice(45, 48), null]);
  await run("decompress own.pxc -o own-back");
  for (const i of [0, 1, 2, 3]) expect(pixelsOf(`own-back/set/test/${i}.png`)).toBe(hexOf(blot(i)));
});

describe("a model that makes its condition of the image", () => {
  test.each([
    ["latents", "what its encoder makes of each image", 3],
    ["portraits", "what its encoder makes of each image", 3],
    ["small", "each image's thumbnail of 2x2", 4],
  ])("%s: compresses without being told, and its archive needs the decoder alone", async (name, of, size) => {
    const done = await run(`compress ${name} set --split test -o ${name}.pxc --group 5`);
    // Every group says how many numbers an image has.
    expect(done.json.conditions).toEqual({ of, images: 12, bytes: 3 + 12 * 4 * size });
    const conditions = conditionsOf(`${name}.pxc`) as Float32Array[];
    expect(new Set(conditions.map(String)).size).toBeGreaterThan(4);
    const levels = blot(5).map((v) => v / 255);
    if (name === "small") expect(conditions[5]).toEqual(thumbnailOf(levels, SHAPE, { height: 2, width: 2 }));
    expect(groupsOf(`${name}.pxc`).flatMap(({ stored }) => stored)).not.toContain(true);

    if (name === "portraits") rmSync(at("portraits", "encoder"), { recursive: true });
    const back = await run(`decompress ${name}.pxc -o ${name}-back --threads 2`);
    expect(back.json).toMatchObject({ images: 12, model: name });
    for (const i of LABELS.keys()) expect(pixelsOf(`${name}-back/set/test/${i}.png`)).toBe(hexOf(blot(i)));
    // Labels are kept beside numbers.
    expect(readFileSync(at(`${name}-back/labels.csv`), "utf8").split("\n")[3]).toBe(
      `set/test/2.png,${LABELS[2]},${LABELS[2]}`,
    );
    const about = (await run(`info ${name}.pxc`)).text;
    expect(about).toMatch(
      new RegExp(`^conditions +${size} numbers for each of 12 images; ${3 + 48 * size} bytes$`, "m"),
    );
  });

  test("needs images of its size; a person may say another condition, unless it is a map", async () => {
    png("wide.png", 9, 8, new Uint8Array(72));
    const wanted = "expected 8 x 8 pixels (width x height), the model's size, for wide.png, since its condition";
    for (const [line, message] of [
      [
        "compress latents wide.png -o x.pxc",
        `${wanted} is each image's own, and its encoder takes no other, but received 9 x 8`,
      ],
      ["score small wide.png", `${wanted} is each image's own, and it is made of the image, but received 9 x 8`],
      ["compress small wide.png --latent 0,0,0,1 -o x.pxc", `${wanted} goes through m(h), but received 9 x 8`],
    ] as const)
      expect((await run(line)).json.error).toEqual({ kind: "data", message });
    for (const [name, asked] of [
      ["latents", "--latent 1,2,3"],
      ["small", "--unconditional"],
    ]) {
      expect((await run(`compress ${name} wide.png ${asked} -o wide.pxc --single --force`)).code).toBe(0);
      await run(`decompress wide.pxc -o wide-back --force --model ${name}`);
      expect(pixelsOf("wide-back/wide.png")).toBe(pixelsOf("wide.png"));
    }
  });
});

test("the bytes of the images are the bits of score, to 4 an image, whatever the condition", async () => {
  for (const [name, ...words] of [["classes"], ["latents"], ["small"], ["vectors", "--latent 1,-1,0.5"]] as const) {
    const line = [name, "set", ...words].join(" ");
    const scored = (await run(`score ${line}`)).json;
    const bits = scored.each.reduce((sum: number, image: { bits: number }) => sum + image.bits, 0);
    const { json } = await run(`compress ${line} --split test -o bits.pxc --force`);
    expect(Math.abs(8 * json.payload - bits)).toBeLessThan(4 + 8);
    expect(json.conditions.of).toBe(scored.conditions);
    // Each in a group of its own ends in whole bytes.
    const alone = (await run(`compress ${line} --split test -o bits.pxc --group 1 --force`)).json;
    expect(8 * alone.payload - bits).toBeGreaterThan(-12);
    expect(8 * alone.payload - bits).toBeLessThan(12 * (4 + 8));
  }
});

test("a damaged condition costs its group, and gives no image", async () => {
  await run("compress latents set --split test -o whole.pxc --group 5");
  const bytes = readFileSync(at("whole.pxc"));
  const group = groupsOf("whole.pxc")[1]!;
  const length = conditionsLength(group.conditions);
  const start = bytes.indexOf(Buffer.from(new Uint8Array((group.conditions![0] as Float32Array).buffer)), group.offset);
  expect(start).toBeGreaterThan(group.offset);
  for (const place of [0, 7, length - 2]) {
    writeFileSync(
      at("damaged.pxc"),
      bytes.map((byte, k) => (k === start + place ? byte ^ 64 : byte)),
    );
    const strict = await run("decompress damaged.pxc -o strict --force");
    expect(strict.json.error).toMatchObject({ kind: "corrupt", message: expect.stringMatching(/group 1 .*CRC-32/) });
    const saved = await run(`decompress damaged.pxc -o saved-${place} --salvage`);
    expect(saved).toMatchObject({ code: 1, json: { images: 7, lost: [{ first: 5, last: 9 }] } });
    for (const k of [0, 4, 10, 11]) expect(pixelsOf(`saved-${place}/set/test/${k}.png`)).toBe(hexOf(blot(k)));
  }
});

describe("what has no condition is told what is possible", () => {
  test.each([
    [
      "compress classes blots -o x.pxc",
      "expected a condition for blots/0.png, one of 3 classes (0, 1, 2): --class C (0, 1, 2), but it comes with no " +
        "class",
    ],
    [
      "score dropped blots",
      "expected a condition for blots/0.png, one of 3 classes (0, 1, 2): --class C (0, 1, 2), --unconditional, but " +
        "it comes with no class",
    ],
    [
      "compress vectors set --split test -o x.pxc",
      "expected a condition for set/test/0, a vector of 3 numbers: --latent F, but it comes with no vector",
    ],
    [
      "compress captions set --split test -o x.pxc",
      "expected a condition for set/test/0, a vector of 512 numbers: --text T, --latent F, but it comes with no " +
        "caption",
    ],
    [
      "compress classes set --split test --latent 1,2 -o x.pxc",
      "expected a condition that classes has, one of 3 classes (0, 1, 2): --class C (0, 1, 2), but received --latent",
    ],
    [
      "compress latents set --split test --class 1 -o x.pxc",
      "expected a condition that latents has, a vector of 3 numbers: --like IMAGE, --latent F, but received --class",
    ],
    ["score classes set --class three", 'expected a class of the model (0, 1, 2) but received "three"'],
    ["score plain set --class 3", "expected no --class: plain is a model without a condition"],
    [
      "compress classes others -o x.pxc",
      'expected a class of the model (0, 1, 2) for others/cat/1.png but its class is "cat"',
    ],
  ])("%s", async (line, message) => {
    png("others/cat/1.png", 8, 8, blot(1));
    expect((await run(line)).json.error).toEqual({ kind: "usage", message });
  });
});

test("a caption beside an image is what it is conditioned on", async () => {
  const [first, second] = [blot(1), blot(2)];
  png("told/a.png", 8, 8, first);
  png("told/b.png", 8, 8, second);
  png("told/c.png", 8, 8, second);
  writeFileSync(at("told/a.txt"), "a happy cat\nanother caption");
  writeFileSync(at("told/c.txt"), "a happy cat");
  const done = await run("compress captions told -o captioned.pxc");
  expect(done.json.conditions).toEqual({ of: "each image's caption", images: 2, bytes: 2 + 4 * 512 });
  const [one, other, none] = conditionsOf("captioned.pxc") as Float32Array[];
  expect(other).toEqual(one);
  expect(done.messages).toContain(
    "the conditions take more bytes than the images: --unconditional, or one for all images, may cost less\n",
  );
  expect(none).toBe(null);
  const asked = await run("compress captions told --latent zeros.json -o zeros.pxc");
  expect(asked.json.error.message).toBe("expected numbers at zeros.json but there is no such file");
  await run("decompress captioned.pxc -o told-captions");
  for (const name of ["a", "b", "c"]) expect(pixelsOf(`told-captions/${name}.png`)).toBe(pixelsOf(`told/${name}.png`));
});
