/**
 * How small and how fast is the codec? A model's archive of a data set beside PNG, lossless WebP, JPEG XL and others
 * (peer-codecs.ts), each as one file an image and as one file of all images; speed on one and two threads, in groups of
 * their usual size, of 64 and alone; the payload against the float64 score of the other engine.
 *   node bench/codec.ts <model> <data> [--limit N] [--files N] [--lossy-levels] [--peers-only | --no-peers]
 *     [--peer NAME]
 * <data> as for `pixelcnn compress` (mnist, mnist:test:0-999, a folder of one size). Everything is decoded and
 * compared.
 */

import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { nameRuns, writeNotes } from "../src/codec/archive-notes.ts";
import { type CodecImage, decodeArchive, type EncodeOptions, encodeImages, encodeSingle } from "../src/codec/codec.ts";
import { openPxc, readGroup, writeArchive, writeGroups } from "../src/codec/container.ts";
import type { GroupRecord } from "../src/codec/group-record.ts";
import { openGroupThreads } from "../src/codec/group-threads.ts";
import { datasetFromArrays } from "../src/data/dataset.ts";
import { likelihood } from "../src/measure/likelihood.ts";
import { archiveReport } from "../src/reports/archive-report.ts";
import { openCodingModel } from "../src/runs/archive-model.ts";
import type { SourceImage } from "../src/runs/source-image.ts";
import { openSourceImages } from "../src/runs/source-images.ts";
import { peerSizes } from "./peer-codecs.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    limit: { type: "string" },
    files: { type: "string", default: "200" },
    "lossy-levels": { type: "boolean", default: false },
    "peers-only": { type: "boolean", default: false },
    peer: { type: "string" },
    "no-peers": { type: "boolean", default: false },
  },
});
const [modelName, dataName] = positionals;
if (!modelName || !dataName) throw new Error("expected <model> <data>");
const lossy = values["lossy-levels"];

const model = await openCodingModel(modelName, 1);
const { predictor, run } = model;
const { channels, levels } = predictor;
const sources = await openSourceImages([dataName], run, {
  limit: values.limit === undefined ? undefined : Number(values.limit),
  split: "test",
  ownLevels: lossy,
  strict: !lossy,
  tell: { warn: console.error, note: console.error },
});
const images: SourceImage[] = [];
for await (const image of sources.read()) images.push(image);
await sources.close();
const { height, width } = images[0]!;
if (images.some((image) => image.height !== height || image.width !== width))
  throw new Error("expected images of one size");
const perImage = height * width * channels;
const dims = images.length * perImage;
const bare: CodecImage[] = images.map(({ pixels }) => ({ height, width, pixels }));
const few = bare.slice(0, Number(values.files));
const step = `step ${model.step}`;
console.log(
  `${modelName} (${step}) on ${images.length} images of ${dataName}, ${height}x${width}x${channels}, ${levels} ` +
    `levels${lossy ? ", nearest levels" : ""}`,
);

const line = (what: string, ...cells: string[]): void =>
  console.log(`${what.padEnd(44)}${cells.map((cell) => cell.padStart(16)).join("")}`);
const perDim = (bytes: number | string, count: number): string =>
  typeof bytes === "string" ? bytes : ((8 * bytes) / (count * perImage)).toFixed(4);

async function timed<T>(work: () => Promise<T>): Promise<[T, number]> {
  const started = performance.now();
  return [await work(), (performance.now() - started) / 1000];
}

function same(a: readonly { pixels: Uint8Array }[], b: readonly { pixels: Uint8Array }[]): void {
  const differs = a.length !== b.length || a.some(({ pixels }, i) => Buffer.compare(pixels, b[i]!.pixels) !== 0);
  if (differs) throw new Error("expected the images that went in but others came out");
}

function groupsOf(bytes: Uint8Array): GroupRecord[] {
  const file = openPxc(bytes);
  if (file.kind !== "archive") throw new Error("expected an archive");
  return file.groups.map((_, index) => readGroup(file, index));
}

async function ours(): Promise<void> {
  const pool = openGroupThreads(model, predictor, { count: 2 });
  await encodeImages(predictor, few, { threads: pool }); // starts the threads
  line("", "encode", "decode", "in all");
  const speed = async (
    what: string,
    given: readonly CodecImage[],
    options: EncodeOptions,
  ): Promise<{ bytes: Uint8Array; seconds: [number, number] }> => {
    const [bytes, encoding] = await timed(() => encodeImages(predictor, given, options));
    const [back, decoding] = await timed(() => decodeArchive(predictor, bytes, options));
    same(given, back);
    const rate = (seconds: number): string => `${(given.length / seconds).toFixed(1)} images/s`;
    line(what, rate(encoding), rate(decoding), `${(encoding + decoding).toFixed(1)} s`);
    return { bytes, seconds: [encoding, decoding] };
  };
  const one = await speed(`all ${bare.length}, usual groups, one thread`, bare, {});
  const two = await speed(`all ${bare.length}, usual groups, two threads`, bare, { threads: pool });
  if (Buffer.compare(one.bytes, two.bytes) !== 0) throw new Error("expected the same bytes on two threads");
  const together = await speed(`the first ${few.length}, groups of 64, one thread`, few, { groupSize: 64 });
  const apart = await speed(`the first ${few.length}, one at a time, one thread`, few, { groupSize: 1 });
  await pool.close();
  const ratio = (a: number, b: number): string => `${(a / b).toFixed(2)}x`;
  console.log(
    `two threads over one: encode ${ratio(one.seconds[0], two.seconds[0])}, decode ` +
      `${ratio(one.seconds[1], two.seconds[1])}; ` +
      `64 over one at a time: encode ${ratio(apart.seconds[0], together.seconds[0])}, decode ` +
      `${ratio(apart.seconds[1], together.seconds[1])}; ` +
      `one at a time, encode over decode: ${ratio(apart.seconds[1], apart.seconds[0])}`,
  );
  const groups = groupsOf(one.bytes);
  const payload = groups.reduce((sum, group) => sum + group.payload.length, 0);
  const singles = await compareWithScore(groups);
  const whole = withNames(groups);
  await checkPrinted(whole);
  const fewBytes = singles.slice(0, few.length).reduce((sum, bytes) => sum + bytes, 0);
  line("\nbits/dim, whole files", `each of ${few.length}`, `one of ${images.length}`);
  line("pixelcnn", perDim(fewBytes, few.length), perDim(one.bytes.length, images.length));
  line("pixelcnn, with names and labels", "", perDim(whole.length, images.length));
  line(
    "pixelcnn, payload alone",
    perDim(fewBytes - few.length * singleHeader(), few.length),
    perDim(payload, images.length),
  );
}

/**
 * The payload may be 2e-5 of the float64 score and 4 bits an image over or under it: of each group, and of all images
 * as files of their own. A single file ends with a whole byte, so one image alone may be further off than they are
 * together. Returns the files' sizes.
 */
async function compareWithScore(groups: readonly GroupRecord[]): Promise<number[]> {
  const pixels = new Uint8Array(dims);
  for (const [i, image] of bare.entries()) pixels.set(image.pixels, i * perImage);
  const data = datasetFromArrays(
    { name: dataName!, split: "test", height, width, channels, levels, classes: null },
    pixels,
  );
  const { each } = await likelihood(model, data);
  const score = Float64Array.from(each, (nats) => nats / Math.LN2);
  const total = score.reduce((a, b) => a + b, 0);
  const allowed = (bits: number, count: number): number => 2e-5 * bits + 4 * count;
  const stored = groups.flatMap((group) => group.stored).filter(Boolean).length;
  const [most, least] = [
    { over: -Infinity, allowed: 0 },
    { over: Infinity, allowed: 0 },
  ];
  for (const { first, count, payload, stored } of groups) {
    const bits = score.subarray(first, first + count).reduce((a, b) => a + b, 0);
    const found = { over: 8 * payload.length - bits, allowed: allowed(bits, count) };
    if (found.over > most.over) Object.assign(most, found);
    if (found.over < least.over) Object.assign(least, found);
    // A stored image takes fewer bits than its score says.
    const within = found.over <= found.allowed && (stored.includes(true) || found.over >= -found.allowed);
    if (!within)
      throw new Error(
        `expected ${bits.toFixed(1)} bits from image ${first} on, give or take ${found.allowed.toFixed(1)}, but ` +
          `received ${8 * payload.length}`,
      );
  }
  const over = (bits: number): string =>
    `${(bits / images.length).toFixed(3)} bits an image (${(bits / total).toExponential(1)} of it)`;
  const payload = groups.reduce((sum, group) => sum + group.payload.length, 0);
  console.log(
    `float64 score of the throughput engine: ${perDim(total / 8, images.length)} bits/dim; ${stored} images stored`,
  );
  console.log(
    `archive's payload over it: ${over(8 * payload - total)}, of which 2e-5 and 4 bits an image are allowed; ` +
      `furthest groups: ${most.over.toFixed(1)} bits over, ${(-least.over).toFixed(1)} under, of ` +
      `${most.allowed.toFixed(1)} and ${least.allowed.toFixed(1)} allowed`,
  );

  const sizes: number[] = [];
  const overs: number[] = [];
  for (const [i, image] of bare.entries()) {
    const size = (await encodeSingle(predictor, image)).length;
    sizes.push(size);
    overs.push(8 * (size - singleHeader()) - score[i]!);
  }
  const sum = overs.reduce((a, b) => a + b, 0);
  console.log(
    `files of one image, their payload over it: ${over(sum)}; furthest: ${Math.max(...overs).toFixed(2)} bits over, ` +
      `${(-Math.min(...overs)).toFixed(2)} under`,
  );
  if (sum > allowed(total, images.length))
    throw new Error(`expected at most 2e-5 and 4 bits an image over the score but received ${over(sum)}`);
  return sizes;
}

/** The same groups in an archive as `pixelcnn compress` writes it. */
function withNames(groups: readonly GroupRecord[]): Uint8Array {
  const names = images.map(({ name }) => name);
  const labels = images.map(({ label }) => label);
  const runs = nameRuns(names);
  const tables = images.map(({ table }) => table);
  const notes = writeNotes({ model: modelName, classes: sources.classes, levels, tables, names: runs, lossy });
  const order = names.map((_, i) => i);
  return writeArchive({ ...predictor, notes }, writeGroups(predictor, groups), {
    names: runs ? names.map(() => "") : names,
    labels,
    order,
  });
}

/** What `pixelcnn info` prints of an archive must be its size on the disk. */
async function checkPrinted(archive: Uint8Array): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "pixelcnn-bench-"));
  try {
    const path = join(folder, "all.pxc");
    writeFileSync(path, archive);
    const { text = "" } = await archiveReport(path);
    const printed = /^bits\/dim +([\d.]+) \(8 x file size \/ (\d+) dims\)/m.exec(text);
    const expected = ((8 * statSync(path).size) / dims).toFixed(4);
    if (printed?.[1] !== expected || Number(printed[2]) !== dims)
      throw new Error(`expected info to print ${expected} bits/dim of ${dims} dims but received: ${text}`);
    console.log(`bits/dim as printed by info: ${printed[1]} = 8 x ${statSync(path).size} / ${dims}`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Bytes before the payload of a file of one image. */
function singleHeader(): number {
  const varint = (n: number): number => (n < 128 ? 1 : n < 16384 ? 2 : 3);
  return 22 + varint(height) + varint(width);
}

try {
  if (!values["peers-only"]) await ours();
  if (!values["no-peers"]) {
    const each = bare.map(({ pixels }) => pixels);
    for await (const { name, files, one } of peerSizes(
      { height, width, channels, levels, each },
      few.length,
      values.peer,
    ))
      line(name, perDim(files, few.length), perDim(one, images.length));
  }
} finally {
  await model.close();
}
process.exit(0);
