import { describe, expect, test } from "vitest";
import type { PixelcnnError } from "../errors.ts";
import {
  type CodecImage,
  type CodecProgress,
  decodeArchive,
  decodeGroups,
  decodeOneGroup,
  encodeImages,
  encodeSingle,
} from "./codec.ts";
import { type Archive, openPxc, readGroup } from "./container.ts";
import { contextPredictor, makePixels, type PixelKind } from "./context-predictor.test-support.ts";
import { decodeStream, encodeStream } from "./group-coder.ts";
import { packedLength } from "./packed-levels.ts";
import type { Predictor } from "./predictor.ts";

async function image(
  predictor: Predictor,
  height: number,
  width: number,
  kind: PixelKind,
  seed: number,
  rest: Partial<CodecImage> = {},
): Promise<CodecImage> {
  return { height, width, pixels: await makePixels(predictor, { count: 1, height, width }, kind, seed), ...rest };
}

async function failure(promise: Promise<unknown>): Promise<PixelcnnError> {
  return promise.then(
    () => expect.unreachable("expected an error"),
    (error) => error,
  );
}

function pixelsOf(images: readonly { pixels: Uint8Array }[]): number[][] {
  return images.map(({ pixels }) => [...pixels]);
}

const binary = await contextPredictor({ levels: 2 });
const colour = await contextPredictor({ levels: 256, channels: 3 });

describe("an archive", () => {
  test("keeps pixels, order, names and labels of images of mixed sizes", async () => {
    const images = [
      await image(binary, 5, 7, "random", 1, { name: "b/one.png", label: 3 }),
      await image(binary, 2, 2, "stripes", 2, { name: "b/two.png" }),
      await image(binary, 5, 7, "sampled", 3, { label: 0 }),
      await image(binary, 1, 1, "random", 4, { name: "b/two.png" }),
      await image(binary, 2, 2, "random", 5),
    ];
    const bytes = await encodeImages(binary, images, { groupSize: 2, notes: '{"palette":["white","black"]}' });
    const decoded = await decodeArchive(binary, bytes);
    expect(pixelsOf(decoded)).toEqual(pixelsOf(images));
    expect(decoded.map(({ index }) => index)).toEqual([0, 1, 2, 3, 4]);
    expect(decoded.map(({ name }) => name)).toEqual([
      "b/one.png",
      "b/two.png",
      "image-000003",
      "b/two (2).png",
      "image-000005",
    ]);
    expect(decoded.map(({ label }) => label)).toEqual([3, undefined, 0, undefined, undefined]);
    const archive = openPxc(bytes) as Archive;
    expect(archive.header).toMatchObject({ channels: 1, levels: 2, notes: '{"palette":["white","black"]}' });
    expect(archive.groups.map(({ first, count }) => [first, count])).toEqual([
      [0, 2],
      [2, 2],
      [4, 1],
    ]);
  });

  test("opens each group alone", async () => {
    const images = await Promise.all([0, 1, 2, 3, 4].map((seed) => image(binary, 4, 4, "random", seed)));
    const archive = openPxc(await encodeImages(binary, images, { groupSize: 2 }));
    const [third] = await decodeOneGroup(binary, archive, 1);
    expect(third).toMatchObject({ index: 2, name: "image-000003" });
    expect([...third!.pixels]).toEqual([...images[2]!.pixels]);
    const seen = [];
    for await (const group of decodeGroups(binary, (archive as Archive).bytes)) seen.push(group.length);
    expect(seen).toEqual([2, 2, 1]);
  });

  test("stores the images of a group that the model makes larger, and only those", async () => {
    const model = await contextPredictor({ levels: 16 });
    const kinds: PixelKind[] = ["constant", "unlikely", "constant", "unlikely", "sampled"];
    const images = await Promise.all(kinds.map((kind, i) => image(model, 12, 12, kind, i)));
    const bytes = await encodeImages(model, images);
    const group = readGroup(openPxc(bytes) as Archive, 0);
    expect(group.stored).toEqual([false, true, false, true, false]);
    expect(group.payload.length - group.streamLength).toBe(2 * 72);
    expect(pixelsOf(await decodeArchive(model, bytes))).toEqual(pixelsOf(images));
  });

  test("runs the model once a group, also where images of it are stored", async () => {
    const model = await contextPredictor({ levels: 16 });
    let runs = 0;
    const counting: Predictor = {
      ...model,
      forced(...given) {
        runs++;
        return model.forced(...given);
      },
    };
    const kinds: PixelKind[] = ["constant", "unlikely", "constant"];
    const images = await Promise.all(kinds.map((kind, i) => image(model, 12, 12, kind, i)));
    const group = readGroup(openPxc(await encodeImages(counting, images)) as Archive, 0);
    expect([runs, group.stored]).toEqual([1, [false, true, false]]);
    const others = Uint8Array.of(...images[0]!.pixels, ...images[2]!.pixels);
    const alone = await encodeStream(model, others, { count: 2, height: 12, width: 12 });
    expect([...group.payload.subarray(0, group.streamLength)]).toEqual([...alone]);
  });

  test("is the same whatever the images' neighbours in the group decode to", async () => {
    const images = await Promise.all([0, 1, 2, 3, 4, 5, 6].map((seed) => image(colour, 3, 4, "sampled", seed)));
    for (const groupSize of [1, 2, 3, 7, 64]) {
      expect(pixelsOf(await decodeArchive(colour, await encodeImages(colour, images, { groupSize })))).toEqual(
        pixelsOf(images),
      );
    }
  });

  test("reports rows as they are done, and stops on request", async () => {
    const images = await Promise.all([0, 1, 2].map((seed) => image(binary, 4, 3, "zeros", seed)));
    const seen: CodecProgress[] = [];
    const bytes = await encodeImages(binary, images, { groupSize: 2, onProgress: (progress) => seen.push(progress) });
    expect(seen.map(({ images, row }) => [images, row])).toEqual([
      [0, 1],
      [0, 2],
      [0, 3],
      [0, 4],
      [2, 1],
      [2, 2],
      [2, 3],
      [2, 4],
    ]);
    expect(seen[0]).toEqual({ images: 0, count: 2, totalImages: 3, row: 1, rows: 4 });
    const stop = new AbortController();
    const error = await failure(
      decodeArchive(binary, bytes, { signal: stop.signal, onProgress: ({ row }) => row === 2 && stop.abort() }),
    );
    expect(error.kind).toBe("interrupted");
    expect(error.message).toMatch(/stopped on request at row 3 of 4/);
  });
});

describe("a file of one image", () => {
  test("has 24 bytes of header at 28 x 28", async () => {
    const zeros = await image(binary, 28, 28, "sampled", 1);
    const bytes = await encodeSingle(binary, zeros);
    const payload = await encodeStream(binary, zeros.pixels, { count: 1, height: 28, width: 28 });
    expect(bytes.length).toBe(24 + payload.length);
    const [decoded] = await decodeArchive(binary, bytes);
    expect([...decoded!.pixels]).toEqual([...zeros.pixels]);
  });

  test("is stored if that is smaller", async () => {
    const noise = await image(binary, 9, 9, "unlikely", 1);
    const bytes = await encodeSingle(binary, noise);
    expect(bytes.length).toBe(24 + packedLength(81, 2));
    expect([...(await decodeArchive(binary, bytes))[0]!.pixels]).toEqual([...noise.pixels]);
  });

  test("names the model that it needs", async () => {
    const bytes = await encodeSingle(binary, await image(binary, 3, 3, "random", 1));
    const other = await contextPredictor({ levels: 2, seed: 2 });
    const error = await failure(decodeArchive(other, bytes));
    expect(error.kind).toBe("model");
    expect(error.message).toMatch(
      /^byte 6: expected the model [0-9a-f]{16}, which coded this file, but received [0-9a-f]{16}$/,
    );
  });
});

test("a bare stream is only the range coder's bytes", async () => {
  const size = { count: 3, height: 5, width: 4 };
  const pixels = await makePixels(colour, size, "sampled");
  const stream = await encodeStream(colour, pixels, size);
  expect([...(await decodeStream(colour, stream, size))]).toEqual([...pixels]);
});

describe("an error", () => {
  test("names both models when the model is wrong", async () => {
    const bytes = await encodeImages(binary, [await image(binary, 3, 3, "random", 1)]);
    const other = await contextPredictor({ levels: 2, seed: 2 });
    const error = await failure(decodeArchive(other, bytes));
    expect(error.kind).toBe("model");
    expect(error.message).toMatch(
      /^byte 6: expected the model [0-9a-f]{64}, which coded this file, but received [0-9a-f]{64}$/,
    );
  });

  test("says which group, which images and what is damaged", async () => {
    const images = await Promise.all(
      [0, 1, 2, 3].map((seed) => image(binary, 8, 8, "random", seed, { name: `${seed}.png` })),
    );
    const bytes = await encodeImages(binary, images, { groupSize: 2 });
    const { offset, length } = (openPxc(bytes) as Archive).groups[1]!;
    bytes[offset + length - 1]! ^= 1;
    const error = await failure(decodeArchive(binary, bytes));
    expect(error.kind).toBe("corrupt");
    expect(error.message).toMatch(
      /^group 1 \(images 2 to 3, "2.png" first\): byte \d+: expected CRC-32 [0-9a-f]{8} for the group's bytes but found [0-9a-f]{8}$/,
    );
  });

  test("tells a predictor that gives other frequencies from a damaged file", async () => {
    const images = [await image(binary, 16, 16, "sampled", 1)];
    const bytes = await encodeImages(binary, images);
    const liar = { ...(await contextPredictor({ levels: 2, seed: 3 })), digest: binary.digest };
    const error = await failure(decodeArchive(liar, bytes));
    expect(error.kind).toBe("corrupt");
    expect(error.message).toMatch(
      /^group 0 .*(of the stream|the bytes are whole, so the encoder had other frequencies than this predictor)/,
    );
  });

  test("says what a file is not", async () => {
    const kinds: [Uint8Array, RegExp][] = [
      [new Uint8Array(0), /^byte 0: expected 89707863 for the file's first bytes but found nothing: not a .pxc file$/],
      [new TextEncoder().encode("hello"), /but found 68656c6c: not a .pxc file$/],
      [Uint8Array.of(0x09, 0x70, 0x78, 0x63, 1, 0), /cleared the high bit/],
      [Uint8Array.of(0x89, 0x70, 0x78, 0x63, 3, 0), /^byte 4: expected 1 or 2 for the format version but found 3/],
      [
        Uint8Array.of(0x89, 0x70, 0x78, 0x63, 1, 64),
        /^byte 5: expected reserved bits of zero for the flags but found 64$/,
      ],
      [
        Uint8Array.of(0x89, 0x70, 0x78, 0x63, 1, 0, 7),
        /^byte 6: expected 32 bytes for the model's digest but found 1 before the end \(truncated\)$/,
      ],
    ];
    for (const [bytes, words] of kinds) {
      const error = await failure(decodeArchive(binary, bytes));
      expect(error.message).toMatch(words);
      expect(error.kind).toBe("corrupt");
    }
  });

  test("of the caller's is a usage error", async () => {
    const fine = await image(binary, 3, 3, "random", 1);
    const wrong: [readonly CodecImage[], object, RegExp][] = [
      [[], {}, /at least one image/],
      [[{ ...fine, height: 4 }], {}, /expected 12 levels \(4 x 3 x 1\) for image 0 but received 9/],
      [[{ ...fine, height: 0 }], {}, /the height of image 0 but received 0/],
      [
        [fine, { ...fine, name: "x", pixels: new Uint8Array(9).fill(2) }],
        {},
        /levels below 2 for image 1 \("x"\) but received 2 at sub-pixel 0/,
      ],
      [[{ ...fine, label: -1 }], {}, /label of image 0/],
      [[{ ...fine, name: "x".repeat(1025) }], {}, /at most 1024 bytes for the name of image 0/],
      [[{ ...fine, name: "\ud800" }], {}, /surrogate/],
      [[{ ...fine, condition: 1 }], {}, /expected no condition/],
      [[fine], { groupSize: 0 }, /groupSize/],
      [[fine], { pixelBudget: 8 }, /at most 8 sub-pixels \(pixelBudget\) for image 0 but received 3 x 3 x 1/],
      [[fine], { notes: "\udc00" }, /surrogate/],
    ];
    for (const [images, options, words] of wrong) {
      const error = await failure(encodeImages(binary, images, options));
      expect(error.message).toMatch(words);
      expect(error.kind).toBe("usage");
    }
  });

  test("stops a decoder before it takes more memory than allowed", async () => {
    const images = [await image(binary, 20, 20, "random", 1), await image(binary, 20, 20, "random", 2)];
    const bytes = await encodeImages(binary, images, { groupSize: 1 });
    expect((await failure(decodeArchive(binary, bytes, { pixelBudget: 399 }))).message).toMatch(
      /at most 399 sub-pixels \(the pixel budget\)/,
    );
    expect((await failure(decodeArchive(binary, bytes, { totalBudget: 799 }))).message).toMatch(
      /at most 799 sub-pixels in all/,
    );
    expect(await decodeArchive(binary, bytes, { pixelBudget: 400, totalBudget: 800 })).toHaveLength(2);
  });
});
