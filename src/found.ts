/** What the first bytes of a file say that it is, in words, for the "received" half of a message. */

const text = (bytes: Uint8Array, from: number, to: number): string =>
  String.fromCharCode(...bytes.subarray(from, Math.min(to, bytes.length)));

/** Each with what to do about it, where something can be done. */
const KINDS: readonly (readonly [(start: string, bytes: Uint8Array) => boolean, string])[] = [
  [(s) => /^\s*(<!doctype html|<html)/i.test(s), "an HTML page (a download that failed, or a login page)"],
  [
    (s) => s.startsWith("version https://git-lfs"),
    "a Git LFS pointer: the file itself was not fetched; run git lfs pull",
  ],
  [
    (s) => /^\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)?<svg/is.test(s),
    "an SVG drawing, which has no pixels: export it as PNG",
  ],
  [(s) => s.startsWith("\x89PNG"), "a PNG image"],
  [(s) => s.startsWith("\xff\xd8\xff"), "a JPEG image"],
  [(s) => /^GIF8[79]a/.test(s), "a GIF image"],
  [(s) => s.startsWith("RIFF") && s.slice(8, 12) === "WEBP", "a WebP image"],
  [(s) => /^(II\*\0|MM\0\*)/.test(s), "a TIFF image"],
  [(s) => /^....ftyp(heic|heix|mif1|msf1|hevc)/s.test(s), "a HEIC image, which is not read: convert it to PNG or JPEG"],
  [(s) => /^....ftypavif/s.test(s), "an AVIF image"],
  [(s) => s.startsWith("8BPS"), "a Photoshop document, which is not read: export it as PNG"],
  [
    (s) => s.startsWith("\xff\n") || s.startsWith("\0\0\0\fJXL "),
    "a JPEG XL image, which is not read: convert it to PNG",
  ],
  [(s) => /^BM....\0\0\0\0/s.test(s), "a BMP image, which is not read: convert it to PNG"],
  [(s) => s.startsWith("PAR1"), "a Parquet file"],
  [(s) => s.startsWith("\x93NUMPY"), "a NumPy file (.npy)"],
  [
    (s) => s.startsWith("PK\x03\x04") && /archive\/data\.pkl|data\.pkl/.test(s),
    "a PyTorch file (a pickle), which is not read",
  ],
  [(s) => s.startsWith("PK\x03\x04") && /\.npy/.test(s), "a NumPy archive (.npz): save one array as .npy"],
  [(s) => s.startsWith("PK\x03\x04"), "a ZIP archive: unpack it first"],
  [(s) => s.startsWith("\x1f\x8b"), "gzip data: unpack it first"],
  [(s) => s.startsWith("\x80") && s.charCodeAt(1) >= 2 && s.charCodeAt(1) <= 5, "a Python pickle, which is not read"],
  [(_, b) => text(b, 257, 262) === "ustar", "a tar archive: unpack it first"],
  [(s) => s.startsWith("%PDF"), "a PDF document"],
  [(s) => s.startsWith("\x89pxc"), "a .pxc archive"],
  [(s) => s.startsWith("\x7fELF"), "a program"],
  [(_, b) => isSafeTensors(b), "a safetensors file"],
];

function isSafeTensors(bytes: Uint8Array): boolean {
  if (bytes.length < 10) return false;
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  return bytes.subarray(4, 8).every((b) => b === 0) && length > 1 && length < 2 ** 27 && bytes[8] === 0x7b;
}

/** Of a whole file or of its first bytes: "an HTML page", "an empty file", "text" or "3f 00 12 ...". */
export function foundIn(bytes: Uint8Array): string {
  if (bytes.length === 0) return "an empty file";
  const start = text(bytes, 0, 512);
  const known = KINDS.find(([is]) => is(start, bytes));
  if (known) return known[1];
  // Control characters other than white space are no text.
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  if (!/[\0-\x08\x0e-\x1f]/.test(start)) return "text";
  return `bytes that begin with ${[...bytes.subarray(0, 8)].map((b) => b.toString(16).padStart(2, "0")).join(" ")}`;
}
