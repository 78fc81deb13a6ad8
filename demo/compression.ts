/**
 * The demo's last stage: the whole test set through the codec and back, with the model that was just trained, beside
 * what others make of the same pixels: one file an image (PNG and lossless WebP by sharp, from the first 500 images)
 * and one sheet of all images (WebP, and JPEG XL where cjxl is installed).
 */

import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { decodeArchive, encodeImages, enginePredictor, openData, openGroupThreads, openModel } from "../src/node.ts";

const folder = process.argv[2];
if (!folder) throw new Error("expected the folder of a run");
const model = await openModel(folder);
const { source, ...options } = model.run.data;
const test = await openData(source, { ...options, split: "test" });
const { height, width, channels, levels } = test;
if (channels !== 1) throw new Error("expected grey images");
const size = height * width;
const { pixels } = await test.batch(Array.from({ length: test.length }, (_, i) => i));
const images = Array.from({ length: test.length }, (_, i) => ({
  height,
  width,
  pixels: pixels.subarray(i * size, (i + 1) * size),
}));

const predictor = await enginePredictor(model);
const threads = openGroupThreads(model, predictor, { count: availableParallelism() });
const timed = async <T>(work: () => Promise<T>): Promise<[T, number]> => {
  const started = performance.now();
  return [await work(), (performance.now() - started) / 1000];
};
const [archive, encoding] = await timed(() => encodeImages(predictor, images, { threads }));
const [back, decoding] = await timed(() => decodeArchive(predictor, archive, { threads }));
await threads.close();
const same =
  back.length === images.length && back.every((image, i) => Buffer.compare(image.pixels, images[i]!.pixels) === 0);
if (!same) throw new Error("expected the test set back, but it differs: this is a bug");

// Levels spread over 0 .. 255, as a picture would hold them.
const grey = Uint8Array.from(pixels, (v) => Math.round((v * 255) / (levels - 1)));
const picture = (data: Uint8Array, rows: number) => sharp(data, { raw: { width, height: rows, channels: 1 } });
/** The smallest of what sharp can write; without the grey colourspace it would store three channels. */
async function png(data: Uint8Array, rows: number): Promise<Buffer> {
  const grey = picture(data, rows).toColourspace("b-w");
  const options = [{}, { adaptiveFiltering: true }, ...(levels <= 16 ? [{ palette: true, colours: levels }] : [])];
  const made = await Promise.all(
    options.map((o) =>
      grey
        .clone()
        .png({ compressionLevel: 9, ...o })
        .toBuffer(),
    ),
  );
  return made.reduce((least, next) => (next.length < least.length ? next : least));
}
const webp = (data: Uint8Array, rows: number) => picture(data, rows).webp({ lossless: true, effort: 6 }).toBuffer();

const few = Math.min(500, images.length);
const eachOf = async (make: typeof png): Promise<number> => {
  let bytes = 0;
  for (let i = 0; i < few; i++) bytes += (await make(grey.subarray(i * size, (i + 1) * size), height)).length;
  return bytes / few;
};
// WebP ends at 16,383 rows: the sheet is several columns of images wide enough, here cut into sheets and summed.
const perSheet = Math.floor(16_000 / height);
let sheets = 0;
for (let i = 0; i < images.length; i += perSheet) {
  const part = grey.subarray(i * size, Math.min(images.length, i + perSheet) * size);
  sheets += (await webp(part, part.length / width)).length;
}

const dims = images.length * size;
const line = (what: string, bytesAnImage: number): void =>
  console.log(
    `   ${what.padEnd(46)} ${bytesAnImage.toFixed(1).padStart(7)} bytes an image  ` +
      `${((8 * bytesAnImage * images.length) / dims).toFixed(4)} bits/dim`,
  );
console.log(
  `   ${images.length} test images, ${levels} levels: encoded in ${encoding.toFixed(0)} s, decoded in ` +
    `${decoding.toFixed(0)} s, identical`,
);
line("pixelcnn, one archive", archive.length / images.length);
line("WebP, lossless, sheets of hundreds of images", sheets / images.length);
const scratch = mkdtempSync(join(tmpdir(), "pixelcnn-demo-"));
const pgm = join(scratch, "sheet.pgm");
const jxl = join(scratch, "sheet.jxl");
writeFileSync(pgm, Buffer.concat([Buffer.from(`P5\n${width} ${images.length * height}\n255\n`), grey]));
const made = spawnSync("cjxl", [pgm, jxl, "-d", "0", "-e", "7"], { stdio: "ignore" });
if (made.status === 0) line("JPEG XL (cjxl -d 0 -e 7), one sheet", statSync(jxl).size / images.length);
rmSync(scratch, { recursive: true, force: true });
line(`WebP, lossless, a file an image (first ${few})`, await eachOf(webp));
line(`PNG, a file an image (first ${few})`, await eachOf(png));
