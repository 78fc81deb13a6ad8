import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { decode, encode } from "fast-png";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { pixelcnn, scratchFolder, TINY, tinyData } from "./command-line.test-support.ts";

const scratch = scratchFolder("front-door");
const data = tinyData(join(scratch, "data"));
const run = join(scratch, "run");
const at = (name: string): string => join(scratch, name);
const png = (name: string, width: number, height: number, level: (p: number) => number): string => {
  writeFileSync(
    at(name),
    encode({
      width,
      height,
      channels: 1,
      depth: 8,
      data: Uint8Array.from({ length: width * height }, (_, p) => level(p)),
    }),
  );
  return at(name);
};

beforeAll(async () => {
  const { code, stderr } = await pixelcnn(["train", data, "--out", run, ...TINY, "--steps", "20"]);
  expect(stderr).toContain("(20 images)");
  expect(code).toBe(0);
  writeFileSync(at("file"), "not a folder");
  writeFileSync(at("wrong.json"), '{"train":{"ratee":1}}');
  writeFileSync(at("broken.json"), "{");
  mkdirSync(at("empty"));
  mkdirSync(at("truncated"));
  writeFileSync(
    join(at("truncated"), "train-images-idx3-ubyte"),
    readFileSync(join(data, "train-images-idx3-ubyte")).subarray(0, 1000),
  );
  mkdirSync(at("photos"));
  png("photos/good.png", 8, 8, (p) => p);
  png("photos/fine.png", 8, 8, (p) => 2 * p);
  writeFileSync(join(at("photos"), "bad.png"), "not a picture");
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** A folder of its own for each case: they run side by side, and one run's folder is one process's. */
let folders = 0;
const newRun = (): string => at(`new-${folders++}`);
const copyOfRun = (): string => {
  const copy = newRun();
  cpSync(run, copy, { recursive: true });
  return copy;
};
const fresh = (...more: string[]): string[] => ["train", data, "--out", newRun(), ...more];

describe("an error says what was expected and what came, and ends with its code", () => {
  const cases: [string, () => string[], number, string | RegExp][] = [
    ["no command", () => [], 2, /expected a command .* but received/],
    ["an unknown command", () => ["smaple"], 2, 'but received "smaple"; did you mean sample?'],
    [
      "an unknown option",
      () => ["eval", run, "--limt", "3"],
      2,
      "expected an option of `pixelcnn eval` but received --limt; did you mean --limit?",
    ],
    [
      "a value for an option that takes none",
      () => ["info", run, "--json=yes"],
      2,
      'expected no value for --json but received "yes"',
    ],
    [
      "an option without its value",
      () => fresh("--steps"),
      2,
      "expected a value for --steps but received the option --json",
    ],
    [
      "a number that is none",
      () => fresh("--steps", "many"),
      2,
      'expected a whole number of at least 0 for --steps but received "many"',
    ],
    [
      "an option twice",
      () => fresh("--steps", "3", "--steps", "4"),
      2,
      'expected --steps once but received it again: "3" and "4"',
    ],
    [
      "an argument too many",
      () => ["info", run, data],
      2,
      /expected at most 1 arguments \(<what>\) but received .* too/,
    ],
    [
      "two budgets",
      () => fresh("--steps", "3", "--minutes", "4"),
      2,
      "expected one of --minutes, --steps and --epochs but received --minutes and --steps",
    ],
    [
      "an unknown preset",
      () => fresh("--preset", "mnits"),
      2,
      /expected a preset \(mnist-binary, .*, mnist, .*embedder, .*\) but received "mnits"; did you mean mnist\?/,
    ],
    [
      "an unknown key",
      () => fresh("--set", "train.rat=1"),
      2,
      "expected a key of the run config for --set but received train.rat; did you mean train.rate?",
    ],
    ["a key without its part", () => fresh("--set", "depth=3"), 2, "did you mean model.depth?"],
    [
      "a value out of range",
      () => fresh("--set", "train.rate=-1"),
      2,
      /the train part of the run config.*\n {2}rate: .* but received -1/,
    ],
    [
      "a model that cannot be",
      () => fresh("--set", "model.kernels=[4]"),
      2,
      "kernels.0: expected an odd kernel size but received 4",
    ],
    [
      "an unknown key in a config file",
      () => fresh("--config", at("wrong.json")),
      2,
      "wrong.json but received train.ratee; did you mean train.rate?",
    ],
    [
      "a config file that is no JSON",
      () => fresh("--config", at("broken.json")),
      2,
      "expected JSON in the config file",
    ],
    ["a config file that is not there", () => fresh("--config", at("none.json")), 1, "but there is none"],
    [
      "an unknown device",
      () => fresh("--device", "gpu"),
      2,
      'expected one of cpu, webgpu, cuda for the device but received "gpu"',
    ],
    [
      "a device that is not there",
      () => fresh(...TINY, "--steps", "1", "--device", "cuda"),
      1,
      /expected a working cuda device .*; built in here: cpu/s,
    ],
    [
      "no folder for the run",
      () => ["train", data],
      2,
      "expected --out RUN, the folder to train in, but received none",
    ],
    ["no data", () => ["train", "--out", newRun()], 2, "expected <data>, a named set or a path, but received none"],
    ["missing data", () => ["train", at("nowhere"), "--out", newRun()], 2, "and there is no such path"],
    ["an empty folder", () => ["train", at("empty"), "--out", newRun()], 1, "but received an empty folder"],
    [
      "a truncated data file",
      () => ["train", at("truncated"), "--out", newRun()],
      1,
      /expected .* bytes for .*train-images-idx3-ubyte.* but received 1000/,
    ],
    [
      "a broken image",
      () => ["train", at("photos"), "--out", newRun(), ...TINY],
      1,
      /bad\.png but received.*\nto leave out what cannot be decoded, start with: --set data\.onBroken=skip/s,
    ],
    ["a folder below a file", () => ["train", data, "--out", join(at("file"), "run")], 1, "it is a file, not a folder"],
    [
      "a folder where none can be made",
      () => ["train", data, "--out", "/proc/run"],
      1,
      "cannot make the folder /proc/run",
    ],
    [
      "a folder with a run",
      () => ["train", data, "--out", run],
      2,
      /already holds a run; go on with it: pixelcnn train --resume --out .*, or give another --out/,
    ],
    [
      "a resume without a run",
      () => ["train", "--resume", "--out", at("empty")],
      2,
      "but it holds no config.json; to start one, leave out --resume",
    ],
    [
      "a resume with another field",
      () => ["train", "--resume", "--out", copyOfRun(), "--set", "train.rate=0.5"],
      2,
      "its config.json has train.rate 0.003 but received 0.5",
    ],
    [
      "a resume with a preset",
      () => ["train", "--resume", "--out", copyOfRun(), "--preset", "mnist"],
      2,
      "goes on with its own config.json",
    ],
    ["a resume with other data", () => ["train", "mnist", "--resume", "--out", copyOfRun()], 2, 'but received "mnist"'],
    [
      "a resume with another seed",
      () => ["train", "--resume", "--out", copyOfRun(), "--seed", "9"],
      2,
      "its config.json has train.seed 1 but received 9",
    ],
    ["an unknown model", () => ["eval", "nowhere"], 2, 'but received "nowhere"'],
    ["a folder without a model", () => ["sample", at("empty"), "-o", at("x.png")], 1, "but it holds no config.json"],
    [
      "data of another size",
      () => ["eval", run, "mnist"],
      2,
      "expected images of 8x8 for mnist, as asked, but its format holds 28x28",
    ],
    [
      "an unknown split",
      () => ["eval", run, "--split", "tset"],
      2,
      'expected test, train or all for the split but received "tset"',
    ],
    ["no picture to write", () => ["sample", run], 2, "expected -o F.png, the picture to write, but received none"],
    [
      "nothing given to complete from",
      () => ["complete", run, "x.png", "-o", at("x.png")],
      2,
      "expected --rows R or --mask M.png, to say what is given, but received neither",
    ],
    [
      "a missing image",
      () => ["complete", run, "x.png", "--rows", "2", "-o", at("x.png")],
      1,
      'but received "x.png", and there is no such file',
    ],
    [
      "more rows than the image has",
      () => ["complete", run, "x.png", "--rows", "9", "-o", at("x.png")],
      2,
      "expected a whole number from 0 to 8 for --rows",
    ],
    [
      "an image of another size",
      () => ["complete", run, png("big.png", 9, 8, () => 0), "--rows", "2", "-o", at("x.png")],
      1,
      /expected 8 x 8 pixels .* but received 9 x 8/,
    ],
    [
      "numbers beyond the data",
      () => ["complete", run, `${data}:test:3-20`, "--rows", "2", "-o", at("x.png")],
      2,
      "expected numbers from 0 to 19",
    ],
    [
      "an unknown export",
      () => ["export", run, "-o", at("x.onnx"), "--what", "logit"],
      2,
      'expected likelihood or logits for --what but received "logit"; did you mean logits?',
    ],
    [
      "a file where none can be written",
      () => ["export", run, "-o", join(at("file"), "x.onnx")],
      1,
      "a part of its path is a file, not a folder",
    ],
  ];
  test.concurrent.each(cases)("%s", async (_, words, code, message) => {
    const found = await pixelcnn([...words(), "--json"]);
    if (typeof message === "string") expect(found.stderr).toContain(message);
    else expect(found.stderr).toMatch(message);
    expect(found.code).toBe(code);
    // With --json the same words are the one object on stdout.
    const { error } = JSON.parse(found.stdout) as { error: { kind: string; message: string } };
    expect(error.kind === "usage").toBe(code === 2);
    expect(found.stderr).toContain(error.message);
    expect(found.stdout.trim().split("\n").length).toBe(1);
  });
});

describe("--help", () => {
  test("of all: every command, and the exit codes", async () => {
    const { stdout, code } = await pixelcnn(["--help"]);
    for (const name of ["train", "eval", "sample", "complete", "info", "export", "models"])
      expect(stdout).toMatch(new RegExp(`^ {2}${name} +\\w`, "m"));
    expect(stdout).toContain("0 ok, 1 failed, 2 wrong usage, 130 interrupted");
    expect(code).toBe(0);
  });

  test.concurrent.each(["train", "eval", "sample", "complete", "info", "export", "models"])(
    "of %s: its options and an example, no colour codes",
    async (name) => {
      const { stdout, code } = await pixelcnn([name, "--help"]);
      expect(stdout).toMatch(new RegExp(`^ {2}pixelcnn ${name}`, "m"));
      for (const option of ["--seed", "--json", "--help"]) expect(stdout).toContain(option);
      expect(stdout).not.toContain("\x1b");
      expect(code).toBe(0);
    },
  );
});

describe("commands on a trained run", () => {
  test("eval: every image of the split, and bits/dim x dims x ln 2 = nats", async () => {
    const { stdout, code } = await pixelcnn(["eval", run, "--json"]);
    expect(code).toBe(0);
    const { images, of, nats, bitsPerDim, split } = JSON.parse(stdout);
    expect({ images, of, split }).toEqual({ images: 20, of: 20, split: "test" });
    expect(bitsPerDim * 64 * Math.LN2).toBeCloseTo(nats, 9);
    expect(nats).toBeLessThan(64 * Math.LN2);
    const limited = JSON.parse(
      (await pixelcnn(["eval", run, data, "--split", "train", "--limit", "7", "--json"])).stdout,
    );
    expect(limited).toMatchObject({ images: 7, of: 60, split: "train" });
  });

  test("sample: a picture that a person can see, the same for the same seed", async () => {
    const draw = (file: string, seed: string): Promise<unknown> =>
      pixelcnn(["sample", run, "-n", "5", "-o", at(file), "--seed", seed]);
    await Promise.all([draw("a.png", "3"), draw("b.png", "3"), draw("c.png", "4")]);
    const [a, b, c] = ["a.png", "b.png", "c.png"].map((file) => readFileSync(at(file)));
    expect(a).toEqual(b);
    expect(a).not.toEqual(c);
    const { width, height, channels } = decode(a!);
    expect(channels).toBe(1);
    expect(width).toBeGreaterThan(600);
    expect(width).toBeLessThan(900);
    expect(height).toBeLessThan(width);
  });

  test("complete: original, given part, completions a row; what is given stays", async () => {
    const mask = png("mask.png", 8, 8, (p) => (p % 8 < 4 ? 255 : 0));
    const image = png("image.png", 8, 8, (p) => (p % 3 === 0 ? 255 : 0));
    const words = [
      "complete",
      run,
      image,
      `${data}:test:0-1,5`,
      "-n",
      "2",
      "-o",
      at("done.png"),
      "--mask",
      mask,
      "--scale",
      "1",
      "--json",
    ];
    const { stdout, code } = await pixelcnn(words);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      count: 2,
      seed: 1,
      images: [image, expect.any(String), expect.any(String), expect.any(String)],
    });
    const picture = decode(readFileSync(at("done.png")));
    // Cells of 8 with gutters of 2: four columns, four rows.
    expect([picture.width, picture.height, picture.channels]).toEqual([42, 42, 3]);
    const pixel = (row: number, column: number, p: number): number[] => {
      const at = ((2 + row * 10 + (p >> 3)) * 42 + 2 + column * 10 + (p & 7)) * 3;
      return [...picture.data.subarray(at, at + 3)];
    };
    for (let p = 0; p < 64; p++) {
      const known = p % 8 < 4;
      expect(pixel(0, 0, p)).toEqual(Array(3).fill(p % 3 === 0 ? 255 : 0));
      for (let row = 0; row < 4; row++) {
        if (known) for (const column of [1, 2, 3]) expect(pixel(row, column, p)).toEqual(pixel(row, 0, p));
        else expect(pixel(row, 1, p)).toEqual([72, 104, 168]);
      }
    }
  });

  test("info: of a model and of data", async () => {
    const [model, images] = await Promise.all([pixelcnn(["info", run, "--json"]), pixelcnn(["info", data, "--json"])]);
    expect(JSON.parse(model.stdout)).toMatchObject({
      kind: "model",
      step: 20,
      evaluation: { images: 20 },
      config: { model: { features: 4 } },
    });
    expect(JSON.parse(images.stdout)).toMatchObject({
      kind: "data",
      height: 8,
      width: 8,
      channels: 1,
      splits: { train: 60, test: 20 },
    });
    const text = (await pixelcnn(["info", run])).stdout;
    expect(text).toMatch(/^parameters +\d+$/m);
  });

  test("export: a file of ONNX; models: a list", async () => {
    const [exported, models] = await Promise.all([
      pixelcnn(["export", run, "-o", at("model.onnx"), "--json"]),
      pixelcnn(["models", "--json"]),
    ]);
    expect(JSON.parse(exported.stdout)).toMatchObject({
      what: "likelihood",
      bytes: readFileSync(at("model.onnx")).length,
    });
    const listed = JSON.parse(models.stdout).models as { name: string; condition: string | null; folder: string }[];
    expect(listed.map(({ name }) => name)).toEqual(["emoji", "fashion-mnist", "mnist", "mnist-binary"]);
    expect(listed.map(({ condition }) => condition)).toEqual([expect.stringContaining("--text T"), null, null, null]);
    for (const { name, folder } of listed) expect(folder).toMatch(new RegExp(`models/${name}$`));
  });

  test("--version: that of the package", async () => {
    const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
    expect(await pixelcnn(["--version"])).toMatchObject({ code: 0, stdout: `${version}\n` });
  });
});
