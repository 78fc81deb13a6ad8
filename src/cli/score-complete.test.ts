/** `score`, and what `complete` keeps: through the front door, with small random models. */

import { readFileSync } from "node:fs";
import { decode } from "fast-png";
import { describe, expect, test } from "vitest";
import { at, json, noise, png, scratch } from "./codec-models.test-support.ts";
import { pixelcnn } from "./command-line.test-support.ts";

describe("score", () => {
  test("writes a table in the data's order, whose names are quoted where they must be", async () => {
    png('odd names/a, "b".png', 8, 6, 1, (p) => (p % 2) * 255);
    png("odd names/z.png", 20, 3, 1, noise(11));
    const { code, stdout, stderr } = await pixelcnn(["score", "binary", "odd names", "odd/dot.png", "--csv", "t.csv"], {
      cwd: scratch,
    });
    expect([code, stderr]).toEqual([
      0,
      expect.stringContaining(
        "1 image of more than 2 values: scored after taking them to two levels by a threshold at 127",
      ),
    ]);
    expect(stdout).toMatch(
      /^[\d.]+ bits an image, [\d.]+ bits\/dim: 3 images in .*\nmost surprising\n.*\nleast surprising\n.*\ntable: t.csv\n$/,
    );
    const rows = readFileSync(at("t.csv"), "utf8").trimEnd().split("\n");
    expect(rows[0]).toBe("file,bits,bits/dim");
    expect(rows.slice(1).map((row) => row.replace(/,[\d.e-]+,[\d.e-]+$/, ""))).toEqual([
      '"odd names/a, ""b"".png"',
      "odd names/z.png",
      "odd/dot.png",
    ]);
    const [bits, bitsPerDim] = rows[2]!.split(",").slice(1).map(Number);
    expect(bits! / 60).toBeCloseTo(bitsPerDim!, 12);
  });

  test("does not depend on threads, and prints sub-pixels only as JSON", async () => {
    png("mixed/colour.png", 9, 4, 3, noise(1));
    png("mixed/grey.png", 7, 5, 1, noise(2));
    const one = await json("score", "colour", "mixed/colour.png", "mixed/grey.png", "--pixels");
    const two = await json("score", "colour", "mixed/colour.png", "mixed/grey.png", "--pixels", "--threads", "2");
    expect(two.each).toEqual(one.each);
    expect(one.each.map(({ pixels }) => pixels.length)).toEqual([9 * 4 * 3, 7 * 5 * 3]);
    const wrong = await pixelcnn(["score", "colour", "mixed/colour.png", "--pixels"], { cwd: scratch });
    expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining("expected --json with --pixels")]);
    const lost = await json("score", "grey", "mixed/colour.png");
    expect(lost.error).toMatchObject({ kind: "data", message: expect.stringContaining("since the model codes grey") });
  });

  test("draws each image beside its bits", async () => {
    const { heatmap } = await json("score", "binary", "mnist:test:0-5", "--heatmap", "heat.png", "--scale", "2");
    expect(heatmap).toMatchObject({ file: "heat.png", images: 6, darkest: expect.any(Number) });
    const { width, height, channels } = decode(readFileSync(at("heat.png")));
    // Two pairs a row, three rows; 56 pixels a cell, gutters of 2.
    expect([width, height, channels]).toEqual([4 * 58 + 2, 3 * 58 + 2, 3]);
  });
});

describe("a completion keeps the given pixels to the bit", () => {
  const givenOf = async (words: string[], given: (x: number, y: number) => boolean): Promise<void> => {
    png("given.png", 8, 6, 1, noise(12));
    const { code } = await json(
      "complete",
      "grey",
      "given.png",
      "-n",
      "3",
      "--scale",
      "1",
      "-o",
      "filled.png",
      "--force",
      ...words,
    );
    expect(code).toBe(0);
    const { data, width, channels } = decode(readFileSync(at("filled.png")));
    const source = decode(readFileSync(at("given.png"))).data;
    let drawn = 0;
    for (let cell = 2; cell < 5; cell++) {
      for (let y = 0; y < 6; y++) {
        for (let x = 0; x < 8; x++) {
          const found = data[((2 + y) * width + 2 + cell * 10 + x) * channels]!;
          if (given(x, y)) expect(found).toBe(source[y * 8 + x]);
          else if (found !== source[y * 8 + x]) drawn++;
        }
      }
    }
    expect(drawn).toBeGreaterThan(20);
  };

  test("of rows", () => givenOf(["--rows", "3"], (_x, y) => y < 3));
  test("of any mask", async () => {
    const white = (x: number, y: number): boolean => (x * 5 + y * 3) % 7 < 3;
    await givenOf(["--mask", png("mask.png", 8, 6, 1, (p) => (white(p % 8, p >> 3) ? 255 : 0))], white);
  });
});
