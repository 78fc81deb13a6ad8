import { describe, expect, test } from "vitest";
import { PixelcnnError } from "../errors.ts";
import { randomFrom } from "../random.ts";
import { RangeDecoder, RangeEncoder, TOTAL } from "./range-coder.ts";

const HALVES = Uint32Array.of(0, TOTAL / 2, TOTAL);

function encode(symbols: readonly number[], table: Uint32Array): Uint8Array {
  const encoder = new RangeEncoder();
  for (const symbol of symbols) encoder.encode(table[symbol]!, table[symbol + 1]! - table[symbol]!);
  return encoder.finish();
}

function decode(bytes: Uint8Array, count: number, table: Uint32Array): number[] {
  const decoder = new RangeDecoder(bytes);
  const symbols = Array.from({ length: count }, () => decoder.decode(table, 0, table.length - 1));
  decoder.finish();
  return symbols;
}

describe("a stream", () => {
  test("of nothing takes no bytes", () => {
    expect(encode([], HALVES)).toHaveLength(0);
    expect(decode(new Uint8Array(0), 0, HALVES)).toEqual([]);
  });

  test("of fair bits is those bits, most significant first", () => {
    expect([...encode([1, 0, 1, 1, 0, 0, 1, 1, 1], HALVES)]).toEqual([0b10110011, 0b10000000]);
  });

  test("ends on the shortest number inside its interval", () => {
    // [0.25, 0.5) holds 0x40 / 256; [0.75, 1) needs one byte; 24 zeros in a row need none beyond those written.
    expect([...encode([0, 1], HALVES)]).toEqual([0x40]);
    expect([...encode([0, 0], HALVES)]).toEqual([]);
    expect([...encode([1, 1], HALVES)]).toEqual([0xc0]);
  });

  test("carries through a run of 255", () => {
    // Just under one half for a long time, then just over it.
    const third = Uint32Array.of(0, TOTAL / 2 - 1, TOTAL / 2 + 1, TOTAL);
    for (const tail of [0, 1, 2]) {
      const symbols = [...new Array<number>(40).fill(1), tail, tail];
      expect(decode(encode(symbols, third), symbols.length, third)).toEqual(symbols);
    }
  });

  test("gives the last symbol what division leaves over", () => {
    // After a symbol of odd width the range is no multiple of 2^24, and the remainder must stay decodable.
    const odd = Uint32Array.of(0, 5592405, TOTAL - 1, TOTAL);
    const symbols = Array.from({ length: 3000 }, (_, i) => (i % 7 === 0 ? 2 : i % 3));
    expect(decode(encode(symbols, odd), symbols.length, odd)).toEqual(symbols);
  });
});

describe("a strict decoder", () => {
  const random = randomFrom(5);
  const table = Uint32Array.of(0, 1_000_000, 9_000_000, TOTAL);
  const symbols = Array.from({ length: 200 }, () => random.below(3));
  const bytes = encode(symbols, table);

  test("refuses a stream that is too short, and says where it ends", () => {
    expect(() => decode(bytes.subarray(0, 10), 200, table)).toThrow(
      /^byte 10 of the stream: expected more bytes but found its end \(truncated\)$/,
    );
  });

  test("refuses bytes left over", () => {
    const longer = Uint8Array.of(...bytes, 0, 0);
    expect(() => decode(longer, 200, table)).toThrow(/of the stream: expected its end but found/);
  });

  test("refuses another ending that means the same symbols", () => {
    const other = encode([1, 1, 0, 1], HALVES); // 0xd0
    expect(decode(other, 4, HALVES)).toEqual([1, 1, 0, 1]);
    for (const last of [0xd1, 0xd8, 0xdf]) {
      expect(() => decode(Uint8Array.of(last), 4, HALVES)).toThrow(
        /byte 0 of the stream: expected the shortest ending of these symbols but found/,
      );
    }
  });

  test("refuses tables that do not fill the range instead of clamping", () => {
    const short = Uint32Array.of(0, 10, 20);
    expect(() => decode(Uint8Array.of(0xff, 0xff), 4, short)).toThrow(/expected a value below 20 but found 16776960/);
  });

  test("throws errors of kind corrupt", () => {
    try {
      decode(new Uint8Array(0), 200, table);
    } catch (error) {
      expect(error).toBeInstanceOf(PixelcnnError);
      expect((error as PixelcnnError).kind).toBe("corrupt");
    }
    expect.assertions(2);
  });
});

test("an encoder refuses an impossible interval", () => {
  expect(() => new RangeEncoder().encode(5, 0)).toThrow(/frequency >= 1/);
  expect(() => new RangeEncoder().encode(TOTAL, 1)).toThrow(/2\^24/);
  expect(() => new RangeEncoder().encode(Number.NaN, 1)).toThrow(/NaN/);
});
