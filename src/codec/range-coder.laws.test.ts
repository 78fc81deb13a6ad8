import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { PixelcnnError } from "../errors.ts";
import { randomFrom } from "../random.ts";
import { cumulativeFromWeights, leastBits } from "./frequencies.ts";
import { RangeDecoder, RangeEncoder, TOTAL } from "./range-coder.ts";

/** A table of `levels` frequencies, from flat to as steep as 24 bits allow. */
const tables = fc
  .record({ levels: fc.integer({ min: 2, max: 256 }), seed: fc.nat(), steepness: fc.constantFrom(1, 2, 8, 30) })
  .map(({ levels, seed, steepness }) => {
    const random = randomFrom(seed);
    const weights = Uint32Array.from({ length: levels }, () => Math.floor(2 ** 21 * random.uniform() ** steepness));
    weights[random.below(levels)] = 2 ** 21;
    const table = new Uint32Array(levels + 1);
    cumulativeFromWeights(weights, levels, table);
    return table;
  });

const streams = fc
  .record({
    tables: fc.array(tables, { minLength: 1, maxLength: 4 }),
    length: fc.nat(300),
    seed: fc.nat(),
    skewed: fc.boolean(),
  })
  .map(({ tables, length, seed, skewed }) => {
    const random = randomFrom(seed, 1);
    const steps = Array.from({ length }, (_, i) => {
      const table = tables[i % tables.length]!;
      const levels = table.length - 1;
      return { table, symbol: skewed ? drawn(table, random.below(TOTAL)) : random.below(levels) };
    });
    return steps;
  });

type Steps = readonly { table: Uint32Array; symbol: number }[];

function drawn(table: Uint32Array, target: number): number {
  let symbol = 0;
  while (table[symbol + 1]! <= target) symbol++;
  return symbol;
}

function encode(steps: Steps): Uint8Array {
  const encoder = new RangeEncoder();
  for (const { table, symbol } of steps) encoder.encode(table[symbol]!, table[symbol + 1]! - table[symbol]!);
  return encoder.finish();
}

function decode(bytes: Uint8Array, steps: Steps): number[] {
  const decoder = new RangeDecoder(bytes);
  const symbols = steps.map(({ table }) => decoder.decode(table, 0, table.length - 1));
  decoder.finish();
  return symbols;
}

function bitsOf(steps: Steps): number {
  return steps.reduce((sum, { table, symbol }) => sum - Math.log2((table[symbol + 1]! - table[symbol]!) / TOTAL), 0);
}

describe("the range coder", { timeout: 60_000 }, () => {
  test("gives back every stream of symbols", () => {
    fc.assert(
      fc.property(streams, (steps) => {
        expect(decode(encode(steps), steps)).toEqual(steps.map((step) => step.symbol));
      }),
    );
  });

  test("adds at most 9 bits to a stream, 4 on average, and 2e-5 bits a symbol", () => {
    let excess = 0;
    const runs = 300;
    fc.assert(
      fc.property(streams, (steps) => {
        const extra = 8 * encode(steps).length - bitsOf(steps);
        excess += extra;
        expect(extra).toBeLessThan(9 + 2e-5 * steps.length);
      }),
      { numRuns: runs, seed: 1 },
    );
    expect(excess / runs).toBeLessThan(4);
    expect(excess / runs).toBeGreaterThan(0);
  });

  test("decodes no two byte strings to the same symbols: what it accepts, it would have written", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 12 }),
        fc.array(tables, { minLength: 1, maxLength: 3 }),
        fc.nat(12),
        (bytes, some, length) => {
          const steps = Array.from({ length }, (_, i) => ({ table: some[i % some.length]!, symbol: 0 }));
          const symbols = corruptOr(() => decode(bytes, steps));
          if (symbols === undefined) return;
          expect(encode(steps.map((step, i) => ({ ...step, symbol: symbols[i]! })))).toEqual(bytes);
        },
      ),
      { numRuns: 1000 },
    );
  });

  test("is a bijection between two-byte strings and what they decode to, all 65,793 of them", () => {
    const table = Uint32Array.of(0, 7_000_000, 7_000_001, 12_345_678, TOTAL);
    const seen = new Set<string>();
    let accepted = 0;
    for (let n = 0; n <= 2; n++) {
      for (let value = 0; value < 256 ** n; value++) {
        const bytes = Uint8Array.from({ length: n }, (_, i) => (value >> (8 * i)) & 255);
        const decoder = new RangeDecoder(bytes);
        const symbols: number[] = [];
        const ok = corruptOr(() => {
          for (let i = 0; i < 6; i++) symbols.push(decoder.decode(table, 0, 4));
          decoder.finish();
          return true;
        });
        if (!ok) continue;
        accepted++;
        seen.add(symbols.join());
      }
    }
    expect(seen.size).toBe(accepted);
    expect(accepted).toBeGreaterThan(700);
  });

  test("never lets a changed, cut or lengthened stream decode to the same symbols", () => {
    fc.assert(
      fc.property(streams, fc.nat(), fc.integer({ min: 1, max: 255 }), (steps, at, change) => {
        const bytes = encode(steps);
        const symbols = steps.map((step) => step.symbol);
        const mutants = [Uint8Array.of(...bytes, 0), Uint8Array.of(...bytes, change), bytes.slice(0, -1)];
        const flipped = bytes.slice();
        if (bytes.length > 0) flipped[at % bytes.length]! ^= change;
        for (const mutant of [...mutants, flipped]) {
          if (mutant.length === bytes.length && mutant.every((byte, i) => byte === bytes[i])) continue;
          expect(corruptOr(() => decode(mutant, steps))).not.toEqual(symbols);
        }
      }),
    );
  });

  test("knows from a prefix only what every continuation agrees on", () => {
    fc.assert(
      fc.property(streams, fc.nat(), fc.uint8Array({ minLength: 40, maxLength: 40 }), (steps, at, other) => {
        const bytes = encode(steps);
        const cut = bytes.subarray(0, at % (bytes.length + 1));
        for (const length of [bytes.length, Number.POSITIVE_INFINITY]) {
          const sure: number[] = [];
          const decoder = new RangeDecoder(cut, { length });
          for (const { table } of steps) {
            const symbol = decoder.decode(table, 0, table.length - 1);
            if (symbol < 0) break;
            sure.push(symbol);
          }
          expect(sure).toEqual(steps.slice(0, sure.length).map((step) => step.symbol));
          // Any other ending decodes to the same symbols first.
          const continued = new RangeDecoder(
            Uint8Array.of(...cut, ...other.subarray(0, length === Number.POSITIVE_INFINITY ? 40 : length - cut.length)),
          );
          for (const [i, symbol] of sure.entries())
            expect(continued.decode(steps[i]!.table, 0, steps[i]!.table.length - 1)).toBe(symbol);
        }
      }),
    );
  });

  test("is sure of all but the last few symbols of a prefix", () => {
    const random = randomFrom(9);
    const table = Uint32Array.from({ length: 17 }, (_, i) => i * 2 ** 20);
    const steps = Array.from({ length: 400 }, () => ({ table, symbol: random.below(16) }));
    const bytes = encode(steps);
    const decoder = new RangeDecoder(bytes.subarray(0, 100), { length: bytes.length });
    let sure = 0;
    while (decoder.decode(table, 0, 16) >= 0) sure++;
    expect(sure).toBeGreaterThanOrEqual(195);
    expect(sure).toBeLessThanOrEqual(200);
  });
});

describe("frequencies", () => {
  test("rise strictly from 0 to 2^24 and equal the formula in exact integers", () => {
    const weights = fc.array(fc.oneof(fc.nat(2 ** 21), fc.constantFrom(0, 1, 2 ** 21)), {
      minLength: 2,
      maxLength: 256,
    });
    fc.assert(
      fc.property(weights, (list) => {
        const positive = list.some((w) => w > 0) ? list : [2 ** 21, ...list.slice(1)];
        const levels = positive.length;
        const out = new Uint32Array(levels + 1);
        cumulativeFromWeights(Uint32Array.from(positive), levels, out);
        const sum = positive.reduce((a, b) => a + BigInt(b), 0n);
        let prefix = 0n;
        for (let i = 0; i <= levels; i++) {
          expect(out[i]).toBe(i + Number((prefix * BigInt(TOTAL - levels)) / sum));
          if (i > 0) expect(out[i]!).toBeGreaterThan(out[i - 1]!);
          prefix += BigInt(positive[i] ?? 0);
        }
        expect(out[0]).toBe(0);
        expect(out[levels]).toBe(TOTAL);
      }),
    );
  });

  test("stay exact at the largest weights there are", () => {
    const weights = new Uint32Array(256).fill(2 ** 21);
    const out = new Uint32Array(257);
    cumulativeFromWeights(weights, 256, out);
    expect([...out]).toEqual(Array.from({ length: 257 }, (_, i) => i * 65536));
  });

  test("refuse weights that are none", () => {
    const out = new Uint32Array(3);
    expect(() => cumulativeFromWeights(new Uint32Array(2), 2, out)).toThrow(/positive weight/);
    expect(() => cumulativeFromWeights(Int32Array.of(-1, 5), 2, out)).toThrow(/level 0 but received -1/);
    expect(() => cumulativeFromWeights(Uint32Array.of(0, 2 ** 21 + 1), 2, out)).toThrow(/level 1/);
  });

  test("cost at least leastBits a symbol", () => {
    for (const levels of [2, 3, 16, 256]) {
      const weights = new Uint32Array(levels);
      weights[0] = 2 ** 21;
      const out = new Uint32Array(levels + 1);
      cumulativeFromWeights(weights, levels, out);
      expect(-Math.log2(out[1]! / TOTAL)).toBeCloseTo(leastBits(levels), 12);
    }
  });
});

/** The value of `action`, undefined if it found damage; anything else is a failed test. */
function corruptOr<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch (error) {
    if (error instanceof PixelcnnError && error.kind === "corrupt") return undefined;
    throw error;
  }
}
