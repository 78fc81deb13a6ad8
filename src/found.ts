/** What the first bytes of a file say that it is, in words, for the "received" half of a message. */

const text = (bytes: Uint8Array, from: number, to: number): string =>
  String.fromCharCode(...bytes.subarray(from, Math.min(to, bytes.length)));

/** The image formats that are read, each by its first bytes. */
const IMAGES = {
  png: [(s: string) => s.startsWith("\x89PNG\r\n\x1a\n"), "a PNG image"],
  jpeg: [(s: string) => s.startsWith("\xff\xd8\xff"), "a JPEG image"],
  gif: [(s: string) => /^GIF8[79]a/.test(s), "a GIF image"],
  webp: [(s: string) => s.startsWith("RIFF") && s.slice(8, 12) === "WEBP", "a WebP image"],
  // Classic TIFF and BigTIFF, in either order of bytes.
  tiff: [(s: string) => /^(II[*+]\0|MM\0[*+])/.test(s), "a TIFF image"],
  avif: [(s: string) => /^....ftypavi[fs]/s.test(s), "an AVIF image"],
  netpbm: [(s: string) => /^P[56][\s#]/.test(s), "a PGM or PPM image"],
} as const;

export type ImageKind = keyof typeof IMAGES;

/** Which image a file's first bytes say it is; null for what is none of the formats that are read. */
export function imageKind(bytes: Uint8Array): ImageKind | null {
  const start = text(bytes, 0, 32);
  return (Object.keys(IMAGES) as ImageKind[]).find((kind) => IMAGES[kind][0](start)) ?? null;
}

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
  [(s) => /^....ftyp(heic|heix|mif1|msf1|hevc)/s.test(s), "a HEIC image, which is not read: convert it to PNG or JPEG"],
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

/** {@link foundIn}, but null for what it does not know: for messages that already say what bytes there are. */
export function knownIn(bytes: Uint8Array): string | null {
  const found = foundIn(bytes);
  return found === "text" || found.startsWith("bytes that") || found === "an empty file" ? null : found;
}

/** Of a whole file or of its first bytes: "an HTML page", "an empty file", "text" or "3f 00 12 ...". */
export function foundIn(bytes: Uint8Array): string {
  if (bytes.length === 0) return "an empty file";
  const start = text(bytes, 0, 512);
  const image = imageKind(bytes);
  if (image) return IMAGES[image][1];
  const known = KINDS.find(([is]) => is(start, bytes));
  if (known) return known[1];
  // Control characters other than white space are no text.
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  if (!/[\0-\x08\x0e-\x1f]/.test(start)) return "text";
  return `bytes that begin with ${[...bytes.subarray(0, 8)].map((b) => b.toString(16).padStart(2, "0")).join(" ")}`;
}
