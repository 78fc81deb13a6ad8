import { createHash } from "node:crypto";
import { crc32 as zlibCrc32 } from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { tensor } from "../tensor.ts";
import { ByteReader, ByteWriter } from "./bytes.ts";
import { crc32 } from "./crc32.ts";
import { canonicalJson, hex, modelDigest, modelManifest, sha256 } from "./digest.ts";
import { bitsPerLevel, packedLength, packLevels, unpackLevels } from "./packed-levels.ts";

describe("varints", () => {
  const numbers = fc.oneof(fc.nat(300), fc.maxSafeNat());

  test("come back, in 7 bits a byte", () => {
    fc.assert(
      fc.property(numbers, (n) => {
        const bytes = new ByteWriter().varint(n).finish();
        expect(bytes.length).toBe(Math.max(1, Math.ceil(BigInt(n).toString(2).length / 7)));
        expect(new ByteReader(bytes).varint("n")).toBe(n);
      }),
    );
  });

  test("have one form: whatever reads is what would be written", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 10 }), (bytes) => {
        const reader = new ByteReader(bytes);
        let n: number;
        try {
          n = reader.varint("n");
        } catch (error) {
          expect((error as Error).message).toMatch(/^byte \d+: expected .* for n but found /);
          return;
        }
        expect(new ByteWriter().varint(n).finish()).toEqual(bytes.slice(0, reader.offset));
      }),
      { numRuns: 1000 },
    );
  });

  test("say where they are wrong", () => {
    expect(() => new ByteReader(Uint8Array.of(5, 0x80, 0), 1).varint("the width")).toThrow(
      "byte 1: expected the shortest form of a number for the width but found 2 bytes ending in zero",
    );
    expect(() => new ByteReader(Uint8Array.of(0x80)).varint("the width")).toThrow(
      "byte 1: expected 1 bytes for the width but found 0 before the end (truncated)",
    );
    expect(() => new ByteReader(Uint8Array.of(9)).varint("the width", 0, 8)).toThrow(
      "byte 0: expected a number from 0 to 8 for the width but found 9",
    );
    expect(() => new ByteReader(new Uint8Array(9).fill(255)).varint("the width")).toThrow(/at most 8 bytes/);
  });
});

test("fixed-size numbers come back, little-endian", () => {
  fc.assert(
    fc.property(fc.nat(2 ** 32 - 1), fc.float({ noNaN: true, noDefaultInfinity: true }), (n, x) => {
      const bytes = new ByteWriter().byte(7).u32(n).float32(x).finish();
      const reader = new ByteReader(bytes);
      expect([reader.byte("a"), reader.u32("b"), reader.float32("c"), reader.left]).toEqual([7, n, x, 0]);
    }),
  );
  expect([...new ByteWriter().u32(0xd4c3b2a1).finish()]).toEqual([0xa1, 0xb2, 0xc3, 0xd4]);
  expect(() => new ByteReader(Uint8Array.of(0, 0, 0xc0, 0x7f)).float32("x")).toThrow(
    /finite number for x but found NaN/,
  );
});

test("CRC-32 is zlib's, in parts too", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.uint8Array({ maxLength: 50 }), (a, b) => {
      expect(crc32(a)).toBe(zlibCrc32(a));
      expect(crc32(b, crc32(a))).toBe(zlibCrc32(Uint8Array.of(...a, ...b)));
    }),
  );
});

test("packed levels come back, in the fewest whole bits each", () => {
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 256 }), fc.array(fc.nat(255), { maxLength: 40 }), (levels, list) => {
      const pixels = Uint8Array.from(list, (n) => n % levels);
      const packed = packLevels(pixels, levels);
      expect(packed.length).toBe(packedLength(pixels.length, levels));
      expect([...unpackLevels(packed, pixels.length, levels)]).toEqual([...pixels]);
    }),
  );
  expect([2, 3, 4, 5, 16, 17, 255, 256].map(bitsPerLevel)).toEqual([1, 2, 2, 3, 4, 5, 8, 8]);
  expect(() => unpackLevels(Uint8Array.of(0b11), 1, 3)).toThrow(
    "byte 0 of the stored levels: expected a level below 3 but found 3",
  );
  expect(() => unpackLevels(Uint8Array.of(0b100), 2, 2)).toThrow("expected zeros in the bits left over");
});

describe("a model's digest", () => {
  const weights = Float32Array.of(0.5, -1, 3e-8, 1e30);
  const parameters = () =>
    new Map([
      ["b", tensor("float32", [2, 2], weights.slice())],
      ["a", tensor("float32", [1], Float32Array.of(7))],
    ]);

  test("is the SHA-256 of a text that anyone can make again", async () => {
    const sums = [Float32Array.of(7), weights].map((data) =>
      createHash("sha256").update(new Uint8Array(data.buffer)).digest("hex"),
    );
    const manifest = await modelManifest({ width: 2, family: "x", head: { features: 1, kind: "y" } }, parameters());
    expect(manifest).toBe(
      `{"config":{"family":"x","head":{"features":1,"kind":"y"},"width":2},"parameters":[{"name":"a","sha256":"${sums[0]}","shape":[1]},` +
        `{"name":"b","sha256":"${sums[1]}","shape":[2,2]}],"versions":{"exp":1,"frequencies":1,"levelMap":1,"manifest":1}}`,
    );
    const digest = await modelDigest(
      { head: { kind: "y", features: 1 }, family: "x", width: 2 },
      [...parameters()].reverse(),
    );
    expect(hex(digest)).toBe(createHash("sha256").update(manifest).digest("hex"));
    expect(await sha256(new TextEncoder().encode("abc"))).toEqual(
      new Uint8Array(createHash("sha256").update("abc").digest()),
    );
  });

  test("changes with every bit of every weight, name, shape, setting and version", async () => {
    const digests = new Set<string>();
    const config = { width: 2, head: { features: 1 } };
    let made = 0;
    const add = async (...args: Parameters<typeof modelDigest>) => {
      made++;
      digests.add(hex(await modelDigest(...args)));
    };
    await add(config, parameters());
    for (let bit = 0; bit < 128; bit++) {
      const changed = parameters();
      const bytes = new Uint8Array(changed.get("b")!.data.buffer);
      bytes[bit >> 3]! ^= 1 << (bit & 7);
      await add(config, changed);
    }
    await add(config, new Map([...parameters()].map(([name, value]) => [`${name}x`, value])));
    await add(
      config,
      new Map([
        ["a", parameters().get("a")!],
        ["b", { ...parameters().get("b")!, shape: [4] }],
      ]),
    );
    await add({ ...config, width: 3 }, parameters());
    await add({ ...config, head: { features: 2 } }, parameters());
    await add(config, parameters(), { exp: 2 });
    await add(config, parameters(), { levelMap: 2 });
    expect(digests.size).toBe(made);
  });

  test("refuses a config that is not JSON", () => {
    expect(() => canonicalJson({ a: [1, Number.NaN] })).toThrow(
      "expected a finite number for config.a[1] but received NaN",
    );
    expect(() => canonicalJson({ a: () => 1 })).toThrow("expected a JSON value for config.a but received function");
    expect(canonicalJson({ b: undefined, a: "\u2028" })).toBe(JSON.stringify({ a: "\u2028" }));
  });
});
