/**
 * `encode`, `reconstruct`, `interpolate`, and reading back what they write: through the front door, with small random
 * models.
 */

import { describe, expect, test } from "vitest";
import { readNpy } from "../data/npy.ts";
import { thumbnailOf } from "../data/thumbnails.ts";
import { pixelcnn } from "./command-line.test-support.ts";
import {
  A,
  B,
  blurredOf,
  bytes,
  cellsOf,
  codesOf,
  greys,
  json,
  levelsOf,
  PEOPLE,
  SHAPE,
  SIZE,
  samplesOf,
  scratch,
} from "./latent-models.test-support.ts";

/** A test here starts up to seven processes, which a busy machine does not do in the usual minute. */
const SEVERAL = { timeout: 240_000 };

describe("encode", SEVERAL, () => {
  test(
    "a folder as .npy, .csv and .json: the same numbers, and --latent reads all three as --like sees the " + "images",
    async () => {
      const done = await Promise.all(
        ["npy", "csv", "json"].map((ending) =>
          json("encode", "latents", "people", "-o", `codes.${ending}`, "--threads", "1"),
        ),
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
    },
  );

  test(
    "an embedder and a model conditioned on its embeddings give the same, of length one, whatever the " + "threads",
    async () => {
      await Promise.all([
        json("encode", "faces", "people", "-o", "faces.npy", "--threads", "1"),
        json("encode", "portraits", "people", "-o", "portraits.npy", "--threads", "2"),
      ]);
      expect(bytes("portraits.npy")).toEqual(bytes("faces.npy"));
      const { data } = readNpy(bytes("faces.npy"), "faces.npy");
      for (let i = 0; i < 5; i++)
        expect(Math.hypot(...(data as Float32Array).subarray(4 * i, 4 * i + 4))).toBeCloseTo(1, 5);
    },
  );

  test("files and some of a set, one after another; a limit; a split", async () => {
    await json("encode", "latents", A, B, "people:all:3-4", "people/ben", "-o", "some.json", "--threads", "1");
    const names = (file: string): string[] =>
      JSON.parse(bytes(file).toString()).codes.map((row: { name: string }) => row.name);
    expect(names("some.json")).toEqual([A, B, "ben/4.png", "ben/5.png", '"3".png', "4.png", "5.png"]);
    await json("encode", "latents", A, B, "people", "-o", "few.json", "--limit", "3", "--threads", "1");
    expect(names("few.json")).toEqual([A, B, "anna/1.png"]);
    expect(
      await json("encode", "latents", "people", "-o", "test.csv", "--split", "test", "--threads", "1"),
    ).toMatchObject({
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
      ...{
        code: 0,
        model: "latents",
        step: 3,
        baseline: "blurred",
        out: "rows.png",
        count: 3,
        seed: 5,
        temperature: 1,
      },
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
    const { stdout } = await pixelcnn(["reconstruct", "blurred", A, "-o", "blurred.png", "--scale", "1"], {
      cwd: scratch,
    });
    expect(stdout).toMatch(
      /^1 image in [\d.]+ s: blurred\.png\ncolumns: the image, squared error \(blurred\)\nsquared error [\d.]+ an image \(x in -1 \.\. 1\)\n$/,
    );
    expect(cellsOf("blurred.png", 1, 2)).toEqual([
      [greys(levelsOf(0)), ...(await blurredOf(await codesOf("blurred", 0))).greys],
    ]);
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
  const between = (a: Float32Array, b: Float32Array, t: number): Float32Array =>
    a.map((x, i) => (1 - t) * x + t * b[i]!);

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
    const words = [
      "interpolate",
      "classes",
      "--from",
      "cat",
      "--to",
      "C++",
      "--steps",
      "3",
      "-o",
      "classes.png",
      "--scale",
      "1",
    ];
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
