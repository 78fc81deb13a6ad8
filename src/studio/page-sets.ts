/** Sets that the page draws by itself, so that training needs no file; and files that hold many images. */

import { channelsUsed, type Picture, toChannels } from "../data/picture.ts";
import { fail } from "../errors.ts";
import { randomFrom } from "../random.ts";
import { counted } from "../words.ts";
import { type Dropped, decodeFile } from "./archives.ts";

/** Images of one size, values 0 .. 255, [count, H, W, C]. */
export interface PageImages {
  readonly name: string;
  readonly height: number;
  readonly width: number;
  readonly channels: 1 | 3 | 4;
  readonly pixels: Uint8Array;
  readonly count: number;
  /** Files that were left out, with the reason. */
  readonly leftOut: readonly string[];
}

export type PageSet =
  | { readonly kind: "shapes" }
  | { readonly kind: "glyphs" }
  | { readonly kind: "files"; readonly files: readonly Dropped[]; readonly size: number }
  | { readonly kind: "sheet"; readonly file: Dropped; readonly size: number }
  | { readonly kind: "idx"; readonly file: Dropped }
  /** A named set of the machine that serves the page (server/named-images.ts). */
  | { readonly kind: "named"; readonly name: string; readonly address: string };

const SIDE = 16;
const DRAWN = 2000;

export async function imagesOf(set: PageSet): Promise<PageImages> {
  switch (set.kind) {
    case "shapes":
      return drawn("shapes", drawShape);
    case "glyphs":
      return drawn("letters", drawGlyph);
    case "files":
      return fromFiles(set.files, set.size);
    case "sheet":
      return fromSheet(set.file, set.size);
    case "idx":
      return fromIdx(set.file);
    case "named":
      return fromServer(set.name, set.address);
  }
}

type Pencil = OffscreenCanvasRenderingContext2D;

/** Grey images of 16 x 16, white on black, the same ones in every browser that draws alike. */
function drawn(name: string, draw: (pencil: Pencil, uniform: () => number) => void): PageImages {
  const pixels = new Uint8Array(DRAWN * SIDE * SIDE);
  const pencil = new OffscreenCanvas(SIDE, SIDE).getContext("2d", { willReadFrequently: true })!;
  const random = randomFrom(1, 0);
  for (let i = 0; i < DRAWN; i++) {
    pencil.setTransform(1, 0, 0, 1, 0, 0);
    pencil.fillStyle = "black";
    pencil.fillRect(0, 0, SIDE, SIDE);
    pencil.fillStyle = "white";
    draw(pencil, () => random.uniform());
    const { data } = pencil.getImageData(0, 0, SIDE, SIDE);
    for (let p = 0; p < SIDE * SIDE; p++) pixels[i * SIDE * SIDE + p] = data[4 * p]!;
  }
  return { name, height: SIDE, width: SIDE, channels: 1, pixels, count: DRAWN, leftOut: [] };
}

function drawShape(pencil: Pencil, uniform: () => number): void {
  const size = 3 + 3.5 * uniform();
  pencil.translate(size + (SIDE - 2 * size) * uniform(), size + (SIDE - 2 * size) * uniform());
  const sides = [0, 3, 4][Math.floor(3 * uniform())]!;
  pencil.beginPath();
  if (sides === 0) pencil.arc(0, 0, size, 0, 2 * Math.PI);
  else {
    const turn = sides === 3 ? -Math.PI / 2 : Math.PI / 4;
    for (let k = 0; k < sides; k++) {
      const angle = turn + (2 * Math.PI * k) / sides;
      pencil.lineTo(size * Math.cos(angle), size * Math.sin(angle));
    }
  }
  pencil.closePath();
  pencil.fill();
}

const LETTERS = "ABCDEFGHKLMNPRSTUVXYZ";

function drawGlyph(pencil: Pencil, uniform: () => number): void {
  pencil.font = `bold ${13 + Math.floor(3 * uniform())}px sans-serif`;
  pencil.textAlign = "center";
  pencil.textBaseline = "middle";
  const letter = LETTERS[Math.floor(LETTERS.length * uniform())]!;
  pencil.fillText(letter, SIDE / 2 + 2 * uniform() - 1, SIDE / 2 + 1 + 2 * uniform() - 1);
}

async function fromFiles(files: readonly Dropped[], size: number): Promise<PageImages> {
  const pictures: Picture[] = [];
  const leftOut: string[] = [];
  for (const { name, bytes } of files) {
    try {
      pictures.push(await fitted(await decodeFile(bytes, name), size));
    } catch (error) {
      leftOut.push(`${name}: ${(error as Error).message}`);
    }
  }
  return together(files.length === 1 ? files[0]!.name : `${files.length} files`, pictures, leftOut);
}

/** The middle of a picture, covering a square of that side. */
async function fitted(picture: Picture, side: number): Promise<Picture> {
  if (picture.height === side && picture.width === side) return picture;
  const data = new Uint8ClampedArray(toChannels(picture, 4).pixels);
  const bitmap = await createImageBitmap(new ImageData(data, picture.width, picture.height));
  const pencil = new OffscreenCanvas(side, side).getContext("2d", { willReadFrequently: true })!;
  const scale = Math.max(side / bitmap.width, side / bitmap.height);
  const [w, h] = [bitmap.width * scale, bitmap.height * scale];
  pencil.imageSmoothingQuality = "high";
  pencil.drawImage(bitmap, (side - w) / 2, (side - h) / 2, w, h);
  const { data: pixels } = pencil.getImageData(0, 0, side, side);
  return { height: side, width: side, channels: 4, pixels: new Uint8Array(pixels) };
}

async function fromSheet(file: Dropped, size: number): Promise<PageImages> {
  const sheet = await decodeFile(file.bytes, file.name);
  const [rows, columns] = [Math.floor(sheet.height / size), Math.floor(sheet.width / size)];
  if (rows * columns < 2)
    fail(
      "data",
      `expected a sheet of several tiles of ${size}x${size} but ${file.name} has ${sheet.height}x${sheet.width} pixels`,
    );
  const tiles: Picture[] = [];
  for (let r = 0; r < rows; r++)
    for (let c = 0; c < columns; c++) {
      const pixels = new Uint8Array(size * size * sheet.channels);
      for (let y = 0; y < size; y++) {
        const from = ((r * size + y) * sheet.width + c * size) * sheet.channels;
        pixels.set(sheet.pixels.subarray(from, from + size * sheet.channels), y * size * sheet.channels);
      }
      // A sheet's last row is often not full.
      if (pixels.some((value) => value !== pixels[0]))
        tiles.push({ height: size, width: size, channels: sheet.channels, pixels });
    }
  const empty = rows * columns - tiles.length;
  return together(file.name, tiles, empty > 0 ? [`${counted(empty, "tile")} of one colour`] : []);
}

function together(name: string, pictures: readonly Picture[], leftOut: readonly string[]): PageImages {
  const [first] = pictures;
  if (!first)
    return fail("data", `expected images in ${name} but none can be read${leftOut[0] ? `: ${leftOut[0]}` : ""}`);
  const channels = Math.max(...pictures.map(channelsUsed)) as 1 | 3 | 4;
  const { height, width } = first;
  const each = height * width * channels;
  const pixels = new Uint8Array(pictures.length * each);
  for (const [i, picture] of pictures.entries()) pixels.set(toChannels(picture, channels).pixels, i * each);
  return { name, height, width, channels, pixels, count: pictures.length, leftOut };
}

async function fromServer(name: string, address: string): Promise<PageImages> {
  const response = await fetch(address);
  if (!response.ok) fail("io", `expected the images of ${name} but the server answered: ${await response.text()}`);
  const images = await fromIdx({ name, bytes: new Uint8Array(await response.arrayBuffer()) });
  return { ...images, leftOut: beyond(images.count, Number(response.headers.get("x-images-in-all"))) };
}

/** The images of an IDX file, plain or gzip; at most the first 20,000. */
async function fromIdx({ name, bytes }: Dropped): Promise<PageImages> {
  const zipped = bytes[0] === 0x1f && bytes[1] === 0x8b;
  const body = zipped ? new Blob([new Uint8Array(bytes)]).stream().pipeThrough(new DecompressionStream("gzip")) : null;
  const plain = body ? new Uint8Array(await new Response(body).arrayBuffer()) : bytes;
  const view = new DataView(plain.buffer, plain.byteOffset, plain.byteLength);
  const rank = plain[3] ?? 0;
  if (plain.length < 16 || view.getUint16(0) !== 0 || plain[2] !== 8 || (rank !== 3 && rank !== 4))
    return fail(
      "data",
      `expected an IDX file of images (bytes, 3 or 4 axes) but ${name} is none; labels are not images`,
    );
  const axes = Array.from({ length: rank }, (_, i) => view.getUint32(4 + 4 * i));
  const [count, height, width, channels = 1] = axes as [number, number, number, number?];
  if (channels !== 1 && channels !== 3 && channels !== 4)
    return fail("data", `expected 1, 3 or 4 channels in ${name} but received ${channels}`);
  const each = height * width * channels;
  const start = 4 + 4 * rank;
  if (plain.length < start + count * each)
    fail(
      "data",
      `expected ${start + count * each} bytes in ${name} but received ${plain.length}: the file is cut short`,
    );
  const most = Math.min(count, 20_000);
  const pixels = plain.slice(start, start + most * each);
  return { name, height, width, channels, pixels, count: most, leftOut: beyond(most, count) };
}

const beyond = (most: number, count: number): string[] =>
  most < count ? [`images ${most} to ${count - 1}: a page trains on the first ${most}`] : [];
