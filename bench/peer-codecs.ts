/**
 * What other formats make of the same images, for bench/codec.ts: PNG, lossless WebP, JPEG XL, zpaq and xz, each at its
 * best setting, as a file an image and as one file of all: a sheet of one column (the images one below another), or of
 * as many columns as suit an image format. What an image format does not give back does not count. cjxl, zopflipng,
 * zpaq, xz: where installed.
 */

import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import sharp, { type PngOptions, type Sharp } from "sharp";
import { packLevels } from "../src/codec/packed-levels.ts";
import { decodeNetpbm } from "../src/data/netpbm.ts";

/** Images of one size. */
export interface SameSize {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly levels: number;
  /** Levels of each image, [H, W, C]. */
  readonly each: readonly Uint8Array[];
}

export interface PeerSize {
  readonly name: string;
  /** Bytes of all files, one of each image; or why there are none. */
  readonly files: number | string;
  /** Bytes of one file of all images; or why there is none. */
  readonly one: number | string;
}

interface Sheet {
  readonly width: number;
  readonly height: number;
  readonly columns: number;
  readonly channels: number;
  /** How many levels there are. */
  readonly count: number;
  /** Values 0..255. */
  readonly pixels: Buffer;
  /** For what packs them itself. */
  readonly levels: Uint8Array;
}

/** Images side by side in so many columns, the last row filled with zeros. */
function sheetOf({ height, width, channels, levels, each }: SameSize, columns: number): Sheet {
  const rows = Math.ceil(each.length / columns);
  const all = new Uint8Array(rows * height * columns * width * channels);
  for (const [i, pixels] of each.entries()) {
    for (let y = 0; y < height; y++) {
      const row = pixels.subarray(y * width * channels, (y + 1) * width * channels);
      all.set(row, ((Math.floor(i / columns) * height + y) * columns + (i % columns)) * width * channels);
    }
  }
  const table = Uint8Array.from({ length: levels }, (_, v) => Math.round((v * 255) / (levels - 1)));
  const size = { width: columns * width, height: rows * height, columns, channels, count: levels };
  return { ...size, pixels: Buffer.from(all.map((v) => table[v]!)), levels: all };
}

const scratch = mkdtempSync(join(tmpdir(), "pixelcnn-peers-"));
process.on("exit", () => rmSync(scratch, { recursive: true, force: true }));
const run = promisify(execFile);
const HOUR = 3_600_000;

/** The size of the file that a tool makes. */
async function tool(name: string, args: string[], out: string): Promise<number> {
  rmSync(join(scratch, out), { force: true });
  await run(name, args, { timeout: HOUR, cwd: scratch });
  return statSync(join(scratch, out)).size;
}

function picture({ pixels, width, height, channels }: Sheet): Sharp {
  const image = sharp(pixels, { raw: { width, height, channels: channels as 1 | 3 | 4 }, limitInputPixels: false });
  return channels === 1 ? image.toColourspace("b-w") : image;
}

/** The file's size, after decoding and comparing it. */
async function decodesTo(file: Buffer, { pixels, width, height, channels }: Sheet): Promise<number> {
  const back = await sharp(file, { limitInputPixels: false })
    .toColourspace(channels === 1 ? "b-w" : "srgb")
    .raw()
    .toBuffer();
  const found = back.length / (width * height);
  const flat = found === channels ? back : Buffer.from(back.filter((_, k) => k % found < channels));
  if (Buffer.compare(flat, pixels) !== 0) throw new Error("lost something");
  return file.length;
}

async function smallestPng(sheet: Sheet): Promise<Buffer> {
  // No effort: sharp would make a palette of 256 colours for it.
  const best = { compressionLevel: 9 };
  const variants: PngOptions[] = [false, true].map((adaptiveFiltering) => ({ ...best, adaptiveFiltering }));
  if (sheet.count <= 16 && sheet.channels === 1)
    variants.push({ ...best, effort: 10, palette: true, colours: sheet.count, dither: 0 });
  const files: Buffer[] = [];
  for (const options of variants) {
    const file = await picture(sheet).png(options).toBuffer();
    if (await decodesTo(file, sheet).catch(() => undefined)) files.push(file);
  }
  return files.sort((a, b) => a.length - b.length)[0]!;
}

/**
 * As 8 bits and, where levels are fewer, as those; in groups of 256 and of 1024 pixels, which a small one has no use
 * for.
 */
async function smallestJpegXl(sheet: Sheet): Promise<number> {
  const ending = sheet.channels === 1 ? "pgm" : "ppm";
  const small = sheet.width <= 256 && sheet.height <= 256;
  const settings = small ? [["-P", "0"], []] : ["1", "3"].map((group) => ["-g", group]);
  const sizes: number[] = [];
  for (const most of sheet.count < 256 ? [255, sheet.count - 1] : [255]) {
    const head = `P${sheet.channels === 1 ? 5 : 6}\n${sheet.width} ${sheet.height}\n${most}\n`;
    writeFileSync(
      join(scratch, "in.pnm"),
      Buffer.concat([Buffer.from(head), most === 255 ? sheet.pixels : sheet.levels]),
    );
    for (const setting of settings) {
      const size = await tool("cjxl", ["in.pnm", "out.jxl", "-d", "0", "-e", "9", ...setting], "out.jxl");
      await tool("djxl", ["out.jxl", `out.${ending}`], `out.${ending}`);
      const { pixels } = decodeNetpbm(readFileSync(join(scratch, `out.${ending}`)), "djxl's picture");
      if (Buffer.compare(pixels, sheet.pixels) === 0) sizes.push(size);
    }
  }
  if (sizes.length === 0) throw new Error("lost something");
  return Math.min(...sizes);
}

function xz(bytes: Uint8Array): Promise<number> {
  writeFileSync(join(scratch, "in.raw"), bytes);
  return tool("xz", ["-9ekf", "in.raw"], "in.raw.xz");
}

interface Peer {
  readonly name: string;
  /** One column is enough: it knows nothing of columns, or takes too long to try others. */
  readonly tall?: boolean;
  /** Bytes of a sheet; undefined where the format has no room for it. Throws where the tool is missing or gives up. */
  encode(sheet: Sheet): Promise<number | undefined>;
}

const peers: readonly Peer[] = [
  { name: "raw, packed", tall: true, encode: async ({ levels, count }) => packLevels(levels, count).length },
  { name: "PNG (libpng 9)", encode: async (sheet) => (await smallestPng(sheet)).length },
  {
    name: "PNG (zopflipng)",
    async encode(sheet) {
      writeFileSync(join(scratch, "in.png"), await smallestPng(sheet));
      await tool("zopflipng", ["-y", "in.png", "out.png"], "out.png");
      return decodesTo(readFileSync(join(scratch, "out.png")), sheet);
    },
  },
  {
    name: "WebP, lossless (effort 6)",
    async encode(sheet) {
      if (Math.max(sheet.width, sheet.height) > 16383) return undefined;
      return decodesTo(
        await picture(sheet).webp({ lossless: true, quality: 100, effort: 6, exact: true }).toBuffer(),
        sheet,
      );
    },
  },
  {
    name: "JPEG XL (cjxl -d 0 -e 9)",
    tall: true,
    encode: async (sheet) => (sheet.channels === 4 ? undefined : smallestJpegXl(sheet)),
  },
  { name: "xz -9e of packed levels", tall: true, encode: ({ levels, count }) => xz(packLevels(levels, count)) },
  { name: "xz -9e of raw levels, a byte each", tall: true, encode: ({ levels }) => xz(levels) },
  {
    name: "zpaq -m5 of levels, a byte each",
    tall: true,
    async encode({ levels }) {
      writeFileSync(join(scratch, "in.raw"), levels);
      return tool("zpaq", ["a", "out.zpaq", "in.raw", "-m5"], "out.zpaq");
    },
  },
];

function reasonOf(error: unknown): string {
  const { code, killed, message } = error as { code?: string; killed?: boolean; message?: string };
  return code === "ENOENT" ? "not installed" : killed ? "over an hour" : String(message).slice(0, 40);
}

/**
 * Each format in turn: the first `few` images one by one, and all of them in one file, the smallest sheet's. `only`:
 * those whose names have this in them.
 */
export async function* peerSizes(images: SameSize, few: number, only = ""): AsyncGenerator<PeerSize> {
  const { height, width, each } = images;
  const square = Math.ceil(Math.sqrt((each.length * height) / width));
  const columns = [...new Set([1, Math.ceil((each.length * height) / 16383), square])];
  for (const { name, tall, encode } of peers.filter((peer) => peer.name.includes(only))) {
    const files = async (): Promise<number | string> => {
      let sum = 0;
      for (const pixels of each.slice(0, few))
        sum += (await encode(sheetOf({ ...images, each: [pixels] }, 1))) ?? Number.NaN;
      return sum;
    };
    let one: number | string = "no room";
    for (const count of tall ? [1] : columns) {
      const size = await encode(sheetOf(images, count)).catch(reasonOf);
      if (typeof size === "number") one = typeof one === "number" ? Math.min(one, size) : size;
      else if (size !== undefined && typeof one === "string") one = size;
    }
    yield { name, files: await files().catch(reasonOf), one };
  }
}
