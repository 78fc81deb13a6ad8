/**
 * How small and how fast is the codec? A model's archive of a data set beside PNG, lossless WebP, JPEG XL and others, each as one file an image and as one
 * sheet of all images; speed on one and two threads, in groups of 64 and alone; the payload against the float64 score of the other engine.
 *   node bench/codec.ts <model> <data> [--limit N] [--files N] [--lossy-levels] [--peers-only | --no-peers]
 * <data> as for `pixelcnn compress` (mnist, mnist:test:0-999, a folder of one size). Everything is decoded and compared. cjxl, zopflipng, zpaq, xz: where installed.
 */

import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs, promisify } from "node:util";
import sharp, { type PngOptions, type Sharp } from "sharp";
import { openCodingModel } from "../src/cli/archive-model.ts";
import { nameRuns, writeNotes } from "../src/cli/archive-notes.ts";
import { openSourceImages, type SourceImage } from "../src/cli/source-images.ts";
import { type CodecImage, decodeArchive, type EncodeOptions, encodeImages, encodeSingle } from "../src/codec/codec.ts";
import { openPxc, readGroup, writeArchive } from "../src/codec/container.ts";
import { openGroupThreads } from "../src/codec/group-threads.ts";
import { packLevels } from "../src/codec/packed-levels.ts";
import { datasetFromArrays } from "../src/data/dataset.ts";
import { decodeNetpbm } from "../src/data/netpbm.ts";
import { likelihood } from "../src/likelihood.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    limit: { type: "string" },
    files: { type: "string", default: "200" },
    "lossy-levels": { type: "boolean", default: false },
    "peers-only": { type: "boolean", default: false },
    "no-peers": { type: "boolean", default: false },
  },
});
const [modelName, dataName] = positionals;
if (!modelName || !dataName) throw new Error("expected <model> <data>");
const lossy = values["lossy-levels"];

const model = await openCodingModel(modelName, 1);
const { predictor, config, parameters } = model;
const { channels, levels } = predictor;
const sources = await openSourceImages([dataName], config, {
  ...{ limit: values.limit === undefined ? undefined : Number(values.limit), ownLevels: lossy, strict: !lossy },
  terminal: { warn: console.error, note: console.error },
});
const images: SourceImage[] = [];
for await (const image of sources.read()) images.push(image);
await sources.close();
const { height, width } = images[0]!;
if (images.some((image) => image.height !== height || image.width !== width)) throw new Error("expected images of one size");
const perImage = height * width * channels;
const dims = images.length * perImage;
const bare: CodecImage[] = images.map(({ pixels }) => ({ height, width, pixels }));
const few = bare.slice(0, Number(values.files));
const step = `step ${model.step}`;
console.log(
  `${modelName} (${step}) on ${images.length} images of ${dataName}, ${height}x${width}x${channels}, ${levels} levels${lossy ? ", nearest levels" : ""}`,
);

const line = (what: string, ...cells: string[]): void =>
  console.log(`${what.padEnd(44)}${cells.map((cell) => cell.padStart(14)).join("")}`);
const perDim = (bytes: number, count: number): string => ((8 * bytes) / (count * perImage)).toFixed(4);

async function timed<T>(work: () => Promise<T>): Promise<[T, number]> {
  const started = performance.now();
  return [await work(), (performance.now() - started) / 1000];
}

function same(a: readonly { pixels: Uint8Array }[], b: readonly { pixels: Uint8Array }[]): void {
  const differs = a.length !== b.length || a.some(({ pixels }, i) => Buffer.compare(pixels, b[i]!.pixels) !== 0);
  if (differs) throw new Error("expected the images that went in but others came out");
}

function payloadOf(bytes: Uint8Array): { payload: number; stored: number } {
  const file = openPxc(bytes);
  if (file.kind !== "archive") throw new Error("expected an archive");
  const groups = file.groups.map((_, index) => readGroup(file, index));
  const stored = groups.flatMap((group) => group.stored).filter(Boolean).length;
  return { payload: groups.reduce((sum, group) => sum + group.payload.length, 0), stored };
}

async function ours(): Promise<void> {
  const pool = openGroupThreads({ config: config.model, parameters }, predictor, { count: 2 });
  const threads = [undefined, pool] as const;
  await encodeImages(predictor, few, { threads: pool }); // starts the threads
  line("", "encode", "decode", "images/s");
  const speed = async (
    what: string,
    given: readonly CodecImage[],
    options: EncodeOptions,
  ): Promise<{ bytes: Uint8Array; seconds: [number, number] }> => {
    const [bytes, encoding] = await timed(() => encodeImages(predictor, given, options));
    const [back, decoding] = await timed(() => decodeArchive(predictor, bytes, options));
    same(given, back);
    line(
      what,
      (given.length / encoding).toFixed(1),
      (given.length / decoding).toFixed(1),
      `${(encoding + decoding).toFixed(1)} s`,
    );
    return { bytes, seconds: [encoding, decoding] };
  };
  const one = await speed(`all ${bare.length}, groups of 64, one thread`, bare, { groupSize: 64 });
  const two = await speed(`all ${bare.length}, groups of 64, two threads`, bare, { groupSize: 64, threads: threads[1] });
  if (Buffer.compare(one.bytes, two.bytes) !== 0) throw new Error("expected the same bytes on two threads");
  const together = await speed(`the first ${few.length}, groups of 64, one thread`, few, { groupSize: 64 });
  const apart = await speed(`the first ${few.length}, one at a time, one thread`, few, { groupSize: 1 });
  const ratio = (a: number, b: number): string => `${(a / b).toFixed(2)}x`;
  console.log(
    `two threads over one: encode ${ratio(one.seconds[0], two.seconds[0])}, decode ${ratio(one.seconds[1], two.seconds[1])}; ` +
      `64 over one at a time: encode ${ratio(apart.seconds[0], together.seconds[0])}, decode ${ratio(apart.seconds[1], together.seconds[1])}; ` +
      `one at a time, encode over decode: ${ratio(apart.seconds[1], apart.seconds[0])}`,
  );
  const { payload, stored } = payloadOf(one.bytes);
  const pixels = new Uint8Array(dims);
  for (const [i, image] of bare.entries()) pixels.set(image.pixels, i * perImage);
  const [score, scoring] = await timed(() =>
    likelihood(
      config.model,
      parameters,
      datasetFromArrays({ name: dataName!, split: "test", height, width, channels, levels, classes: null }, pixels),
    ),
  );
  const bits = (score.nats * images.length) / Math.LN2;
  const over = (a: number, b: number): string =>
    `${((a - b) / images.length).toFixed(3)} bits an image, ${((a - b) / b).toExponential(1)} of it`;
  console.log(
    `payload over the float64 score of the throughput engine (${perDim(bits / 8, images.length)}, ${scoring.toFixed(1)} s): ${over(8 * payload, bits)}; ${stored} images stored`,
  );
  const allowed = 2e-5 * bits + 4 * images.length;
  if (stored === 0 && Math.abs(8 * payload - bits) > allowed)
    throw new Error(`expected a payload within ${allowed.toFixed(0)} bits of the score`);
  let singles = 0;
  for (const image of few) singles += (await encodeSingle(predictor, image)).length;
  await pool.close();
  line("\nbits/dim, whole files", `each of ${few.length}`, `one of ${images.length}`);
  line("pixelcnn", perDim(singles, few.length), perDim(one.bytes.length, images.length));
  line("pixelcnn, with names and labels", "", perDim(withNames(one.bytes).length, images.length));
  line("pixelcnn, payload alone", perDim(singles - few.length * singleHeader(), few.length), perDim(payload, images.length));
}

/** The same groups in an archive as `pixelcnn compress` writes it. */
function withNames(bytes: Uint8Array): Uint8Array {
  const file = openPxc(bytes);
  if (file.kind !== "archive") throw new Error("expected an archive");
  const groups = file.groups.map((_, index) => readGroup(file, index));
  const names = images.map(({ name }) => name);
  const labels = images.map(({ label }) => label);
  const runs = nameRuns(names);
  const tables = images.map(({ table }) => table);
  const notes = writeNotes({ model: modelName, classes: sources.classes, levels, tables, names: runs, lossy });
  return writeArchive({ ...predictor, notes }, groups, {
    ...{ names: runs ? undefined : names, order: undefined },
    labels: labels.some((label) => label !== undefined) ? labels : undefined,
  });
}

/** Bytes before the payload of a file of one image. */
function singleHeader(): number {
  const varint = (n: number): number => (n < 128 ? 1 : n < 16384 ? 2 : 3);
  return 22 + varint(height) + varint(width);
}

interface Sheet {
  readonly width: number;
  readonly height: number;
  /** Values 0..255. */
  readonly pixels: Buffer;
  /** Levels, for what packs them itself. */
  readonly levels: Uint8Array;
}

/** Images side by side in so many columns, the last row filled with zeros. */
function sheetOf(some: readonly CodecImage[], columns: number): Sheet {
  const rows = Math.ceil(some.length / columns);
  const all = new Uint8Array(rows * height * columns * width * channels);
  for (const [i, { pixels }] of some.entries()) {
    for (let y = 0; y < height; y++) {
      const row = pixels.subarray(y * width * channels, (y + 1) * width * channels);
      all.set(row, ((Math.floor(i / columns) * height + y) * columns + (i % columns)) * width * channels);
    }
  }
  const table = Uint8Array.from({ length: levels }, (_, v) => Math.round((v * 255) / (levels - 1)));
  return { width: columns * width, height: rows * height, pixels: Buffer.from(all.map((v) => table[v]!)), levels: all };
}

/** Bytes of a sheet; undefined where the format has no room for it. Throws where the tool is missing or gives up. */
type Encoder = (sheet: Sheet) => Promise<number | undefined>;

const scratch = mkdtempSync(join(tmpdir(), "pixelcnn-bench-"));
const run = promisify(execFile);
/** The size of the file that a tool makes. Two minutes at most. */
async function tool(name: string, args: string[], out: string): Promise<number> {
  rmSync(join(scratch, out), { force: true });
  await run(name, args, { timeout: 120_000, cwd: scratch });
  return statSync(join(scratch, out)).size;
}

const raw = (sheet: Sheet): Sharp => {
  const image = sharp(sheet.pixels, {
    raw: { width: sheet.width, height: sheet.height, channels: channels as 1 | 3 | 4 },
    limitInputPixels: false,
  });
  return channels === 1 ? image.toColourspace("b-w") : image;
};

async function decodesTo(file: Buffer, sheet: Sheet): Promise<number> {
  const back = await sharp(file, { limitInputPixels: false })
    .toColourspace(channels === 1 ? "b-w" : "srgb")
    .raw()
    .toBuffer();
  const found = back.length / (sheet.width * sheet.height);
  const flat = found === channels ? back : Buffer.from(back.filter((_, k) => k % found < channels));
  if (Buffer.compare(flat, sheet.pixels) !== 0) throw new Error("lost something");
  return file.length;
}

async function smallestPng(sheet: Sheet): Promise<Buffer> {
  const variants: PngOptions[] = [false, true].map((adaptiveFiltering) => ({
    compressionLevel: 9,
    effort: 10,
    adaptiveFiltering,
  }));
  if (levels <= 16 && channels === 1)
    variants.push({ compressionLevel: 9, effort: 10, palette: true, colours: levels, dither: 0 });
  const files: Buffer[] = [];
  for (const options of variants) {
    const file = await raw(sheet).png(options).toBuffer();
    if (await decodesTo(file, sheet).catch(() => undefined)) files.push(file);
  }
  return files.sort((a, b) => a.length - b.length)[0]!;
}

function netpbm(sheet: Sheet, own: boolean): Buffer {
  const head = `P${channels === 1 ? 5 : 6}\n${sheet.width} ${sheet.height}\n${own ? levels - 1 : 255}\n`;
  return Buffer.concat([Buffer.from(head), own ? sheet.levels : sheet.pixels]);
}

const encoders: Record<string, Encoder> = {
  "raw, packed": async (sheet) => packLevels(sheet.levels, levels).length,
  PNG: async (sheet) => (await smallestPng(sheet)).length,
  "PNG, zopflipng": async (sheet) => {
    writeFileSync(join(scratch, "in.png"), await smallestPng(sheet));
    await tool("zopflipng", ["-y", "in.png", "out.png"], "out.png");
    return decodesTo(readFileSync(join(scratch, "out.png")), sheet);
  },
  "WebP, lossless": async (sheet) => {
    if (Math.max(sheet.width, sheet.height) > 16383) return undefined;
    const file = await raw(sheet).webp({ lossless: true, quality: 100, effort: 6, exact: true }).toBuffer();
    return decodesTo(file, sheet);
  },
  "JPEG XL, cjxl -d 0 -e 9": async (sheet) => {
    if (channels === 4) return undefined;
    const sizes: number[] = [];
    // As 8 bits and, where levels are fewer, as those; in groups of 256 and of 1024 pixels, which a small one has no use for. What djxl does not give back does not count.
    for (const own of levels < 256 ? [false, true] : [false]) {
      writeFileSync(join(scratch, "in.pnm"), netpbm(sheet, own));
      const small = sheet.width <= 256 && sheet.height <= 256;
      for (const extra of small
        ? [["-P", "0"], []]
        : [
            ["-g", "1"],
            ["-g", "3"],
          ]) {
        const size = await tool("cjxl", ["in.pnm", "out.jxl", "-d", "0", "-e", "9", ...extra], "out.jxl");
        await tool("djxl", ["out.jxl", `out.${channels === 1 ? "pgm" : "ppm"}`], `out.${channels === 1 ? "pgm" : "ppm"}`);
        const { pixels } = decodeNetpbm(readFileSync(join(scratch, `out.${channels === 1 ? "pgm" : "ppm"}`)), "djxl's picture");
        if (Buffer.compare(pixels, sheet.pixels) === 0) sizes.push(size);
      }
    }
    if (sizes.length === 0) throw new Error("lost something");
    return Math.min(...sizes);
  },
  "xz -9e of packed levels": async (sheet) => {
    writeFileSync(join(scratch, "in.raw"), packLevels(sheet.levels, levels));
    return tool("xz", ["-9ekf", "in.raw"], "in.raw.xz");
  },
  "zpaq -m5 of levels": async (sheet) => {
    writeFileSync(join(scratch, "in.raw"), sheet.levels);
    return tool("zpaq", ["a", "out.zpaq", "in.raw", "-m5"], "out.zpaq");
  },
};

async function peers(): Promise<void> {
  const square = Math.ceil(Math.sqrt((images.length * height) / width));
  const sheets = [...new Set([1, Math.ceil((images.length * height) / 16383), square])].map((columns) => sheetOf(bare, columns));
  for (const [name, encode] of Object.entries(encoders)) {
    try {
      let each = 0;
      for (const image of few) each += (await encode(sheetOf([image], 1))) ?? Number.NaN;
      const all: number[] = [];
      let failed = "";
      for (const sheet of sheets) {
        const size = await encode(sheet).catch((error) => {
          failed = (error as { killed?: boolean }).killed ? "over 2 minutes" : String((error as Error).message).slice(0, 40);
          return undefined;
        });
        if (size !== undefined) all.push(size);
      }
      line(name, perDim(each, few.length), all.length > 0 ? perDim(Math.min(...all), images.length) : failed || "no room");
    } catch (error) {
      line(
        name,
        (error as { code?: string }).code === "ENOENT" ? "not installed" : String((error as Error).message).slice(0, 60),
      );
    }
  }
}

try {
  if (!values["peers-only"]) await ours();
  if (!values["no-peers"]) await peers();
} finally {
  rmSync(scratch, { recursive: true, force: true });
  await model.close();
}
process.exit(0);
