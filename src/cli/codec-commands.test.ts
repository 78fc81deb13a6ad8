/** `compress` and `decompress`: through the front door, with small random models. */

import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { decode } from "fast-png";
import sharp from "sharp";
import { describe, expect, test } from "vitest";
import { encodeImages } from "../codec/codec.ts";
import { openPxc } from "../codec/container.ts";
import { hex } from "../codec/digest.ts";
import { enginePredictor } from "../codec/engine-predictor.ts";
import { createEngine } from "../exact/engine.ts";
import { at, binary, json, noise, pixelsOf, png, scratch } from "./codec-models.test-support.ts";
import { pixelcnn } from "./command-line.test-support.ts";

const ODD = ["deep/plain.png", "deep/wide.png", "dot.png", "flat.png", "plain 2.png"];

describe("images come back with the pixels that they had", () => {
  test("a folder of two-valued images of any size, whatever the values, on one thread and on two", async () => {
    const done = await json("compress", "binary", "odd", "-o", "odd.pxc", "--group", "1", "--threads", "2");
    const bytes = readFileSync(at("odd.pxc"));
    const dims = 1 + 201 * 37 + 45 + 48 + 48;
    expect(done).toMatchObject({ code: 0, images: 5, bytes: bytes.length, dims, lossy: false, restored: 2 });
    expect(done.bitsPerDim).toBe((8 * bytes.length) / dims);
    expect(done.stderr).toContain("2 images of other values than 0, 255: the archive's notes keep them");

    const alone = await pixelcnn(["compress", "binary", "odd", "-o", "alone.pxc", "--group", "1"], { cwd: scratch });
    expect(alone.stdout).toContain(
      `${bytes.length} bytes, ${((8 * bytes.length) / dims).toFixed(4)} bits/dim (8 x file size / ${dims} dims)`,
    );
    expect(hex(readFileSync(at("alone.pxc")))).toBe(hex(bytes));

    // The archive names the model's folder, which lies below the working directory.
    const back = await json("decompress", "odd.pxc", "-o", "odd-back", "--threads", "2");
    expect(back).toMatchObject({ code: 0, images: 5, model: "binary", files: ODD.map((file) => ({ file })) });
    for (const file of ODD) expect(await pixelsOf(at("odd-back", file))).toEqual(await pixelsOf(at("odd", file)));
    expect(existsSync(at("odd-back/labels.csv"))).toBe(false);

    const listed = await json("decompress", "odd.pxc", "--list");
    expect(listed.images).toEqual(ODD.map((name) => expect.objectContaining({ name })));
  });

  test("colour, grey, palettes and opaque alpha with a colour model; grey comes back as grey", async () => {
    png("mixed/colour.png", 9, 4, 3, noise(1));
    png("mixed/grey.png", 7, 5, 1, noise(2));
    png("mixed/opaque.png", 3, 3, 4, (p) => (p % 4 === 3 ? 255 : p * 5));
    await sharp(png("palette.png", 6, 6, 3, (p) => (p % 4) * 80))
      .png({ palette: true })
      .toFile(at("mixed/palette.png"));
    expect(await json("compress", "colour", "mixed", "-o", "mixed.pxc")).toMatchObject({ code: 0, images: 4 });
    await json("decompress", "mixed.pxc", "-o", "mixed-back");
    for (const file of readdirSync(at("mixed")))
      expect(await pixelsOf(at("mixed-back", file))).toEqual(await pixelsOf(at("mixed", file)));
    expect(decode(readFileSync(at("mixed-back/grey.png"))).channels).toBe(1);
  });

  test("transparency with the colours under it, and grey, with a model of alpha", async () => {
    png("veil/veil.png", 9, 4, 4, (p) => (p % 4 === 3 && p % 8 === 3 ? 0 : noise(p)(p)));
    png("veil/grey.png", 4, 9, 2, noise(4));
    png("veil/opaque.png", 2, 2, 1, noise(5));
    expect(await json("compress", "alpha", "veil", "veil/veil.png", "-o", "veil.pxc")).toMatchObject({
      code: 0,
      images: 4,
    });
    await json("decompress", "veil.pxc", "-o", "veil-back", "--model", at("alpha"));
    for (const file of readdirSync(at("veil")))
      expect(await pixelsOf(at("veil-back/veil", file))).toEqual(await pixelsOf(at("veil", file)));
    expect(await pixelsOf(at("veil-back/veil.png"))).toEqual(await pixelsOf(at("veil/veil.png")));
  });

  test("some of a named set, with names, labels and classes", async () => {
    expect(await json("compress", "grey", "mnist:test:5-8,0", "-o", "set.pxc")).toMatchObject({
      code: 0,
      images: 5,
      lossy: false,
    });
    await json("decompress", "set.pxc", "-o", "set-back");
    const rows = [5, 6, 7, 8, 0].map((index, i) => {
      const label = [1, 4, 9, 5, 7][i];
      return `mnist/test/${index}.png,${label},${label}\n`;
    });
    expect(readFileSync(at("set-back/labels.csv"), "utf8")).toBe(`file,label,class\n${rows.join("")}`);
    const { width, height, channels } = decode(readFileSync(at("set-back/mnist/test/7.png")));
    expect([width, height, channels]).toEqual([28, 28, 1]);
    const bare = await json("compress", "grey", "mnist:test:5-8,0", "-o", "bare.pxc", "--bare");
    expect(bare.bytes).toBeLessThan(statSync(at("set.pxc")).size);
    // The set's images as PNG files are the set's images.
    const again = await json("compress", "grey", "set-back/mnist/test/5.png", "-o", "5.pxc");
    const first = await json("compress", "grey", "mnist:test:5", "-o", "5b.pxc");
    expect(again.payload).toBe(first.payload);
  });

  test("files of one image each", async () => {
    const one = await json("compress", "binary", "odd/plain 2.png", "--single", "-o", "plain.pxc");
    expect(one).toMatchObject({ code: 0, images: 1, bytes: statSync(at("plain.pxc")).size });
    const many = await json(
      "compress",
      "binary",
      "odd/plain 2.png",
      "odd/dot.png",
      "odd/deep/plain.png",
      "--single",
      "-o",
      "singles",
    );
    const files = readdirSync(at("singles"));
    expect(files).toEqual(["dot.pxc", "plain 2.pxc", "plain.pxc"]);
    expect(many.bytes).toBe(files.reduce((sum, file) => sum + statSync(at("singles", file)).size, 0));
    expect(await json("decompress", "singles/plain 2.pxc", "-o", "single-back", "--model", "binary")).toMatchObject({
      code: 0,
    });
    expect(await pixelsOf(at("single-back/plain 2.png"))).toEqual(await pixelsOf(at("odd/plain 2.png")));
    const refused = await json("compress", "binary", "odd/flat.png", "--single", "-o", "flat.pxc");
    expect(refused.error).toMatchObject({ kind: "data", message: expect.stringContaining("no room to say which") });
  });
});

describe("what would not come back is refused", () => {
  const cases: [string, () => string[], string][] = [
    [
      "more values than levels",
      () => ["binary", png("many.png", 6, 6, 1, noise(6))],
      "many.png, since the model codes 2 levels, but received more: --lossy-levels gives them up (the nearest levels " +
        "come back, not the image as it is); of data, --as-trained takes them as the model's own were made",
    ],
    [
      "colour with a grey model",
      () => ["grey", png("red.png", 6, 6, 3, noise(7))],
      "expected an image without colour for",
    ],
    [
      "transparency with a colour model",
      () => ["colour", png("clear.png", 6, 6, 4, noise(8))],
      "expected an image without transparency for",
    ],
    ["16 bits", () => ["grey", png("deep.png", 6, 6, 1, noise(9), 16)], "but received 16 bits a channel"],
    [
      "a data set of more values than levels",
      () => ["binary", "mnist:test:0"],
      "expected at most 2 different values in mnist/test/0",
    ],
    ["a missing image", () => ["binary", "none.png"], 'but received "none.png", and there is no such file'],
    [
      "a file that is no picture",
      () => ["binary", "text.png"],
      "expected an image that can be decoded for text.png but received text",
    ],
    [
      "a set whose greys the model has never seen, unless it is said",
      () => ["thresholded", "mnist:test:0"],
      "--as-trained takes them as the model's own were made",
    ],
  ];
  test.each(cases)("%s", async (_what, words, message) => {
    const { code, error } = await json("compress", ...words(), "-o", "refused.pxc");
    expect(code).toBe(1);
    expect(error.message).toContain(message);
    expect(existsSync(at("refused.pxc"))).toBe(false);
  });

  test("unless the user gives levels up, or the model's own data were made so; both say so", async () => {
    const lossy = await json("compress", "binary", "mnist:test:0-2", "-o", "lossy.pxc", "--lossy-levels");
    expect(lossy).toMatchObject({ code: 0, lossy: true, quantised: 3 });
    expect(lossy.stderr).toContain("NOT lossless, they are taken to a threshold at 127");
    const back = await json("decompress", "lossy.pxc", "-o", "lossy-back");
    expect(back.stderr).toContain("they come back as the nearest levels");
    const made = await json("compress", "thresholded", "mnist:test:0-2", "-o", "made.pxc", "--as-trained");
    expect(made).toMatchObject({ code: 0, lossy: false });
    expect(made.stderr).toContain("taken as the model's own data were, with two levels, 1 above 127");
    await json("decompress", "made.pxc", "-o", "made-back");
    for (const i of [0, 1, 2])
      expect(await pixelsOf(at(`made-back/mnist/test/${i}.png`))).toEqual(
        await pixelsOf(at(`lossy-back/mnist/test/${i}.png`)),
      );
  });
});

test("the payload is the score, to 2e-5 and 4 bits an image, for images that the model itself drew", async () => {
  const engine = createEngine(binary);
  const { pixels } = await engine.sample({ count: 12, height: 24, width: 31, seed: 3 });
  const [size, files] = [24 * 31, Array.from({ length: 12 }, (_, i) => `drawn/${i}.png`)];
  for (const [i, file] of files.entries()) png(file, 31, 24, 1, (p) => pixels[i * size + p]! * 255);
  const score = await json("score", "binary", ...files, "--pixels");
  const { each } = score;
  expect(each.map(({ file }) => file)).toEqual(files);
  const bits = each.reduce((sum, image) => sum + image.bits, 0);
  expect(each[3]!.pixels.reduce((a, b) => a + b, 0)).toBeCloseTo(each[3]!.bits, 9);
  expect([...(await engine.score({ images: { height: 24, width: 31, pixels } }))]).toEqual(
    each.flatMap((image) => image.pixels),
  );
  const archive = await json("compress", "binary", ...files, "-o", "drawn.pxc");
  expect(Math.abs(8 * archive.payload - bits)).toBeLessThanOrEqual(2e-5 * bits + 4 * 12);
  const singles = await json("compress", "binary", ...files, "-o", "drawn-singles", "--single");
  expect(Math.abs(8 * singles.payload - bits)).toBeLessThanOrEqual(2e-5 * bits + 4 * 12 + 8 * 12);
});

describe("archives that are damaged, hostile or of another model", () => {
  test("--salvage writes what is whole, names what is lost, and exits with 1", async () => {
    await json("compress", "binary", "mnist:test:0-6", "-o", "seven.pxc", "--lossy-levels", "--group", "2");
    const bytes = readFileSync(at("seven.pxc"));
    const file = openPxc(bytes);
    if (file.kind !== "archive") throw new Error("expected an archive");
    bytes[file.groups[1]!.offset + 20]! ^= 16;
    writeFileSync(at("damaged.pxc"), bytes);
    const strict = await json("decompress", "damaged.pxc", "-o", "strict");
    expect(strict.code).toBe(1);
    expect(strict.error).toMatchObject({
      kind: "corrupt",
      message: expect.stringMatching(/group 1 .*CRC-32.*\n2 images before it/),
    });
    const { code, images, lost } = await json("decompress", "damaged.pxc", "-o", "saved", "--salvage");
    expect([code, images]).toEqual([1, 5]);
    expect(lost).toEqual([expect.objectContaining({ first: 2, last: 3, names: ["mnist/test/2", "mnist/test/3"] })]);
    expect(readdirSync(at("saved/mnist/test"))).toEqual(["0.png", "1.png", "4.png", "5.png", "6.png"]);
    const text = await pixelcnn(["decompress", "damaged.pxc", "-o", "saved", "--salvage", "--force"], { cwd: scratch });
    expect(text.stdout).toMatch(
      /^5 images saved .*\n7 names end in .png now, since the files are PNG\nlost: images 2 to 3: .*\n {2}mnist\/test\/2\n {2}mnist\/test\/3\n$/,
    );
    expect(await json("decompress", "seven.pxc", "-o", "whole", "--salvage")).toMatchObject({
      code: 0,
      images: 7,
      lost: [],
    });
  });

  test("without header or directory, a given model and the images' own numbers do", async () => {
    const bytes = readFileSync(at("seven.pxc"));
    writeFileSync(
      at("headless.pxc"),
      bytes.map((byte, i) => (i === 20 ? byte ^ 1 : byte)),
    );
    const lost = await json("decompress", "headless.pxc", "-o", "x", "--salvage");
    expect(lost.error).toMatchObject({ kind: "corrupt", message: expect.stringContaining("say which with --model M") });
    const headless = await json("decompress", "headless.pxc", "-o", "headless", "--salvage", "--model", "binary");
    expect(headless).toMatchObject({ code: 1, images: 7 });
    expect(headless.stderr).toContain("what values the levels stood for is lost");
    writeFileSync(at("cut.pxc"), bytes.subarray(0, bytes.length - 5));
    expect(await json("decompress", "cut.pxc", "-o", "cut", "--salvage")).toMatchObject({ code: 1, images: 7 });
    expect(readdirSync(at("cut/mnist/test"))).toHaveLength(7);
  });

  test("a wrong model, and none, say which is wanted", async () => {
    const { header } = openPxc(readFileSync(at("seven.pxc"))) as { header: { digest: Uint8Array } };
    const wrong = await json("decompress", "seven.pxc", "-o", "x", "--model", "grey");
    expect(wrong.error.message).toMatch(
      new RegExp(
        `^expected the model with the digest ${hex(header.digest)}, named "binary" when seven.pxc was made, which ` +
          "coded seven.pxc, but received grey, whose digest is [0-9a-f]{64}$",
      ),
    );
    mkdirSync(at("away/below"), { recursive: true });
    writeFileSync(at("away/below/seven.pxc"), readFileSync(at("seven.pxc")));
    const { code, stderr } = await pixelcnn(["decompress", at("away/below/seven.pxc"), "-o", "x"], { cwd: at("away") });
    expect([code, stderr]).toEqual([1, expect.stringContaining("say where it is with --model M")]);
  });

  test("no archive writes outside of its folder, over a file, or escapes to the terminal", async () => {
    const predictor = await enginePredictor(binary);
    const image = (name: string, label: number) => ({
      height: 2,
      width: 2,
      pixels: Uint8Array.of(0, 1, 1, 0),
      name,
      label,
    });
    const names = [
      "../../evil.png",
      "/etc/evil",
      "C:\\evil",
      "a/../../b.png",
      "a.jpg",
      "a.png",
      "\u001b[2Jred",
      "labels.csv",
      "CON",
    ];
    const notes = JSON.stringify({ format: 1, model: "../../secret\u001b[2J", classes: ["\u001b[31mzero"] });
    writeFileSync(
      at("hostile.pxc"),
      await encodeImages(
        predictor,
        names.map((name) => image(name, 0)),
        { notes },
      ),
    );
    const before = readdirSync(scratch).sort();
    const { code, files } = await json("decompress", "hostile.pxc", "-o", "hostile/inside", "--model", "binary");
    expect([code, files.length]).toEqual([0, names.length]);
    expect(readdirSync(scratch).sort()).toEqual([...before, "hostile"].sort());
    expect(readdirSync(at("hostile"))).toEqual(["inside"]);
    const listed = await pixelcnn(["decompress", "hostile.pxc", "--list"], { cwd: scratch });
    const refused = await pixelcnn(["decompress", "hostile.pxc", "-o", "x"], { cwd: scratch });
    for (const { stdout, stderr } of [listed, refused]) expect(stdout + stderr).not.toContain("\u001b");
    expect(refused.stderr).toContain("say where it is with --model M");
    expect(refused.stderr).not.toMatch(/none of these is it: .*secret/);
    writeFileSync(at("junk.pxc"), "not an archive");
    const junk = await json("decompress", "junk.pxc", "-o", "x");
    expect(junk.error).toMatchObject({
      kind: "corrupt",
      message: expect.stringMatching(/^junk.pxc: byte 0: .*not a .pxc file/),
    });
    await predictor.close();
  });

  test("files that exist are replaced only with --force", async () => {
    await json("decompress", "seven.pxc", "-o", "twice");
    writeFileSync(at("twice/mnist/test/4.png"), "mine");
    const refused = await json("decompress", "seven.pxc", "-o", "twice");
    expect(refused.error).toMatchObject({
      kind: "io",
      message: expect.stringMatching(/mnist\/test\/0.png and 7 more exist already; --force replaces them/),
    });
    expect(readFileSync(at("twice/mnist/test/4.png"), "utf8")).toBe("mine");
    expect(await json("decompress", "seven.pxc", "-o", "twice", "--force")).toMatchObject({ code: 0 });
    expect(await pixelsOf(at("twice/mnist/test/4.png"))).toMatchObject({ width: 28, height: 28 });
  });
});
