/** The safetensors reader faces files from anywhere: what is right comes back number for number, what is wrong
 * is one kind of error and never a wrong tensor. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { PixelcnnError } from "../errors.ts";
import { sizeOf, type Tensor, tensor } from "../tensor.ts";
import { readSafeTensors, type SafeTensors, writeSafeTensors } from "./safetensors.ts";

type Floats = Tensor<"float32">;

/** The numbers; -0 is not 0, and NaN is NaN, whose payload JavaScript does not keep. */
const numbers = (bytes: Uint8Array): number[] => [...new Float32Array(bytes.slice().buffer)];
const shown = ({ tensors, metadata }: SafeTensors) => ({
  tensors: [...tensors].map(([name, t]) => ({ name, dtype: t.dtype, shape: t.shape, numbers: [...t.data] })),
  metadata: Object.entries(metadata),
});

/** What the reader makes of bytes: tensors, or a refusal. Any other error is the reader's mistake. */
function attempt(bytes: Uint8Array): SafeTensors | string {
  try {
    return readSafeTensors(bytes, "here");
  } catch (error) {
    if (!(error instanceof PixelcnnError) || error.kind !== "model") throw error;
    expect(error.message).toMatch(/^expected a safetensors file at here but /);
    return error.message;
  }
}

/** A file from a header, as JSON or text, and its data. */
function fileOf(header: unknown, data: Uint8Array = new Uint8Array(0)): Uint8Array {
  const text = new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + text.length + data.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
  bytes.set(text, 8);
  bytes.set(data, 8 + text.length);
  return bytes;
}

/** Names that a JavaScript object treats in its own way, among others. */
const names = fc.oneof(
  fc.constantFrom(
    "__proto__",
    "constructor",
    "toString",
    "hasOwnProperty",
    "0",
    "10",
    "",
    "layer1.vertical.W_f",
    "\u{1f600}\u2028",
  ),
  fc.string({ maxLength: 12, unit: "binary" }).filter((name) => name !== "__metadata__"),
);
const tensors = fc
  .array(fc.integer({ min: 0, max: 4 }), { maxLength: 4 })
  .chain((shape) =>
    fc
      .uint8Array({ minLength: sizeOf(shape) * 4, maxLength: sizeOf(shape) * 4 })
      .map((bytes) => tensor("float32", shape, new Float32Array(bytes.slice().buffer))),
  );
const files = fc.record({
  tensors: fc
    .uniqueArray(fc.tuple(names, tensors), { maxLength: 5, selector: ([name]) => name })
    .map((pairs) => new Map(pairs)),
  metadata: fc.dictionary(
    names.filter((name) => name !== "__proto__"),
    fc.string({ unit: "binary" }),
    { maxKeys: 3, noNullPrototype: true },
  ),
});

describe("a file", () => {
  test("gives back each name, shape and number, and the metadata", () => {
    fc.assert(
      fc.property(files, ({ tensors, metadata }) => {
        const found = readSafeTensors(writeSafeTensors(tensors, metadata), "here");
        // An object's integer keys come first in JSON, so the order of names may change; nothing else may.
        const sorted = (map: ReadonlyMap<string, Floats>) => new Map([...map].sort(([a], [b]) => (a < b ? -1 : 1)));
        expect(shown({ tensors: sorted(found.tensors), metadata: found.metadata })).toEqual(
          shown({ tensors: sorted(tensors), metadata }),
        );
      }),
      { numRuns: 300 },
    );
  });

  test("starts its data at a multiple of 8 and is read wherever it lies in a buffer", () => {
    fc.assert(
      fc.property(files, fc.integer({ min: 0, max: 9 }), ({ tensors, metadata }, shift) => {
        const bytes = writeSafeTensors(tensors, metadata);
        expect(Number(new DataView(bytes.buffer).getBigUint64(0, true)) % 8).toBe(0);
        const moved = new Uint8Array(bytes.length + shift + 3).fill(0xa5);
        moved.set(bytes, shift);
        expect(shown(readSafeTensors(moved.subarray(shift, shift + bytes.length), "here"))).toEqual(
          shown(readSafeTensors(bytes, "here")),
        );
      }),
    );
  });

  test("is, byte for byte, what the format's description says", () => {
    const bytes = writeSafeTensors(new Map([["w", tensor("float32", [1, 2], Float32Array.of(1, -2))]]), { a: "b" });
    const header = '{"__metadata__":{"a":"b"},"w":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]}}';
    const padded = header.padEnd(Math.ceil(header.length / 8) * 8);
    expect([...bytes]).toEqual([
      padded.length,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      ...new TextEncoder().encode(padded),
      0,
      0,
      128,
      63,
      0,
      0,
      0,
      192,
    ]);
  });
});

describe("a damaged file", () => {
  const sample = writeSafeTensors(
    new Map([
      ["layer1.W", tensor("float32", [2, 3], Float32Array.of(1, 2, 3, 4, 5, 6))],
      ["layer1.b", tensor("float32", [2], Float32Array.of(-1, 0.5))],
    ]),
    { step: "3" },
  );

  test("cut at any byte is refused", () => {
    for (let length = 0; length < sample.length; length++)
      expect(attempt(sample.slice(0, length)), `${length} bytes`).toBeTypeOf("string");
    fc.assert(
      fc.property(
        files.filter(({ tensors }) => [...tensors.values()].some((t) => t.data.length > 0)),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        ({ tensors, metadata }, part) => {
          const bytes = writeSafeTensors(tensors, metadata);
          expect(attempt(bytes.slice(0, Math.floor(part * bytes.length)))).toBeTypeOf("string");
        },
      ),
    );
  });

  test("with any byte of its header changed is refused, or is read as what its header then says", () => {
    const header = 8 + Number(new DataView(sample.buffer).getBigUint64(0, true));
    for (let at = 0; at < header; at++)
      for (const flip of [1, 2, 16, 64, 128, 255]) {
        const changed = sample.slice();
        changed[at]! ^= flip;
        checkAgainstHeader(changed);
      }
  });

  test("of random bytes, or with a random header, is refused or is what its header says", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => void checkAgainstHeader(bytes)),
      { numRuns: 500 },
    );
    fc.assert(
      fc.property(
        fc.json(),
        fc.uint8Array({ maxLength: 32 }),
        (header, data) => void checkAgainstHeader(fileOf(header, data)),
      ),
      { numRuns: 500 },
    );
    const number = fc.oneof(
      fc.integer({ min: -8, max: 40 }),
      fc.constantFrom(0.5, -0, 1e308, 2 ** 53, 2 ** 32, 2 ** 31, "4", null, true, [], {}),
    );
    const entry = fc.oneof(
      fc.record(
        {
          dtype: fc.constantFrom("F32", "F32", "F32", "F16", 7, null),
          shape: fc.oneof(fc.array(number, { maxLength: 3 }), fc.constantFrom(null, "2", 2, {})),
          data_offsets: fc.oneof(
            fc.array(number, { maxLength: 3 }),
            fc.tuple(number, number),
            fc.constantFrom(null, "04", 4, {}),
          ),
        },
        { requiredKeys: [] },
      ),
      fc.jsonValue(),
    );
    const headers = fc
      .tuple(fc.array(fc.tuple(names, entry), { maxLength: 3 }), fc.option(fc.jsonValue(), { nil: undefined }))
      .map(
        ([entries, metadata]) =>
          // As text, since an object would swallow "__proto__".
          `{${[...entries, ...(metadata === undefined ? [] : [["__metadata__", metadata] as const])]
            .map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`)
            .join()}}`,
      );
    fc.assert(
      fc.property(
        headers,
        fc.uint8Array({ maxLength: 64 }),
        (header, data) => void checkAgainstHeader(fileOf(header, data)),
      ),
      { numRuns: 3000 },
    );
  });

  /**
   * Where a file is read, each tensor must be exactly the bytes that the header names, and all of them must lie apart.
   */
  function checkAgainstHeader(bytes: Uint8Array): void {
    const found = attempt(bytes);
    if (typeof found === "string") return;
    const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
    const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)));
    const named = Object.keys(header).filter((name) => name !== "__metadata__");
    expect([...found.tensors.keys()].sort()).toEqual(named.sort());
    const spans: [number, number][] = [];
    for (const [name, value] of found.tensors) {
      const { dtype, shape, data_offsets: span } = Object.getOwnPropertyDescriptor(header, name)!.value;
      expect(dtype).toBe("F32");
      expect(value.shape).toEqual(shape);
      expect(shape.every((n: unknown) => Number.isInteger(n) && (n as number) >= 0)).toBe(true);
      expect(span[1] - span[0]).toBe(sizeOf(shape) * 4);
      expect([...value.data]).toEqual(numbers(bytes.slice(8 + length + span[0], 8 + length + span[1])));
      if (span[1] > span[0]) spans.push(span);
    }
    spans.sort(([a], [b]) => a - b);
    for (let i = 1; i < spans.length; i++) expect(spans[i]![0]).toBeGreaterThanOrEqual(spans[i - 1]![1]);
    for (const text of Object.values(found.metadata)) expect(text).toBeTypeOf("string");
  }

  const entry = (part: object) => ({ w: { dtype: "F32", shape: [2], data_offsets: [0, 8], ...part } });
  const eight = new Uint8Array(8);
  test.each([
    ["fewer than 8 bytes", Uint8Array.of(1, 2), "it has only 2 bytes"],
    [
      "a header longer than the file",
      Uint8Array.of(9, 0, 0, 0, 0, 0, 0, 0, 123, 125),
      /^its header claims 9 bytes of 2; the file is truncated or of another kind$/,
    ],
    [
      "a header of 2^64 - 1 bytes",
      new Uint8Array(16).fill(255),
      /^its header claims \d+ bytes of 8; the file is truncated/,
    ],
    ["a header that is not UTF-8", Uint8Array.of(2, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xfe), "its header is not JSON"],
    ["a header that is not JSON", fileOf("{w"), "its header is not JSON"],
    ["a header that is a list", fileOf([]), "its header is not an object"],
    ["a header that is null", fileOf("null"), "its header is not an object"],
    ["another type of number", fileOf(entry({ dtype: "F16" }), eight), 'tensor w is "F16", not "F32"'],
    ["a negative offset", fileOf(entry({ data_offsets: [-8, 0] }), eight), "the data_offsets of tensor w are [-8,0]"],
    [
      "offsets in the wrong order",
      fileOf(entry({ data_offsets: [8, 0] }), eight),
      "tensor w of shape [2] has offsets 8..0",
    ],
    [
      "offsets of another size than the shape's",
      fileOf(entry({ data_offsets: [0, 4] }), eight),
      "tensor w of shape [2] has offsets 0..4",
    ],
    [
      "a fraction of a byte",
      fileOf(entry({ data_offsets: [0.5, 8.5] }), new Uint8Array(16)),
      "the data_offsets of tensor w are [0.5,8.5]",
    ],
    [
      "an end beyond the file's",
      fileOf(entry({ data_offsets: [4, 12] }), eight),
      /^tensor w ends at byte \d+ of \d+; the file is truncated$/,
    ],
    [
      "a huge shape",
      fileOf(entry({ shape: [2 ** 31, 2 ** 31], data_offsets: [0, 2 ** 64] }), eight),
      "the data_offsets of tensor w are [0,18446744073709552000]",
    ],
    [
      "a shape whose product overflows",
      fileOf(entry({ shape: [1e200, 1e200], data_offsets: [0, 8] }), eight),
      "the shape of tensor w is [1e+200,1e+200]",
    ],
    ["a negative shape", fileOf(entry({ shape: [-1, -2] }), eight), "the shape of tensor w is [-1,-2]"],
    ["no shape", fileOf({ w: { dtype: "F32", data_offsets: [0, 8] } }, eight), "the shape of tensor w is missing"],
    ["no offsets", fileOf({ w: { dtype: "F32", shape: [2] } }, eight), "the data_offsets of tensor w are missing"],
    ["an entry that is no object", fileOf({ w: null }), "tensor w is not described by an object"],
    ["metadata that is no object of words", fileOf({ __metadata__: null }), "its metadata is not an object of strings"],
    ["metadata of numbers", fileOf({ __metadata__: { step: 3 } }), "its metadata is not an object of strings"],
    ["bytes that no tensor names", fileOf(entry({}), new Uint8Array(11)), "it has 3 bytes after its last tensor"],
    [
      "a hole before a tensor",
      fileOf(entry({ data_offsets: [4, 12] }), new Uint8Array(12)),
      "tensor w begins at byte 4 of the data, not at 0, where the one before it ends",
    ],
    [
      "two tensors that overlap",
      fileOf({ ...entry({}), v: { dtype: "F32", shape: [1], data_offsets: [4, 8] } }, eight),
      "tensor v begins at byte 4 of the data, not at 8, where the one before it ends",
    ],
  ])("with %s: the words", (_, bytes, words) => {
    const found = attempt(bytes);
    expect(found).toBeTypeOf("string");
    const reason = (found as string).replace("expected a safetensors file at here but ", "");
    if (typeof words === "string") expect(reason).toBe(words);
    else expect(reason).toMatch(words);
  });
});
