/** Texts and what files are, by their bytes. */

import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { foundIn } from "../found.ts";
import { encodePng } from "../pictures/png.ts";
import { decodeText } from "./files.ts";

const utf16 = (text: string, big: boolean): Uint8Array => {
  const bytes = Buffer.from(`\ufeff${text}`, "utf16le");
  return big ? bytes.swap16() : bytes;
};

test.each([
  ["UTF-8", Buffer.from("ä\nb"), "ä\nb"],
  ["UTF-8 with a mark", Buffer.from("\ufeffä"), "ä"],
  ["UTF-16, little end first", utf16("ä\nb", false), "ä\nb"],
  ["UTF-16, big end first", utf16("ä\nb", true), "ä\nb"],
  ["nothing", new Uint8Array(0), ""],
])("%s is read", (_, bytes, text) => expect(decodeText(bytes, "a.txt")).toBe(text));

test.each([
  ["Latin-1", Buffer.from("one\ntwo\ncaf\xe9\nfour", "latin1"), 3],
  ["half a letter at the end", Buffer.from([0x61, 0x0a, 0xc3]), 2],
  ["a surrogate", Buffer.from([0xed, 0xa0, 0x80]), 1],
  ["UTF-16 without a mark and with letters beyond ASCII", Buffer.from("\n\nÿ", "utf16le"), 3],
])("%s is refused with its line", (_, bytes, line) =>
  expect(() => decodeText(bytes, "a.txt")).toThrow(
    `expected text in UTF-8 in a.txt but line ${line} is none; save the file as UTF-8`,
  ),
);

const zip = (name: string): Buffer => Buffer.concat([Buffer.from("PK\x03\x04"), Buffer.alloc(26), Buffer.from(name)]);
const tar = (): Buffer => Buffer.concat([Buffer.alloc(257, "a"), Buffer.from("ustar\0")]);
test.each([
  ["<!DOCTYPE html><p>", /^an HTML page/],
  ["  <html>", /^an HTML page/],
  ["version https://git-lfs.github.com/spec/v1\noid", /^a Git LFS pointer.*run git lfs pull$/],
  ['<?xml version="1.0"?>\n<svg xmlns=', /^an SVG drawing/],
  [Buffer.from(encodePng({ height: 1, width: 1, channels: 1, pixels: new Uint8Array(1) })), /^a PNG image$/],
  ["\xff\xd8\xff\xe0", /^a JPEG image$/],
  ["\0\0\0\x18ftypheic", /^a HEIC image, which is not read/],
  ["BM\x10\0\0\0\0\0\0\0", /^a BMP image/],
  ["8BPS\0\x01", /^a Photoshop document/],
  ["\xff\n\x01", /^a JPEG XL image/],
  [zip("archive/data.pkl"), /^a PyTorch file/],
  [zip("arr_0.npy"), /^a NumPy archive/],
  [zip("a.txt"), /^a ZIP archive: unpack it first$/],
  [gzipSync("x"), /^gzip data: unpack it first$/],
  ["\x80\x04\x95", /^a Python pickle/],
  [tar(), /^a tar archive/],
  ["%PDF-1.7", /^a PDF document$/],
  ["PAR1", /^a Parquet file$/],
  ["\x93NUMPY\x01", /^a NumPy file/],
  ["", /^an empty file$/],
  ["file,label\na,b", /^text$/],
  ["\x01\x02\x03", /^bytes that begin with 01 02 03$/],
])("what %j is, is told by its bytes", (bytes, words) =>
  expect(foundIn(typeof bytes === "string" ? Buffer.from(bytes, "latin1") : bytes)).toMatch(words),
);
