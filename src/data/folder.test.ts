import { chmodSync, mkdirSync, readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { encode } from "fast-png";
import sharp from "sharp";
import { expect, test } from "vitest";
import { checkDataset } from "../../test/data/check-dataset.ts";
import { temporaryFolder } from "../../test/data/temporary-folder.ts";
import type { CachedDataset, ImageOptions } from "./encoded-images.ts";
import { folderSource } from "./folder.ts";
import { openData, openSplits } from "./open.ts";

const { path, write } = temporaryFolder();
const options: ImageOptions = { fit: "resize", channels: "auto", onBroken: "error", cacheBytes: 2 ** 20 };

function png(
  height: number,
  width: number,
  channels: 1 | 2 | 3 | 4,
  value: (i: number) => number = (i) => (i * 29) % 256,
): Uint8Array {
  return encode({
    height,
    width,
    channels,
    depth: 8,
    data: Uint8Array.from({ length: height * width * channels }, (_, i) => value(i)),
  });
}
const red = { create: { width: 6, height: 4, channels: 3, background: { r: 200, g: 30, b: 40 } } } as const;
const first = async (name: string, more: object = {}): Promise<number[]> => [
  ...(await (await openData(join(path, name), { split: "all", ...more })).batch([0])).pixels,
];

test("subfolders are classes, paths give the order, and the split is by seed", async () => {
  for (let i = 0; i < 10; i++) {
    write(
      `classes/dog/${i}.png`,
      png(3, 4, 1, () => i),
    );
    write(
      `classes/cat/deep/${i}.png`,
      png(3, 4, 1, () => 100 + i),
    );
  }
  write("classes/loose.png", png(3, 4, 1));
  write("classes/notes.txt", "not an image");
  write("classes/.hidden.png", "not an image");
  write("classes/Äpfel/ö 日本.png", png(3, 4, 1));
  const all = await openData(`${path}/classes`, { split: "all" });
  expect(all.classes).toEqual(["cat", "dog", "Äpfel"]);
  expect([all.length, all.height, all.width, all.channels]).toEqual([22, 3, 4, 1]);
  expect([all.nameOf(0), all.nameOf(10), all.nameOf(20), all.nameOf(21)]).toEqual([
    "cat/deep/0.png",
    "dog/0.png",
    "loose.png",
    "Äpfel/ö 日本.png",
  ]);
  const { pixels, labels } = await all.batch([3, 13, 20, 21]);
  expect([...labels]).toEqual([0, 1, -1, 2]);
  expect([pixels[0], pixels[12]]).toEqual([103, 3]);
  await checkDataset(all);
  const { train, test: tests } = await openSplits(`${path}/classes`);
  expect([train.length, tests.length]).toEqual([19, 3]);
  await checkDataset(train);
  await checkDataset(tests);
});

test("train and test folders are the splits and share their classes", async () => {
  write("splits/train/b/1.png", png(2, 2, 1));
  write("splits/train/c/1.png", png(2, 2, 1));
  write("splits/test/a/1.png", png(2, 2, 3));
  write("splits/other/1.png", png(9, 9, 1));
  const warnings: string[] = [];
  const { train, test: tests } = await openSplits(`${path}/splits`, { onWarning: (text) => warnings.push(text) });
  expect(train.classes).toEqual(["a", "b", "c"]);
  expect([train.length, train.channels, train.split, tests.length, tests.channels, tests.split]).toEqual([
    2,
    3,
    "train",
    1,
    3,
    "test",
  ]);
  expect([...(await train.batch([0, 1])).labels, ...(await tests.batch([0])).labels]).toEqual([1, 2, 0]);
  expect(tests.nameOf(0)).toBe("test/a/1.png");
  expect(warnings).toEqual([`1 image of ${path}/splits beside train and test are left out: other`]);
});

test("images of different sizes are refused by name, and fitted when asked", async () => {
  write(
    "sizes/a.png",
    png(8, 8, 1, () => 50),
  );
  write(
    "sizes/b/c.png",
    png(4, 8, 1, () => 50),
  );
  write(
    "sizes/b/d.png",
    png(8, 4, 1, () => 50),
  );
  await expect(openData(`${path}/sizes`)).rejects.toThrow(
    `expected images of one size (height x width) in ${path}/sizes but received 8x8 for a.png and 4x8 for b/c.png ` +
      "(2 of 3 differ from the first); " +
      "give height and width, with fit resize (stretch), crop (cut the middle out) or contain (pad)",
  );
  for (const fit of ["resize", "crop"] as const) {
    const dataset = await openData(`${path}/sizes`, { split: "all", height: 4, width: 4, fit });
    await checkDataset(dataset);
    expect((await dataset.batch([0, 1, 2])).pixels.every((v) => v === 50)).toBe(true);
  }
  const padded = await openData(`${path}/sizes`, { split: "all", height: 4, width: 4, fit: "contain" });
  const { pixels } = await padded.batch([1]);
  expect([...pixels]).toEqual([0, 0, 0, 0, 50, 50, 50, 50, 50, 50, 50, 50, 0, 0, 0, 0]);
});

test("an image of the wanted size is not resampled", async () => {
  write("same/a.png", png(5, 7, 3));
  const exact = Array.from({ length: 105 }, (_, i) => (i * 29) % 256);
  expect(await first("same")).toEqual(exact);
  for (const fit of ["resize", "crop", "contain"])
    expect(await first("same", { height: 5, width: 7, fit })).toEqual(exact);
});

test("auto channels follow what the pixels use, not what the file declares", async () => {
  write(
    "grey-as-rgb/a.png",
    png(2, 2, 3, (i) => Math.floor(i / 3)),
  );
  write(
    "grey-as-rgb/b.png",
    png(2, 2, 4, (i) => (i % 4 === 3 ? 255 : 7)),
  );
  write("colour/a.png", png(2, 2, 1));
  write("colour/b.png", png(2, 2, 3));
  write("alpha/a.png", png(2, 2, 1));
  write("alpha/b.png", png(2, 2, 2));
  const channelsOf = async (name: string): Promise<number> => (await openData(join(path, name))).channels;
  expect([await channelsOf("grey-as-rgb"), await channelsOf("colour"), await channelsOf("alpha")]).toEqual([1, 3, 4]);
  expect(await first("alpha")).toEqual([0, 0, 0, 255, 29, 29, 29, 255, 58, 58, 58, 255, 87, 87, 87, 255]);
  for (const channels of [1, 3, 4] as const) {
    const dataset = await openData(join(path, "colour"), { channels, split: "all" });
    expect(dataset.channels).toBe(channels);
    await checkDataset(dataset);
  }
});

test("beyond the files looked at, colour that auto channels would lose is an error", async () => {
  for (let i = 0; i < 400; i++)
    write(
      `many/${String(i).padStart(3, "0")}.png`,
      png(1, 1, 3, () => 9),
    );
  write("many/002.png", png(1, 1, 3));
  const dataset = await openData(`${path}/many`, { split: "all" });
  expect(dataset.channels).toBe(1);
  await expect(dataset.batch([2])).rejects.toThrow(
    `expected neither colour nor alpha in ${path}/many/002.png, as in the files looked at for channels "auto", but ` +
      "received colour; give channels 3 to keep it, or 1",
  );
});

test("every format and kind of pixel becomes 8-bit levels", async () => {
  for (const format of ["png", "webp", "gif", "tiff", "avif"] as const) {
    const lossless = {
      png: {},
      webp: { lossless: true },
      gif: {},
      tiff: { compression: "lzw" },
      avif: { lossless: true },
    }[format];
    write(`formats/${format}/a.${format}`, await sharp(red).toFormat(format, lossless).toBuffer());
    expect((await first(`formats/${format}`)).slice(0, 3), format).toEqual([200, 30, 40]);
  }
  write("formats/jpg/a.JPG", await sharp(red).jpeg({ quality: 100 }).toBuffer());
  for (const [i, v] of (await first("formats/jpg")).slice(0, 3).entries())
    expect(Math.abs(v - [200, 30, 40][i]!)).toBeLessThan(4);
  write("palette/a.png", await sharp(red).png({ palette: true }).toBuffer());
  expect((await first("palette")).slice(0, 6)).toEqual([200, 30, 40, 200, 30, 40]);
  write(
    "deep/a.png",
    encode({ height: 1, width: 3, channels: 1, depth: 16, data: new Uint16Array([0, 32768, 65535]) }),
  );
  expect(await first("deep")).toEqual([0, 128, 255]);
  write(
    "deep-colour/a.png",
    encode({ height: 1, width: 1, channels: 3, depth: 16, data: new Uint16Array([1000, 32768, 65535]) }),
  );
  expect(await first("deep-colour")).toEqual([3, 128, 255]);
  write("cmyk/a.jpg", await sharp(red).toColourspace("cmyk").jpeg({ quality: 100 }).toBuffer());
  const [r, g, b] = await first("cmyk");
  expect(r! > 150 && g! < 90 && b! < 90).toBe(true);
  write("pgm/a.pgm", Buffer.concat([Buffer.from("P5 2 1 255\n"), Buffer.from([3, 4])]));
  write("pgm/b.ppm", Buffer.concat([Buffer.from("P6 2 1 255\n"), Buffer.from([5, 5, 5, 6, 6, 6])]));
  expect((await openData(`${path}/pgm`)).channels).toBe(1);
  expect(await first("pgm")).toEqual([3, 4]);
  expect(await first("pgm", { height: 2, width: 4 })).toHaveLength(8);
});

test("a photograph is turned upright, and an animation shows its first frame", async () => {
  const halves = Uint8Array.from({ length: 4 * 2 * 3 }, (_, i) => (i % 12 < 6 ? 255 : 0));
  write(
    "exif/a.png",
    await sharp(halves, { raw: { width: 4, height: 2, channels: 3 } })
      .withMetadata({ orientation: 6 })
      .png()
      .toBuffer(),
  );
  const upright = await openData(`${path}/exif`, { split: "all" });
  expect([upright.height, upright.width]).toEqual([4, 2]);
  expect([...(await upright.batch([0])).pixels]).toEqual([255, 255, 255, 255, 0, 0, 0, 0]);
  const frames = Buffer.concat([Buffer.alloc(12, 250), Buffer.alloc(12, 10)]);
  write(
    "animation/a.gif",
    await sharp(frames, { raw: { width: 2, height: 4, channels: 3, pageHeight: 2 } })
      .gif()
      .toBuffer(),
  );
  expect(await first("animation")).toEqual([250, 250, 250, 250]);
});

test("a broken image is an error that names it, or is skipped with a warning", async () => {
  const whole = await sharp(Buffer.from(Array.from({ length: 3072 }, (_, i) => (i * i) % 251)), {
    raw: { width: 32, height: 32, channels: 3 },
  })
    .png()
    .toBuffer();
  write("broken/a.png", whole);
  write("broken/cut.png", whole.subarray(0, whole.length / 2));
  const one = await openData(`${path}/broken`, { split: "all", channels: 3 });
  expect(one.length).toBe(2);
  await expect(one.batch([1])).rejects.toThrow(
    `expected an image that can be decoded for ${path}/broken/cut.png but received`,
  );
  write("broken/empty.png", "");
  await expect(openData(`${path}/broken`)).rejects.toThrow(
    `expected an image for ${path}/broken/empty.png but received an empty file`,
  );
  write("broken/text.png", "hello");
  symlinkSync("nowhere.png", join(path, "broken/dangling.png"));
  await expect(openData(`${path}/broken`)).rejects.toMatchObject({ kind: "io" });
  const warnings: string[] = [];
  const rest = await openData(`${path}/broken`, {
    split: "all",
    onBroken: "skip",
    onWarning: (text) => warnings.push(text),
  });
  expect(rest.length).toBe(1);
  expect(rest.nameOf(0)).toBe("a.png");
  await checkDataset(rest);
  expect(warnings).toHaveLength(1);
  expect(warnings[0]).toMatch(
    /^skipped 4 of 5 images of .*\n.*cut\.png.*\n?.*dangling\.png.*\n.*empty\.png.*\n.*text\.png/s,
  );
  write("only-broken/a.png", "hello");
  await expect(openData(`${path}/only-broken`, { onBroken: "skip" })).rejects.toThrow(
    "expected at least one image that can be read",
  );
});

test("a folder without images says what it holds and what is read", async () => {
  mkdirSync(join(path, "empty"));
  await expect(openData(`${path}/empty`)).rejects.toThrow(
    `expected images in ${path}/empty but received an empty folder; the formats read are png, jpg, jpeg, webp, gif, ` +
      "tif, tiff, avif, pgm, ppm",
  );
  write("none/a.bmp", "BM");
  write("none/b.txt", "");
  await expect(openData(`${path}/none`)).rejects.toThrow("but received 2 other files, a.bmp for one");
  write("some/a.png", png(1, 1, 1));
  write("some/b.bmp", "BM");
  const warnings: string[] = [];
  await openData(`${path}/some`, { split: "all", onWarning: (text) => warnings.push(text) });
  expect(warnings).toEqual([
    `${path}/some: 1 file passed over: 1 images of other formats (b.bmp); the formats read are png, jpg, jpeg, webp, ` +
      "gif, tif, tiff, avif, pgm, ppm",
  ]);
});

test("a loop of links is refused, and a link to a folder elsewhere is followed", async () => {
  write("loop/a/1.png", png(1, 1, 1));
  symlinkSync("..", join(path, "loop/a/up"));
  await expect(openData(`${path}/loop`)).rejects.toThrow("a link back to");
  write("elsewhere/1.png", png(1, 1, 1));
  mkdirSync(join(path, "linked"));
  symlinkSync("../elsewhere", join(path, "linked/there"));
  const linked = await openData(`${path}/linked`, { split: "all" });
  expect([linked.nameOf(0), linked.classes]).toEqual(["there/1.png", ["there"]]);
  symlinkSync("self", join(path, "linked/self"));
  await expect(openData(`${path}/linked`)).rejects.toThrow("expected links without a loop");
});

test.skipIf(process.getuid?.() === 0)(
  "a file without permission is an error of kind io (skipped for root, who may read all)",
  async () => {
    chmodSync(write("locked/a.png", png(1, 1, 1)), 0);
    await expect(openData(`${path}/locked`)).rejects.toMatchObject({ kind: "io" });
  },
);

test("3,000 images stream through a cache of 1 MiB that stays within it", async () => {
  const files = Array.from({ length: 256 }, (_, v) => png(20, 20, 1, () => v));
  for (let i = 0; i < 3000; i++) write(`stream/${i}.png`, files[i % 256]!);
  const source = await folderSource(`${path}/stream`, { ...options, channels: 3, cacheBytes: 2 ** 20 });
  if (source.kind !== "whole") throw new Error("expected one pile");
  const dataset = (await source.open()) as CachedDataset;
  expect(dataset.cachedBytes).toBe(0);
  for (let start = 0; start < 3000; start += 100) {
    const indices = Array.from({ length: 100 }, (_, i) => start + i);
    const { pixels } = await dataset.batch(indices);
    for (const i of indices) expect(pixels[(i - start) * 1200]).toBe(Number.parseInt(dataset.nameOf(i), 10) % 256);
    expect(dataset.cachedBytes).toBeLessThanOrEqual(2 ** 20);
  }
  // Full: as many images of 20 x 20 x 3 as fit.
  expect(dataset.cachedBytes).toBe(Math.floor(2 ** 20 / 1200) * 1200);
}, 30_000);

test("what is in the cache is not read again", async () => {
  const file = write(
    "cached/a.png",
    png(2, 2, 1, () => 5),
  );
  const dataset = await openData(`${path}/cached`, { split: "all" });
  const before = await dataset.batch([0]);
  const other = png(2, 2, 1, () => 6);
  write("cached/a.png", other);
  expect(readFileSync(file)).toEqual(Buffer.from(other));
  expect(await dataset.batch([0])).toEqual(before);
});
