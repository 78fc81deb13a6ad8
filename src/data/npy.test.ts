import { expect, test } from "vitest";
import { readNpy, writeNpy } from "./npy.ts";

const bytesOf = (text: string): Uint8Array => Uint8Array.from(text, (c) => c.charCodeAt(0));
/** A file with this header and these bytes of numbers. */
const file = (header: string, numbers: number, version = "\x01\0"): Uint8Array => {
  const length = [header.length & 255, header.length >> 8, ...(version === "\x02\0" ? [0, 0] : [])];
  return bytesOf(`\x93NUMPY${version}${String.fromCharCode(...length)}${header}${"\0".repeat(numbers)}`);
};
const header = (descr = "<f4", shape = "(2, 3)", order = "False"): string =>
  `{'descr': '${descr}', 'fortran_order': ${order}, 'shape': ${shape}, }\n`;

test("numpy's own bytes are read, and the same are written", () => {
  // numpy.save of numpy.arange(6, dtype="<f4").reshape(2, 3), numpy 2.4.6: a header padded with spaces to 128 bytes in
  // all.
  const head = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }".padEnd(117);
  const numbers = new Uint8Array(Float32Array.from([0, 1, 2, 3, 4, 5]).buffer);
  const numpy = new Uint8Array([...bytesOf(`\x93NUMPY\x01\0v\0${head}\n`), ...numbers]);
  expect(numpy.length).toBe(128 + 24);
  const { shape, data } = readNpy(numpy, "a.npy");
  expect(shape).toEqual([2, 3]);
  expect(data).toEqual(Float32Array.from([0, 1, 2, 3, 4, 5]));
  expect(Buffer.from(writeNpy([2, 3], data)).equals(numpy)).toBe(true);
});

test("version 2.0, one-byte integers of either spelling, vectors and single numbers are read", () => {
  expect(readNpy(file(header(), 24, "\x02\0"), "a.npy").shape).toEqual([2, 3]);
  expect(readNpy(file(header("<u1"), 6), "a.npy").data).toEqual(new Uint8Array(6));
  expect(readNpy(file(header("|i1", "(6,)"), 6), "a.npy").shape).toEqual([6]);
  expect(readNpy(file(header("<f8", "()"), 8), "a.npy")).toEqual({ shape: [], data: new Float64Array(1) });
  expect(readNpy(file(`{"shape": (0, 4), "fortran_order": False, "descr": "<i8"}`, 0), "a.npy")).toEqual({
    shape: [0, 4],
    data: new BigInt64Array(0),
  });
});

test("what is not such a file is refused with what was expected and received", () => {
  const read = (bytes: Uint8Array) => () => readNpy(bytes, "a.npy");
  expect(read(bytesOf("PK\x03\x04 a zip file"))).toThrow(
    "expected a .npy file (its first bytes \\x93NUMPY) at a.npy but received a ZIP archive: unpack it first",
  );
  expect(read(new Uint8Array(3))).toThrow("at a.npy but received 3 bytes");
  expect(read(file(header(), 24, "\x03\0"))).toThrow(
    "expected version 1.0 or 2.0 of the .npy format in a.npy but received 3.0",
  );
  expect(read(file(header(), 24).subarray(0, 40))).toThrow("bytes in a.npy but received a file of 40 bytes");
  expect(read(file(header(), 23))).toThrow(
    "expected 24 bytes of numbers in a.npy, whose header says <f4 [2, 3], but received 23",
  );
  expect(read(file(header(), 25))).toThrow("but received 25");
  expect(read(file(header(">f4"), 24))).toThrow(
    'expected numbers of a type among <f4, <f8, |i1, <i2, <i4, <i8, |u1, <u2, <u4, <u8 in a.npy but received ">f4"; ' +
      'in numpy: array.astype("<f4")',
  );
  expect(read(file("{'descr': [('x', '<f4')], 'fortran_order': False, 'shape': (2,)}", 8))).toThrow(
    "but received \"[('x', '<f4')]\"",
  );
  expect(read(file(header("|O"), 24))).toThrow('but received "|O"');
  expect(read(file(header("<f4", "(2, 3)", "True"), 24))).toThrow(
    "expected C order in a.npy but received Fortran order; in numpy: numpy.ascontiguousarray(array)",
  );
  expect(read(file(header("<f4", "(999999999999, 999999999999)"), 24))).toThrow(
    "whose header says <f4 [999999999999, 999999999999], but received 24",
  );
  expect(read(file(header("<f4", "(-2, 3)"), 24))).toThrow(
    "expected whole numbers for the shape of a.npy but received (-2, 3)",
  );
  expect(read(file("{'descr': '<f4'}", 24))).toThrow("expected descr, fortran_order and shape in the header of a.npy");
  expect(() => writeNpy([2, 2], new Float32Array(3))).toThrow(
    "expected 4 numbers for the shape [2, 2] of a .npy file but received 3",
  );
});
