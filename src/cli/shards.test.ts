/**
 * `--shard` and `merge`: for every number of shards, more than there are groups too, the files and the answer of one
 * process without shards, byte for byte but for the seconds.
 */

import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { encode } from "fast-png";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openPxc } from "../codec/container.ts";
import { randomFrom } from "../random.ts";
import { type Ran, runCommand } from "./command-in-process.test-support.ts";
import { pixelcnn, scratchFolder } from "./command-line.test-support.ts";
import compress from "./commands/compress.ts";
import decompress from "./commands/decompress.ts";
import evaluate from "./commands/eval.ts";
import merge from "./commands/merge.ts";
import sample from "./commands/sample.ts";
import score from "./commands/score.ts";
import { readShard } from "./options/shard.ts";
import type { Command } from "./run-command.ts";
import { ENCODER, modelAt, NETWORK, PATTERNS, patternFolder } from "./small-models.test-support.ts";

const scratch = scratchFolder("shards");
const outside = process.cwd();

function picture(path: string, height: number, width: number, channels: 1 | 3, seed: number): void {
  const random = randomFrom(seed);
  const data = Uint8Array.from({ length: height * width * channels }, () => 51 * random.below(6));
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, encode({ width, height, channels, depth: 8, data }));
}

beforeAll(() => {
  process.chdir(scratch);
  const data = { source: "patterns", binarise: "threshold" };
  patternFolder("patterns", 4);
  patternFolder("many", 60);
  for (const name of ["grey", "namesake"]) modelAt(name, { ...NETWORK, levels: 256 });
  modelAt("colour", { ...NETWORK, features: 6, skip: 6, head: { features: 6 }, channels: 3, levels: 256 });
  modelAt("binary", NETWORK, { data: { source: "mnist", binarise: "threshold" } });
  const classes = { ...NETWORK, condition: { kind: "class", classes: PATTERNS } };
  modelAt("classes", classes, { data, condition: { from: "class" } });
  const decoder = { kind: "pixelcnn", ...NETWORK };
  modelAt("latents", { family: "autoencoder", latents: 3, encoder: ENCODER, decoder }, { data });
  modelAt("faces", { family: "embedder", size: 2, encoder: ENCODER }, { data });
  // Sizes alternate, so that an archive has another order than its images came in.
  for (let i = 0; i < 5; i++) {
    picture(`photos/${["beach", "zoo"][i % 2]}/${i}.png`, 4 + (i % 3), 5, 3, i);
    picture(`scans/page ${i}.png`, 3 + 2 * (i % 2), 6, 1, 50 + i);
    picture(`even/${i}.png`, 8, 8, 3, 90 + i);
  }
});
afterAll(() => {
  process.chdir(outside);
  rmSync(scratch, { recursive: true, force: true });
});

let folders = 0;
/** The parts of a job, its shards done last to first as if nobody knew of anybody. */
async function inShards(command: Command, words: readonly string[], of: number): Promise<string> {
  const parts = `parts-${folders++}`;
  for (let index = of; index >= 1; index--) await shard(command, words, `${index}/${of}`, parts);
  expect(readdirSync(parts)).toHaveLength(of);
  return parts;
}

async function shard(command: Command, words: readonly string[], which: string, parts: string): Promise<Ran> {
  const ran = await runCommand(command, ...words, "--shard", which, "--parts", parts);
  expect(ran.json.error).toBe(undefined);
  return ran;
}

/** An answer as it is compared: without seconds, and whatever its files are called. */
const answer = ({ json, text, code }: Ran): unknown => {
  const { seconds: _, ...rest } = json;
  const plain = (all: string): string => all.replaceAll("merged-", "one-").replace(/ in \d+\.\d s/, "");
  return { json: plain(JSON.stringify(rest)), text: plain(text), code };
};

/** Runs a job in one process and in so many shards; `outputs` are options of files. */
async function expectSame(
  command: Command,
  words: readonly string[],
  outputs: Readonly<Record<string, string>>,
  of: number,
): Promise<Ran> {
  const files = (start: string): string[] =>
    Object.entries(outputs).flatMap(([option, name]) => [option, `${start}-${name}`]);
  const one = await runCommand(command, ...words, ...files("one"), "--force");
  expect(one.json.error).toBe(undefined);
  const parts = await inShards(command, words, of);
  const merged = await runCommand(merge, parts, ...files("merged"), "--force");
  for (const name of Object.values(outputs))
    expect(readFileSync(`merged-${name}`).equals(readFileSync(`one-${name}`)), name).toBe(true);
  expect(answer(merged)).toEqual(answer(one));
  return one;
}

const COUNTS = [1, 2, 3, 7];
/** Of `eval`. */
const ALL = ["--split", "all", "--batch", "3", "--threads", "1"];

describe.each(COUNTS)("of %i shards", (of) => {
  test.each([
    ["colour pictures of several sizes", ["colour", "photos", "--group", "2"]],
    ["grey pictures and digits", ["grey", "scans", "mnist:test:0-4", "--group", "3"]],
    ["digits with labels, classes and numbered names", ["binary", "mnist:test:0-12", "--as-trained", "--group", "4"]],
    ["images conditioned on their classes", ["classes", "patterns", "--group", "4"]],
    ["grey pictures with their model inside", ["grey", "scans", "--with-model", "--weights", "int6", "--group", "2"]],
  ])("compress: %s", async (_, words) => {
    await expectSame(compress, words, { "-o": "all.pxc" }, of);
  });

  test.each([
    ["colour", ["colour", "photos"]],
    ["grey", ["grey", "scans", "mnist:test:0-4"]],
    ["classes", ["classes", "patterns"]],
  ])("score: %s", async (_, words) => {
    await expectSame(score, words, { "--csv": "all.csv", "--histogram": "all.svg" }, of);
  });

  test.each([
    ["grey", ["grey", "-n", "5", "--seed", "3", "--temperature", "0.9"], {}],
    ["colour", ["colour", "-n", "5"], { "--scale": "2" }],
    ["classes, a row each", ["classes", "-n", "2"], {}],
    ["a mixture", ["classes", "-n", "9", "--class", "dots*0.7+rows*0.3"], {}],
    ["a stronger class", ["classes", "-n", "5", "--class", "dots", "--guidance", "1"], {}],
  ])("sample: %s", async (_, words, scale) => {
    const parts = await inShards(sample, words, of);
    const options = Object.entries(scale).flat() as string[];
    const one = await runCommand(sample, ...words, ...options, "-o", "one-all.png", "--force");
    const merged = await runCommand(merge, parts, ...options, "-o", "merged-all.png", "--force");
    expect(readFileSync("merged-all.png").equals(readFileSync("one-all.png"))).toBe(true);
    expect(answer(merged)).toEqual(answer(one));
  });

  test.each([
    ["grey", ["binary", "patterns", ...ALL]],
    ["colour", ["colour", "even", ...ALL]],
    ["classes", ["classes", "patterns", ...ALL]],
  ])("eval: %s", async (_, words) => {
    await expectSame(evaluate, words, { "--histogram": "all.svg" }, of);
  });
});

describe("of 3 shards", () => {
  const binary = ["binary", "mnist:test:0-12", "--as-trained", "--group", "4"];
  test.each<[string, Command, string[], Record<string, string>]>([
    ["compress: own latents", compress, ["latents", "patterns", "--group", "4"], { "-o": "all.pxc" }],
    ["compress: no names or labels", compress, [...binary, "--bare"], { "-o": "all.pxc" }],
    ["compress: levels given up", compress, ["binary", "scans", "--lossy-levels"], { "-o": "all.pxc" }],
    ["score: own latents", score, ["latents", "patterns"], { "--csv": "all.csv" }],
    ["score: a class for all", score, ["classes", "patterns", "--class", "dots"], { "--csv": "all.csv" }],
    ["eval: no condition", evaluate, ["classes", "patterns", ...ALL, "--conditions", "none"], {}],
    ["eval: others' conditions", evaluate, ["classes", "many", ...ALL, "--conditions", "shuffled"], {}],
    ["eval: Bayes' rule", evaluate, ["classes", "patterns", ...ALL, "--classify"], {}],
    ["eval: own latents", evaluate, ["latents", "patterns", ...ALL], {}],
    ["eval: own latents, a chart", evaluate, ["latents", "patterns", ...ALL], { "--histogram": "all.svg" }],
  ])("%s", async (_, command, words, outputs) => {
    await expectSame(command, words, outputs, 3);
  });
});

test("the merged archive opens, with names and classes", async () => {
  const parts = await inShards(compress, ["binary", "mnist:test:0-12", "--as-trained", "--group", "4"], 3);
  await runCommand(merge, parts, "-o", "opens.pxc");
  const file = openPxc(readFileSync("opens.pxc"));
  expect(file.kind === "archive" && file.images).toBe(13);
  const { json } = await runCommand(decompress, "opens.pxc", "-o", "opened", "--model", "binary");
  expect(json.images).toBe(13);
});

test("processes side by side, two of them with the same shard, and a merge behind them", async () => {
  const run = (...words: string[]) => pixelcnn(words, { cwd: scratch });
  const words = ["score", "grey", "scans", "--parts", "beside", "--shard"];
  const ran = await Promise.all(["1/2", "2/2", "2/2"].map((which) => run(...words, which, "--json")));
  for (const { code, stdout, stderr } of ran)
    expect({ code, stderr, of: JSON.parse(stdout).of }).toMatchObject({ code: 0, of: 2 });
  expect(readdirSync("beside")).toHaveLength(2);
  const { stdout, stderr, code } = await run("merge", "beside", "--csv", "-");
  expect(code, stderr).toBe(0);
  expect(stdout).toBe((await run("score", "grey", "scans", "--csv", "-")).stdout);
});

test("an image that cannot be coded is told by every shard, whoever it belongs to", async () => {
  // Pages of 3x6 are within the budget, those of 5x6 are not.
  const words = ["grey", "scans", "--pixel-budget", "20"];
  const { error } = (await runCommand(compress, ...words, "-o", "budget.pxc")).json;
  expect(error.message).toContain('for image 1 ("page 1.png") but received 5 x 6 x 1');
  for (const which of ["1/5", "2/5", "3/5", "4/5", "5/5"])
    expect((await runCommand(compress, ...words, "--shard", which, "--parts", "budget")).json.error).toEqual(error);
  expect(existsSync("budget")).toBe(false);
});

test("bits of sub-pixels come through", async () => {
  const parts = await inShards(score, ["grey", "scans", "--pixels"], 2);
  const one = await runCommand(score, "grey", "scans", "--pixels", "--json");
  expect((await runCommand(merge, parts)).json.each).toEqual(one.json.each);
});

test("what is left out is said once, by merge, with its exit code", async () => {
  mkdirSync("some");
  for (let i = 0; i < 3; i++) copyFileSync(`scans/page ${i}.png`, `some/${i}.png`);
  writeFileSync("some/3.png", "no picture");
  const words = ["grey", "some", "--on-broken", "skip"];
  const { code } = await shard(score, words, "1/2", "broken");
  expect(code).toBe(0);
  expect(await expectSame(score, words, { "--csv": "all.csv" }, 2)).toMatchObject({ code: 1 });
});

describe("a part", () => {
  const words = ["grey", "scans", "--group", "2"];
  const partOf = (folder: string, index: number): string =>
    join(folder, readdirSync(folder).find((name) => name.includes(`-${index}-of-`))!);

  test("is not made again where it is, and is the same bytes where it is", async () => {
    const first = await shard(compress, words, "2/3", "again");
    const file = partOf("again", 2);
    const bytes = readFileSync(file);
    expect(first.json).toMatchObject({ found: false, part: file, shard: 2, of: 3 });
    expect(await shard(compress, words, "2/3", "again")).toMatchObject({
      json: { found: true, part: file, images: first.json.images },
      text: expect.stringContaining("was there already"),
    });
    writeFileSync(file, bytes.subarray(0, 100));
    expect((await shard(compress, words, "2/3", "again")).json.found).toBe(false);
    expect(readFileSync(file)).toEqual(bytes);
    expect((await shard(compress, [...words, "--force"], "2/3", "again")).json.found).toBe(false);
    expect((await shard(compress, [...words, "--threads", "2"], "2/3", "elsewhere")).json.found).toBe(false);
    expect(readFileSync(partOf("elsewhere", 2))).toEqual(bytes);
  });

  test("given twice counts once", async () => {
    const parts = await inShards(compress, words, 3);
    copyFileSync(partOf(parts, 2), join(parts, "copy.part"));
    const { json, messages } = await runCommand(merge, parts, "-o", "twice.pxc");
    expect(json.images).toBe(5);
    expect(messages).toContain("1 part twice: counted once");
  });

  test("that is missing is named", async () => {
    const parts = await inShards(compress, words, 7);
    rmSync(partOf(parts, 2));
    rmSync(partOf(parts, 7));
    const { json } = await runCommand(merge, parts, "-o", "missing.pxc");
    expect(json.error).toEqual({
      kind: "io",
      message: "expected 7 parts of `pixelcnn compress` but these shards are missing: 2/7, 7/7",
    });
    expect(existsSync("missing.pxc")).toBe(false);
    mkdirSync("empty");
    expect((await runCommand(merge, "empty")).json.error.message).toContain("received none");
    expect((await runCommand(merge, "nowhere")).json.error.kind).toBe("io");
  });

  test.each([
    ["data", ["grey", "scans", "--limit", "4", "--group", "2"], 2, "data.conditions ("],
    ["options", ["grey", "scans", "--group", "3"], 2, "options.groupSize (2, 3)"],
    ["number of shards", words, 3, "shards (2, 3)"],
    ["model's name", ["namesake", "scans", "--group", "2"], 2, 'model.name ("grey", "namesake")'],
  ])("of another %s is refused", async (what, others, of, field) => {
    await shard(compress, words, "1/2", `${what}/mine`);
    await shard(compress, others, `2/${of}`, `${what}/theirs`);
    const { error } = (await runCommand(merge, `${what}/mine`, `${what}/theirs`, "-o", "mixed.pxc")).json;
    expect(error.kind).toBe("usage");
    expect(error.message).toContain("expected parts of one job but");
    expect(error.message).toContain(field);
    expect(existsSync("mixed.pxc")).toBe(false);
  });

  test("of pictures that changed under their names is refused", async () => {
    for (const seed of [1, 2]) {
      picture("changing/1.png", 4, 5, 1, 1);
      picture("changing/2.png", 4, 5, 1, seed);
      await shard(score, ["grey", "changing"], `${seed}/2`, "changed");
    }
    expect((await runCommand(merge, "changed")).json.error.message).toMatch(/differ in data\.sha256 \(\S+, \S+\)$/);
  });

  test("of a model that was trained on is refused", async () => {
    for (const index of [1, 2]) {
      modelAt("trained", { ...NETWORK, levels: 256, depth: index });
      await shard(score, ["trained", "scans"], `${index}/2`, "training");
    }
    expect((await runCommand(merge, "training")).json.error.message).toMatch(/differ in model\.digest \(\S+, \S+\)$/);
  });

  test("of another command is refused", async () => {
    await shard(compress, words, "1/2", "commands");
    await shard(score, ["grey", "scans"], "2/2", "commands");
    expect((await runCommand(merge, "commands")).json.error.message).toContain('command ("compress", "score")');
  });

  test("that holds another result of the same shard is refused", async () => {
    const parts = await inShards(sample, ["grey", "-n", "3"], 2);
    const { readPart, writePart } = await import("../runs/part-file.ts");
    const part = await readPart(partOf(parts, 1));
    const payload = part.payload.map((level) => 255 - level);
    writeFileSync(join(parts, "other.part"), writePart({ ...part, payload }));
    const { error } = (await runCommand(merge, parts, "-o", "two.png")).json;
    expect(error).toMatchObject({ kind: "data", message: expect.stringContaining("hold different ones") });
  });

  test("that is whole and says nothing that is known is refused", async () => {
    const { createHash } = await import("node:crypto");
    for (const text of ["", "{", "[]", '{"job":{"command":"train","shards":1},"shard":1,"result":{}}']) {
      const head = `pixelcnn part 1\n${text}\n`;
      writeFileSync("unknown.part", `${head}sha256 ${createHash("sha256").update(head).digest("hex")}\n`);
      expect((await runCommand(merge, "unknown.part")).json.error.kind, text).toBe("corrupt");
    }
  });

  test("that is damaged anywhere is refused", async () => {
    const parts = await inShards(sample, ["grey", "-n", "2"], 2);
    const file = partOf(parts, 2);
    const bytes = readFileSync(file);
    for (const damaged of [0, 20, 300, bytes.length - 70, bytes.length - 60, bytes.length - 1]) {
      writeFileSync(
        file,
        bytes.map((byte, i) => (i === damaged ? byte ^ 1 : byte)),
      );
      expect((await runCommand(merge, parts, "-o", "damaged.png")).json.error, String(damaged)).toMatchObject({
        kind: "corrupt",
        message: expect.stringContaining(file),
      });
    }
    for (const length of [0, 10, 40, 200, bytes.length - 1]) {
      writeFileSync(file, bytes.subarray(0, length));
      expect((await runCommand(merge, parts, "-o", "damaged.png")).json.error.kind).toBe("corrupt");
    }
    expect(existsSync("damaged.png")).toBe(false);
  });
});

describe("words", () => {
  test.each(["3/2", "0/2", "a/b", "1", "/", "1/0", "-1/2", "1.5/2", "1/2/3", "1/ 2", ""])("--shard %s", (text) => {
    expect(() => readShard(text)).toThrow(/such as 1\/4, 2\/4, 3\/4 or 4\/4, but received/);
  });
  test("--shard 1/1 and 7/7", () => {
    expect(readShard("1/1")).toEqual({ index: 1, of: 1 });
    expect(readShard("7/7")).toEqual({ index: 7, of: 7 });
  });

  const shard = ["--shard", "1/2", "--parts", "p"];
  test.each<[string, Command, string[], string]>([
    ["no folder", score, ["grey", "scans", "--shard", "1/2"], "expected --parts FOLDER"],
    ["no shard", score, ["grey", "scans", "--parts", "p"], "expected --shard I/N or --queue with --parts"],
    ["an archive", compress, ["grey", "scans", ...shard, "-o", "x.pxc"], "`pixelcnn merge` takes -o"],
    ["a picture", sample, ["grey", ...shard, "-o", "x.png"], "`pixelcnn merge` takes -o"],
    ["a table", score, ["grey", "scans", ...shard, "--csv", "x.csv"], "`pixelcnn merge` takes --csv"],
    ["a chart", evaluate, ["grey", ...shard, "--histogram", "x.svg"], "`pixelcnn merge` takes --histogram"],
    ["a heat map", score, ["grey", "scans", ...shard, "--heatmap", "x.png"], "which one process can do"],
    ["single files", compress, ["grey", "scans", ...shard, "--single"], "expected no --single with --shard"],
    ["full passes", sample, ["grey", ...shard, "--oracle"], "expected no --oracle with --shard"],
    ["no likelihood", evaluate, ["faces", "patterns", ...shard], "with a model that has a likelihood"],
    ["parts among the images", score, ["grey", "scans", "--shard", "1/2", "--parts", "scans/p"], 'outside of "scans"'],
    ["parts in a file", score, ["grey", "scans", "--shard", "1/2", "--parts", "grey/config.json"], "is a file"],
  ])("%s", async (_, command, words, message) => {
    const { json, code } = await runCommand(command, ...words);
    expect(json.error.message).toContain(message);
    expect(code).toBe(json.error.kind === "usage" ? 2 : 1);
    expect(existsSync("p")).toBe(false);
  });

  test("merge takes the files that the parts can give", async () => {
    const parts = await inShards(sample, ["grey", "-n", "2"], 1);
    const error = async (...words: string[]): Promise<string> =>
      (await runCommand(merge, parts, ...words)).json.error.message;
    expect(await error("--csv", "x.csv")).toBe("expected no --csv: these are parts of `pixelcnn sample`");
    expect(await error()).toContain("expected -o F.png, the picture");
    const [part] = readdirSync(parts).map((name) => join(parts, name));
    expect(await error("-o", part!, "--force")).toContain("which is the input");
    expect(readFileSync(part!).subarray(0, 13).toString()).toBe("pixelcnn part");
    await runCommand(merge, parts, "-o", "there.png");
    expect(await error("-o", "there.png")).toContain("--force replaces it");
  });
});
