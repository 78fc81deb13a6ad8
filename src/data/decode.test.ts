/** The one decoder: the files that cameras, scanners and programs write, with the right values or the right words. */

import { encode } from "fast-png";
import sharp from "sharp";
import { describe, expect, test } from "vitest";
import { decodePng } from "../pictures/png.ts";
import { imageCodec } from "./decode.ts";
import type { Decoding } from "./encoded-images.ts";
import { isAnimatedGif, isAnimatedWebp, jpegComponents } from "./frames.ts";
import { PNG_TYPES, type PngSpec, pngFile, tiffFile } from "./image-files.test-support.ts";
import type { Loss } from "./losses.ts";
import { channelsUsed, type Picture, toChannels } from "./picture.ts";

const decoded = (bytes: Uint8Array, how: Decoding = {}): Promise<Picture> => imageCodec.decode(bytes, "f", how);
const lossesOf = async (bytes: Uint8Array): Promise<[Loss, string][]> => {
  const losses: [Loss, string][] = [];
  await decoded(bytes, { onLoss: (loss, found) => losses.push([loss, found]) });
  return losses;
};
/** Values with the fewest channels that hold them. */
const valuesOf = (picture: Picture): number[] => [...toChannels(picture, channelsUsed(picture)).pixels];
const rgbaOf = (picture: Picture): number[] => [...toChannels(picture, 4).pixels];

describe("PNG", () => {
  const depths = {
    grey: [1, 2, 4, 8, 16],
    rgb: [8, 16],
    palette: [1, 2, 4, 8],
    greyAlpha: [8, 16],
    rgba: [8, 16],
  } as const;
  const cases = (Object.keys(PNG_TYPES) as (keyof typeof PNG_TYPES)[]).flatMap((type) =>
    depths[type].flatMap((depth) => [false, true].map((interlaced) => ({ type, depth, interlaced }))),
  );
  test.each(cases)("$type of $depth bits, interlaced: $interlaced", async ({ type, depth, interlaced }) => {
    const [height, width] = [9, 11];
    const most = 2 ** depth - 1;
    const value = (y: number, x: number, c: number): number =>
      type === "palette"
        ? (y * width + x) % Math.min(most + 1, 16)
        : (y * 7919 + x * 104_729 + c * 31_337 + 40_000) % (most + 1);
    const palette = Array.from({ length: Math.min(most + 1, 16) }, (_, i) => [i * 16, 255 - i * 3, i] as const);
    const file = pngFile({ type, depth, width, height, value, interlaced, ...(type === "palette" && { palette }) });
    const eight = (v: number): number => (depth === 16 ? v >> 8 : Math.round((v * 255) / most));
    const expected: number[] = [];
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++) {
        const v = (c: number): number => eight(value(y, x, c));
        if (type === "palette") expected.push(...palette[value(y, x, 0)]!, 255);
        else if (type === "grey") expected.push(v(0), v(0), v(0), 255);
        else if (type === "greyAlpha") expected.push(v(0), v(0), v(0), v(1));
        else expected.push(v(0), v(1), v(2), type === "rgba" ? v(3) : 255);
      }
    const picture = await decoded(file);
    expect([picture.height, picture.width]).toEqual([height, width]);
    expect(rgbaOf(picture)).toEqual(expected);
    expect(await lossesOf(file)).toEqual(depth === 16 ? [["depth", "16 bits a channel"]] : []);
    const header = await imageCodec.info(file, "f");
    expect([header.height, header.width]).toEqual([height, width]);
  });

  const row = (type: PngSpec["type"], values: readonly (readonly number[])[], more: Partial<PngSpec>): Buffer =>
    pngFile({ type, depth: 8, width: values.length, height: 1, value: (_, x, c) => values[x]![c]!, ...more });

  test("transparency by a colour, or by the palette", async () => {
    expect(rgbaOf(await decoded(row("grey", [[7], [9]], { tRNS: [0, 7] })))).toEqual([7, 7, 7, 0, 9, 9, 9, 255]);
    const rgb = row(
      "rgb",
      [
        [1, 2, 3],
        [1, 2, 4],
      ],
      { tRNS: [0, 1, 0, 2, 0, 3] },
    );
    expect(rgbaOf(await decoded(rgb))).toEqual([1, 2, 3, 0, 1, 2, 4, 255]);
    const palette = [
      [10, 20, 30],
      [40, 50, 60],
    ] as const;
    const indexed = row("palette", [[0], [1], [0]], { palette, tRNS: [128] });
    expect(rgbaOf(await decoded(indexed))).toEqual([10, 20, 30, 128, 40, 50, 60, 255, 10, 20, 30, 128]);
  });

  test("a gamma changes no value", async () => {
    for (const gamma of [0.35, 0.45455, 1, 2.5])
      expect(valuesOf(await decoded(row("grey", [[0], [100], [255]], { gamma })))).toEqual([0, 100, 255]);
  });

  test("an animation is told", async () => {
    const acTL = new Uint8Array([0, 0, 0, 2, 0, 0, 0, 0]);
    const file = row("grey", [[5]], { chunks: [["acTL", acTL]] });
    expect(await lossesOf(file)).toEqual([["frames", "several frames (APNG)"]]);
    expect(await lossesOf(row("grey", [[5]], { chunks: [["tEXt", Buffer.from("acTL\0acTL")]] }))).toEqual([]);
  });

  test("12 bits in 16 would be black: they are refused, or scaled as asked", async () => {
    const twelve = pngFile({ type: "grey", depth: 16, width: 3, height: 1, value: (_, x) => [0, 2048, 4095][x]! });
    await expect(decoded(twelve)).rejects.toThrow(
      "expected values up to 65535 for f, which has 16 bits a channel, but its largest is 4095, so that it would be " +
        "almost black: say which value is white (data.white=4095 for 12 bits), or convert it to 8 bits first",
    );
    expect(valuesOf(await decoded(twelve, { white: 4095 }))).toEqual([0, 128, 255]);
    await expect(decoded(twelve, { white: 4000 })).rejects.toThrow(
      "expected values up to 4000 for f, as data.white says, but received 4095",
    );
  });
});

test("a page's own PNG decoder keeps 8 bits alone, and says so", () => {
  const deep = encode({ width: 1, height: 1, channels: 1, depth: 16, data: Uint16Array.of(300) });
  expect(() => decodePng(deep, "deep.png")).toThrow(
    "expected 1, 3 or 4 channels of 8 bits in deep.png but received 1 of 16",
  );
});

describe("TIFF", () => {
  const value = (i: number): number => (i * 37) % 256;
  test.each([
    ["grey", { samples: 1 }],
    ["RGB", { samples: 3 }],
    ["with alpha", { samples: 4 }],
    ["in planes", { samples: 3, planes: true }],
    ["in strips", { samples: 3, strip: 2 }],
  ] as const)("%s, in both orders of bytes", async (_, layout) => {
    for (const big of [false, true]) {
      const file = tiffFile([{ width: 4, height: 5, bits: 8, value, ...layout }], { big });
      const picture = await decoded(file);
      const pixels = [...toChannels(picture, layout.samples).pixels];
      expect(pixels).toEqual(Array.from({ length: 20 * layout.samples }, (_, i) => value(i)));
      expect(await lossesOf(file)).toEqual([]);
    }
  });

  test.each([
    ["5 channels", { samples: 5, bits: 8 }, "expected 1 to 4 channels for f but received 5 channels"],
    [
      "floats",
      { samples: 1, bits: 32, kind: 3 },
      "expected whole numbers of 8 or 16 bits for f but received values of the kind float",
    ],
    [
      "negative values",
      { samples: 1, bits: 16, kind: 2 },
      "expected whole numbers of 8 or 16 bits for f but received values of the kind short",
    ],
    [
      "32 bits",
      { samples: 1, bits: 32 },
      "expected whole numbers of 8 or 16 bits for f but received values of the kind uint",
    ],
  ] as const)("%s are refused", async (_, layout, message) => {
    const file = tiffFile([{ width: 4, height: 4, value: (i) => i / 16, ...layout }]);
    await expect(decoded(file)).rejects.toThrow(`${message}: convert it to 8 bits a channel first`);
    await expect(decoded(file)).rejects.toMatchObject({ kind: "data" });
  });

  test.each([
    ["tiles", { tile: true, tileWidth: 16, tileHeight: 16, compression: "none" }],
    ["tiles that are packed", { tile: true, tileWidth: 32, tileHeight: 16, compression: "deflate" }],
    ["BigTIFF", { bigtiff: true, compression: "none" }],
    ["BigTIFF in tiles", { bigtiff: true, tile: true, tileWidth: 16, tileHeight: 16, compression: "lzw" }],
    ["LZW with a predictor", { compression: "lzw", predictor: "horizontal" }],
    ["PackBits", { compression: "packbits" }],
  ] as const)("%s, as another program writes them", async (_, options) => {
    const pixels = Uint8Array.from({ length: 40 * 37 * 3 }, (_, i) => value(i * i));
    const file = await sharp(pixels, { raw: { width: 40, height: 37, channels: 3 } })
      .tiff(options)
      .toBuffer();
    const picture = await decoded(file);
    expect([picture.width, picture.height, Buffer.from(picture.pixels).equals(pixels)]).toEqual([40, 37, true]);
    expect(await lossesOf(file)).toEqual([]);
  });

  test("12 bits in 16, and 16 bits", async () => {
    const deep = tiffFile([{ width: 2, height: 1, samples: 1, bits: 16, value: (i) => [4095, 100][i]! }]);
    await expect(decoded(deep)).rejects.toThrow("its largest is 4095");
    expect(valuesOf(await decoded(deep, { white: 4095 }))).toEqual([255, 6]);
    const full = tiffFile([{ width: 2, height: 1, samples: 1, bits: 16, value: (i) => [65535, 4095][i]! }]);
    expect(valuesOf(await decoded(full))).toEqual([255, 15]);
  });

  test("of several pages the first, told; of pages of several sizes none", async () => {
    const page = (side: number, level: number) => ({
      width: side,
      height: side,
      samples: 1,
      bits: 8 as const,
      value: () => level,
    });
    const two = tiffFile([page(2, 5), page(2, 6)]);
    expect([valuesOf(await decoded(two)), await lossesOf(two)]).toEqual([[5, 5, 5, 5], [["frames", "2 pages"]]]);
    await expect(decoded(tiffFile([page(2, 5), page(8, 6)]))).rejects.toThrow(
      "expected one page, or pages of one size for f but received 2 pages of 2x2, 8x8",
    );
  });
});

describe("JPEG", () => {
  const noise = Buffer.from(Array.from({ length: 64 * 48 * 3 }, (_, i) => (i * i * 7 + i) % 251));
  const image = sharp(noise, { raw: { width: 64, height: 48, channels: 3 } });

  test("progressive and baseline, grey and CMYK", async () => {
    const [one, two] = [
      await image.clone().jpeg().toBuffer(),
      await image.clone().jpeg({ progressive: true }).toBuffer(),
    ];
    expect([...(await decoded(two)).pixels]).toEqual([...(await decoded(one)).pixels]);
    const grey = await decoded(await image.clone().greyscale().jpeg().toBuffer());
    expect(channelsUsed(grey)).toBe(1);
    const cmyk = await image.clone().toColourspace("cmyk").jpeg().toBuffer();
    const plain = await image.clone().jpeg().toBuffer();
    const progressive = await image.clone().toColourspace("b-w").jpeg({ progressive: true }).toBuffer();
    expect([cmyk, plain, progressive].map(jpegComponents)).toEqual([4, 3, 1]);
    expect((await lossesOf(cmyk)).map(([loss, found]) => [loss, found])).toContainEqual([
      "colours",
      "colours of the kind cmyk",
    ]);
  });

  test("EXIF orientations 1 to 8 come upright", async () => {
    // A wide picture, bright at its left and top; after turning it upright, always the same.
    const level = (y: number, x: number): number => 200 - 4 * x - 3 * y;
    const [height, width] = [16, 24];
    const upright = Buffer.from(
      Array.from({ length: height * width }, (_, p) => level(Math.floor(p / width), p % width)),
    );
    for (let orientation = 1; orientation <= 8; orientation++) {
      const swapped = orientation > 4;
      const [h, w] = swapped ? [width, height] : [height, width];
      const stored = Buffer.alloc(h * w);
      for (let y = 0; y < h; y++)
        for (let x = 0; x < w; x++) {
          // Where the stored pixel (y, x) stands in the upright picture.
          const [top, left] = {
            1: [y, x],
            2: [y, w - 1 - x],
            3: [h - 1 - y, w - 1 - x],
            4: [h - 1 - y, x],
            5: [x, y],
            6: [x, h - 1 - y],
            7: [w - 1 - x, h - 1 - y],
            8: [w - 1 - x, y],
          }[orientation]!;
          stored[y * w + x] = upright[top! * width + left!]!;
        }
      const file = await sharp(stored, { raw: { width: w, height: h, channels: 1 } })
        .withMetadata({ orientation })
        .jpeg({ quality: 100 })
        .toBuffer();
      const picture = await decoded(file);
      expect([picture.height, picture.width]).toEqual([height, width]);
      const found = toChannels(picture, 1).pixels;
      const worst = Math.max(...found.map((v, i) => Math.abs(v - upright[i]!)));
      expect(worst, `orientation ${orientation}`).toBeLessThan(12);
    }
  });

  test("damage is an error, harmless bytes between segments are not", async () => {
    const whole = await image.clone().jpeg({ quality: 90 }).toBuffer();
    const damaged = Buffer.from(whole);
    for (let i = 700; i < 760; i++) damaged[i] = 0x55;
    await expect(decoded(damaged)).rejects.toThrow(
      "expected an image that can be decoded for f but received: VipsJpeg: Corrupt JPEG data: bad Huffman code",
    );
    await expect(decoded(whole.subarray(0, 900))).rejects.toThrow("premature end of JPEG image");
    const at = whole.indexOf(Buffer.from([0xff, 0xc4]));
    const extra = Buffer.concat([whole.subarray(0, at), Buffer.from([1, 2, 3]), whole.subarray(at)]);
    expect([...(await decoded(extra)).pixels]).toEqual([...(await decoded(whole)).pixels]);
  });

  test("a colour profile is told", async () => {
    const file = await image.clone().withIccProfile("p3").jpeg().toBuffer();
    expect(await lossesOf(file)).toEqual([["profile", "a colour profile"]]);
  });
});

describe("GIF, WebP and AVIF", () => {
  const frames = Buffer.concat([Buffer.alloc(300, 250), Buffer.alloc(300, 10)]);
  const animation = { raw: { width: 10, height: 20, channels: 3, pageHeight: 10 } } as const;

  test("still ones lose nothing, of moving ones the first frame is taken and told", async () => {
    for (const format of ["gif", "webp"] as const) {
      const still = await sharp(frames.subarray(0, 300), { raw: { width: 10, height: 10, channels: 3 } })
        .toFormat(format, format === "webp" ? { lossless: true } : {})
        .toBuffer();
      expect([valuesOf(await decoded(still))[0], await lossesOf(still)]).toEqual([250, []]);
      const moving = await sharp(frames, animation).toFormat(format, { loop: 0 }).toBuffer();
      expect(await lossesOf(moving)).toEqual([["frames", "2 frames"]]);
      expect(Math.abs(valuesOf(await decoded(moving))[0]! - 250)).toBeLessThan(3);
      // What a page sees without sharp.
      const moves = format === "gif" ? isAnimatedGif : isAnimatedWebp;
      expect([moves(still), moves(moving)]).toEqual([false, true]);
    }
  });

  test("a GIF whose data end early is no image", async () => {
    const noise = Buffer.from(Array.from({ length: 16 * 16 * 3 }, (_, i) => (i * i * 7) % 251));
    const whole = await sharp(noise, { raw: { width: 16, height: 16, channels: 3 } })
      .gif()
      .toBuffer();
    expect((await decoded(whole)).height).toBe(16);
    // The first block of data is cut short, and the file ends properly behind it.
    let at = 13 + 3 * 2 ** ((whole[10]! & 7) + 1) * (whole[10]! >> 7);
    while (whole[at] === 0x21) {
      at += 2;
      while (whole[at] !== 0) at += whole[at]! + 1;
      at++;
    }
    at += 10 + (whole[at + 9]! & 0x80 ? 3 * 2 ** ((whole[at + 9]! & 7) + 1) : 0) + 1;
    const cut = Buffer.concat([
      whole.subarray(0, at),
      Buffer.from([90]),
      whole.subarray(at + 1, at + 91),
      Buffer.from([0, 0x3b]),
    ]);
    await expect(decoded(cut)).rejects.toThrow(
      /expected 256 pixels in the first frame of f but its data end after \d+/,
    );
    await expect(decoded(whole.subarray(0, whole.length - 40))).rejects.toThrow(/f/);
  });

  test("a large GIF of every code width is whole", async () => {
    const random = Buffer.from(Array.from({ length: 120 * 90 * 3 }, (_, i) => (i * i * 31 + i * 17) % 256));
    for (const source of [random, Buffer.alloc(120 * 90 * 3, 9)]) {
      const file = await sharp(source, { raw: { width: 120, height: 90, channels: 3 } })
        .gif()
        .toBuffer();
      expect((await decoded(file)).width).toBe(120);
    }
  });
});
