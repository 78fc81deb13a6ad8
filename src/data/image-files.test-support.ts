/**
 * Image files of every kind for tests, made from known values: PNG of all colour types, depths and interlacings, with
 * transparency and gamma; TIFF of any sample, byte order and layout, with several pages.
 */

import { crc32, deflateSync } from "node:zlib";

/** Colour types of PNG, and samples of each pixel. */
export const PNG_TYPES = { grey: [0, 1], rgb: [2, 3], palette: [3, 1], greyAlpha: [4, 2], rgba: [6, 4] } as const;
export type PngType = keyof typeof PNG_TYPES;

export interface PngSpec {
  readonly type: PngType;
  readonly depth: 1 | 2 | 4 | 8 | 16;
  readonly width: number;
  readonly height: number;
  /** Of sample `c` of the pixel at (y, x). */
  readonly value: (y: number, x: number, c: number) => number;
  readonly interlaced?: boolean;
  readonly palette?: readonly (readonly [number, number, number])[];
  readonly tRNS?: readonly number[];
  readonly gamma?: number;
  /** Chunks before the pixels. */
  readonly chunks?: readonly (readonly [type: string, data: Uint8Array])[];
}

const chunk = (type: string, data: Uint8Array): Buffer => {
  const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const [length, crc] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  crc.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, crc]);
};

/** First row and column, and their steps, of the seven passes. */
const ADAM7 = [
  [0, 0, 8, 8],
  [0, 4, 8, 8],
  [4, 0, 8, 4],
  [0, 2, 4, 4],
  [2, 0, 4, 2],
  [0, 1, 2, 2],
  [1, 0, 2, 1],
] as const;

export function pngFile({
  type,
  depth,
  width,
  height,
  value,
  interlaced,
  palette,
  tRNS,
  gamma,
  chunks,
}: PngSpec): Buffer {
  const [colour, samples] = PNG_TYPES[type];
  const row = (y: number, xs: readonly number[]): Buffer => {
    const bits = xs.flatMap((x) =>
      Array.from({ length: samples }, (_, c) => value(y, x, c).toString(2).padStart(depth, "0")),
    );
    const text = bits.join("");
    const bytes = text.padEnd(Math.ceil(text.length / 8) * 8, "0").match(/.{8}/g) ?? [];
    return Buffer.from([0, ...bytes.map((byte) => Number.parseInt(byte, 2))]);
  };
  const range = (from: number, to: number, step: number): number[] =>
    Array.from({ length: Math.max(0, Math.ceil((to - from) / step)) }, (_, i) => from + i * step);
  const passes = interlaced ? ADAM7 : ([[0, 0, 1, 1]] as const);
  const rows = passes.flatMap(([y0, x0, dy, dx]) => {
    const xs = range(x0, width, dx);
    return xs.length === 0 ? [] : range(y0, height, dy).map((y) => row(y, xs));
  });
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([depth, colour, 0, 0, interlaced ? 1 : 0], 8);
  const four = (n: number): Buffer => Buffer.from([n >> 24, n >> 16, n >> 8, n]);
  return Buffer.concat([
    Buffer.from("\x89PNG\r\n\x1a\n", "latin1"),
    chunk("IHDR", header),
    ...(gamma === undefined ? [] : [chunk("gAMA", four(Math.round(gamma * 100_000)))]),
    ...(chunks ?? []).map(([name, data]) => chunk(name, data)),
    ...(palette ? [chunk("PLTE", Buffer.from(palette.flat()))] : []),
    ...(tRNS ? [chunk("tRNS", Buffer.from(tRNS))] : []),
    chunk("IDAT", deflateSync(Buffer.concat(rows))),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

export interface TiffPage {
  readonly width: number;
  readonly height: number;
  readonly samples: number;
  readonly bits: 8 | 16 | 32;
  /** 1 whole, 2 with a sign, 3 floating point. */
  readonly kind?: 1 | 2 | 3;
  readonly value: (i: number) => number;
  /** Each sample in a plane of its own. */
  readonly planes?: boolean;
  /** Rows of a strip; default all. */
  readonly strip?: number;
  readonly orientation?: number;
}

/** An uncompressed TIFF; `big`: bytes in the order of big-endian machines. */
export function tiffFile(pages: readonly TiffPage[], { big = false } = {}): Buffer {
  const u16 = (n: number): Buffer => (big ? Buffer.from([n >> 8, n]) : Buffer.from([n, n >> 8]));
  const u32 = (n: number): Buffer => {
    const bytes = Buffer.alloc(4);
    if (big) bytes.writeUInt32BE(n);
    else bytes.writeUInt32LE(n);
    return bytes;
  };
  const parts: Buffer[] = [Buffer.from(big ? "MM" : "II"), u16(42)];
  const length = (): number => parts.reduce((sum, part) => sum + part.length, 0);
  parts.push(Buffer.alloc(4));
  let link = 2;
  for (const page of pages) {
    const { width, height, samples, bits, kind = 1, value, planes = false, strip = height, orientation = 1 } = page;
    const sample = (i: number): Buffer => {
      const bytes = Buffer.alloc(bits / 8);
      const view = new DataView(bytes.buffer, bytes.byteOffset);
      if (kind === 3) view.setFloat32(0, value(i), !big);
      else if (bits === 8) view.setUint8(0, value(i) & 255);
      else if (bits === 16) view.setUint16(0, value(i) & 65535, !big);
      else view.setUint32(0, value(i) >>> 0, !big);
      return bytes;
    };
    const strips: Buffer[] = [];
    for (let plane = 0; plane < (planes ? samples : 1); plane++)
      for (let y = 0; y < height; y += strip) {
        const pixels = Array.from({ length: Math.min(strip, height - y) * width }, (_, p) => y * width + p);
        const values = pixels.flatMap((p) =>
          planes ? [sample(p * samples + plane)] : Array.from({ length: samples }, (_, c) => sample(p * samples + c)),
        );
        strips.push(Buffer.concat(values));
      }
    const offsets = strips.map((bytes) => {
      const at = length();
      parts.push(bytes.length % 2 ? Buffer.concat([bytes, Buffer.alloc(1)]) : bytes);
      return at;
    });
    /** A field's values, in the entry where they fit, otherwise before it. */
    const field = (tag: number, size: 2 | 4, values: readonly number[]): Buffer => {
      const bytes = Buffer.concat(values.map(size === 2 ? u16 : u32));
      let place: Buffer = Buffer.concat([bytes, Buffer.alloc(4)]).subarray(0, 4);
      if (bytes.length > 4) {
        place = u32(length());
        parts.push(bytes);
      }
      return Buffer.concat([u16(tag), u16(size === 2 ? 3 : 4), u32(values.length), place]);
    };
    const each = (n: number): number[] => new Array<number>(samples).fill(n);
    const colour = samples >= 3 ? 2 : 1;
    const extra = samples - (colour === 2 ? 3 : 1);
    const fields = [
      field(256, 4, [width]),
      field(257, 4, [height]),
      field(258, 2, each(bits)),
      field(259, 2, [1]),
      field(262, 2, [colour]),
      field(273, 4, offsets),
      field(274, 2, [orientation]),
      field(277, 2, [samples]),
      field(278, 4, [strip]),
      field(
        279,
        4,
        strips.map((bytes) => bytes.length),
      ),
      field(284, 2, [planes ? 2 : 1]),
      ...(extra > 0 ? [field(338, 2, new Array<number>(extra).fill(extra === 1 ? 2 : 0))] : []),
      field(339, 2, each(kind)),
    ];
    const pointer = u32(length());
    parts[link] = pointer;
    parts.push(Buffer.concat([u16(fields.length), ...fields]));
    link = parts.length;
    parts.push(Buffer.alloc(4));
  }
  return Buffer.concat(parts);
}
