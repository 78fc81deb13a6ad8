import fc from "fast-check";
import { expect, test } from "vitest";
import { type Picture, padTo, toChannels, usesAlpha, usesColour } from "./picture.ts";

const pictures = (channels: 1 | 3 | 4): fc.Arbitrary<Picture> =>
  fc
    .tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 4 }))
    .chain(([height, width]) =>
      fc
        .uint8Array({ minLength: height * width * channels, maxLength: height * width * channels })
        .map((pixels) => ({ height, width, channels, pixels })),
    );

test("grey survives a way through colour and alpha exactly", () => {
  fc.assert(
    fc.property(pictures(1), (grey) => {
      for (const channels of [3, 4] as const) {
        const wide = toChannels(grey, channels);
        expect([usesColour(wide), usesAlpha(wide)]).toEqual([false, false]);
        expect(toChannels(wide, 1)).toEqual(grey);
      }
    }),
  );
});

test("colour survives a way through alpha exactly, and clear pixels become white", () => {
  fc.assert(
    fc.property(pictures(3), (colour) => {
      expect(toChannels(toChannels(colour, 4), 3)).toEqual(colour);
    }),
  );
  const clear: Picture = { height: 1, width: 2, channels: 4, pixels: new Uint8Array([9, 8, 7, 0, 9, 8, 7, 128]) };
  expect(usesAlpha(clear)).toBe(true);
  expect([...toChannels(clear, 3).pixels]).toEqual([255, 255, 255, 132, 131, 131]);
});

test("padding keeps the picture in the middle and adds zeros", () => {
  fc.assert(
    fc.property(pictures(3), fc.nat(3), fc.nat(3), (picture, up, left) => {
      const padded = padTo(picture, picture.height + 2 * up, picture.width + 2 * left);
      expect(padded.pixels.reduce((a, b) => a + b, 0)).toBe(picture.pixels.reduce((a, b) => a + b, 0));
      const at = (up * padded.width + left) * 3;
      expect(padded.pixels.subarray(at, at + picture.width * 3)).toEqual(picture.pixels.subarray(0, picture.width * 3));
    }),
  );
});
