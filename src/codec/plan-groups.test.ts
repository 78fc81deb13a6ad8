/** How many images share a group where nobody says it. */

import { describe, expect, test } from "vitest";
import { encodeImages, planArchive } from "./codec.ts";
import { type Archive, openPxc, readGroup } from "./container.ts";
import { contextPredictor } from "./context-predictor.test-support.ts";

const grey = await contextPredictor({ levels: 2 });
const colour = await contextPredictor({ levels: 2, channels: 3 });
const sizes = (count: number, side: number, predictor = grey, options = {}): number[] =>
  planArchive(predictor, new Array(count).fill({ height: side, width: side }), options).map(({ length }) => length);

describe("groups of their usual size", () => {
  test("hold 1,024 small images at most, and as many as the others", () => {
    expect(sizes(10_000, 28)).toEqual(new Array(10).fill(1000));
    expect(sizes(20_001, 28)).toEqual([...new Array(19).fill(1001), 982]);
    expect(Math.max(...sizes(10_000, 32, colour))).toBeLessThanOrEqual(2 ** 20 / (32 * 32 * 3));
  });

  test("are eight or more, so that as many threads have work, from 512 images on", () => {
    expect(sizes(4000, 28)).toEqual(new Array(8).fill(500));
    expect(sizes(512, 28)).toEqual(new Array(8).fill(64));
    expect(sizes(100, 28)).toEqual([50, 50]);
    expect(sizes(3, 28)).toEqual([3]);
  });

  test("hold 64 large images, if the pixel budget has room for them", () => {
    expect(sizes(128, 256)).toEqual([64, 64]);
    expect(sizes(5, 2048)).toEqual([3, 2]);
    expect(sizes(2, 4096, colour)).toEqual([1, 1]);
  });

  test("do not change a size that is asked for", () => {
    expect(sizes(130, 28, grey, { groupSize: 64 })).toEqual([64, 64, 2]);
    expect(sizes(5, 2048, grey, { groupSize: 64 })).toEqual([4, 1]);
  });

  test("take less than 0.3 % of a file of 10,000 images at 0.1 bits a sub-pixel", async () => {
    const images = new Array(10_000).fill({ height: 1, width: 1, pixels: Uint8Array.of(0) });
    const archive = openPxc(await encodeImages(grey, images)) as Archive;
    const payload = archive.groups.reduce((sum, _, i) => sum + readGroup(archive, i).payload.length, 0);
    expect(archive.bytes.length - payload).toBeLessThan(0.003 * ((10_000 * 784 * 0.1083) / 8));
  });
});
