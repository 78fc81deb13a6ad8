import { expect, test } from "vitest";
import { decodeNetpbm } from "./netpbm.ts";

const file = (header: string, raster: readonly number[]): Uint8Array =>
  Buffer.concat([Buffer.from(header, "latin1"), Buffer.from(raster)]);

test("grey and colour, comments, and any largest value are read", () => {
  expect(decodeNetpbm(file("P5\n# a comment\n3 2\n255\n", [1, 2, 3, 4, 5, 255]), "a.pgm")).toEqual({
    height: 2,
    width: 3,
    channels: 1,
    pixels: new Uint8Array([1, 2, 3, 4, 5, 255]),
  });
  expect(decodeNetpbm(file("P6 1 2 #x\n255 ", [1, 2, 3, 4, 5, 6]), "a.ppm")).toMatchObject({
    height: 2,
    width: 1,
    channels: 3,
  });
  // The byte after the header is one white space, whatever the raster begins with.
  expect([...decodeNetpbm(file("P5 2 1 255\n", [10, 32]), "a.pgm").pixels]).toEqual([10, 32]);
  expect([...decodeNetpbm(file("P5 3 1 15\n", [0, 7, 15]), "a.pgm").pixels]).toEqual([0, 119, 255]);
  expect([...decodeNetpbm(file("P5 3 1 65535\n", [0, 0, 128, 0, 255, 255]), "a.pgm").pixels]).toEqual([0, 128, 255]);
});

test("a damaged file is refused with what was expected and found", () => {
  expect(() => decodeNetpbm(file("P5 3 2 255\n", [1, 2]), "cut.pgm")).toThrow(
    "expected 6 bytes of pixels in cut.pgm (3 wide, 2 high) but received 2",
  );
  expect(() => decodeNetpbm(file("P5 3 x", []), "x.pgm")).toThrow(
    "expected a positive height in the header of x.pgm but received no number",
  );
  expect(() => decodeNetpbm(file("P5 0 2 255\n", []), "0.pgm")).toThrow(
    "expected a positive width in the header of 0.pgm but received 0",
  );
  expect(() => decodeNetpbm(file("P5 1 1 7\n", [8]), "8.pgm")).toThrow(
    "expected values from 0 to 7 in 8.pgm but received 8",
  );
  expect(() => decodeNetpbm(file("P5 1 1 70000\n", [8]), "m.pgm")).toThrow(
    "expected a largest value of at most 65535 in m.pgm but received 70000",
  );
  expect(() => decodeNetpbm(file("P5 9999999999 9999999999 255\n", [8]), "big.pgm")).toThrow("but received 1");
});
