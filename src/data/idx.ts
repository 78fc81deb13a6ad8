/**
 * IDX, the format of MNIST: a file of images (unsigned bytes, [N, H, W] or [N, H, W, C]) and a file of labels [N],
 * plain or gzip. Format: two zero bytes, the element type (8: unsigned byte), the number of axes, each axis as a
 * big-endian 32-bit integer, data.
 */

import { readdir } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { fail } from "../errors.ts";
import { foundIn } from "../found.ts";
import { type Bytes, openBytes } from "./bytes.ts";
import { type Dataset, datasetOf } from "./dataset.ts";
import { failToRead } from "./files.ts";
import type { Source } from "./source.ts";

export interface IdxOptions {
  /** The data set's name; the path when absent. */
  name?: string | undefined;
  classes?: readonly string[] | undefined;
  /** A plain file larger than this is read image by image. */
  cacheBytes: number;
  onWarning?: ((text: string) => void) | undefined;
}

const IMAGES = /^(.*?)(images)([-.]idx[34]-ubyte(?:\.gz)?)$/;

/** Whether a file is named as IDX files of images are: `train-images-idx3-ubyte`. */
export const isImagesFile = (name: string): boolean => IMAGES.test(name);

/** What a file's name says: the set, and which part of it ("emnist-letters-train-" is train of emnist-letters). */
function partOf(file: string): { set: string; part: "train" | "test" | null } | null {
  const prefix = IMAGES.exec(file)?.[1];
  if (prefix === undefined) return null;
  const [, set = "", part] = /^(?:(.*)[-_.])?(train|t10k|test)[-_.]$/i.exec(prefix) ?? [];
  if (part === undefined) return { set: prefix, part: null };
  return { set, part: part.toLowerCase() === "train" ? "train" : "test" };
}

/** A folder of the four usual files, of one set, or one file of images. */
export async function idxSource(
  path: string,
  { isFolder, ...options }: IdxOptions & { isFolder: boolean },
): Promise<Source> {
  const folder = isFolder ? path : dirname(path);
  const files = (await readdir(folder).catch((error) => failToRead(folder, error))).sort();
  const one = isFolder ? undefined : basename(path);
  const open = (file: string, split: string) => (): Promise<Dataset> => openIdx(folder, file, files, split, options);
  const asked = one === undefined ? undefined : partOf(one);
  if (one !== undefined && !asked) return { kind: "whole", open: open(one, "all") };
  const images = files.filter((file) => partOf(file) !== null);
  const plain = images.filter((file) => !file.endsWith(".gz") || !images.includes(file.slice(0, -3)));
  const sets = [...new Set(plain.map((file) => partOf(file)!.set))];
  if (one === undefined && sets.length === 0) {
    fail(
      "data",
      `expected a file such as train-images-idx3-ubyte or train-images-idx3-ubyte.gz in ${folder} but received ` +
        `${files.length} other files`,
    );
  }
  if (one === undefined && sets.length > 1) {
    const firsts = sets.map((set) => plain.find((file) => partOf(file)!.set === set)!);
    fail(
      "data",
      `expected one data set in ${folder} but received ${sets.length} (${firsts.join(", ")}): give the path of one ` +
        `file of the set you mean, such as ${join(folder, firsts[0]!)}`,
    );
  }
  const set = asked?.set ?? sets[0]!;
  const of = (part: "train" | "test" | null): string | undefined => {
    const found = plain.filter((file) => partOf(file)!.set === set && partOf(file)!.part === part);
    if (found.length > 1 && one === undefined)
      fail("data", `expected one file of ${part ?? "its"} images in ${folder} but received ${found.join(" and ")}`);
    return one !== undefined && found.includes(one) ? one : found[0];
  };
  const train = of("train");
  const test = of("test");
  if (train !== undefined && test !== undefined && (one === undefined || one === train || one === test))
    return { kind: "divided", train: open(train, "train"), test: open(test, "test") };
  const file = one ?? train ?? test ?? of(null)!;
  return { kind: "whole", open: open(file, "all"), onlyTest: partOf(file)!.part === "test" };
}

async function openIdx(
  folder: string,
  file: string,
  files: readonly string[],
  split: string,
  options: IdxOptions,
): Promise<Dataset> {
  const images = await openBytes(join(folder, file), { memory: options.cacheBytes });
  try {
    const [length, height, width, channels = 1] = await axesOf(images, [3, 4], "images");
    const labelFile = labelFileOf(file, files, options.onWarning);
    const labels = labelFile === undefined ? null : await readLabels(join(folder, labelFile), length!, file);
    const classes = options.classes ?? (labels ? classesUpTo(labels) : null);
    const most = labels?.reduce((a, b) => Math.max(a, b), 0) ?? 0;
    if (classes && most >= classes.length) {
      fail("data", `expected labels from 0 to ${classes.length - 1} in ${labelFile} but received ${most}`);
    }
    const name = options.name ?? folder;
    const size = height! * width! * channels;
    const header = images.length - length! * size;
    return datasetOf(
      {
        name,
        split,
        height: height!,
        width: width!,
        channels,
        levels: 256,
        length: length!,
        classes,
        nameOf: (index) => (split === "all" ? `${name}/${index}` : `${name}/${split}/${index}`),
        labelOf: (index) => labels?.[index] ?? -1,
        close: () => images.close(),
      },
      async (indices, pixels, targetLabels) => {
        await Promise.all(
          Array.from(indices, async (k, i) => pixels.set(await images.read(header + k * size, size), i * size)),
        );
        if (labels) targetLabels.set(Array.from(indices, (k) => labels[k]!));
      },
    );
  } catch (error) {
    await images.close();
    throw error;
  }
}

/**
 * The axes that the header states, after checking magic, type, number of axes and that the file is exactly as long as
 * they say.
 */
async function axesOf(bytes: Bytes, ranks: readonly number[], what: string): Promise<number[]> {
  const start = bytes.length < 4 ? new Uint8Array(4).fill(255) : await bytes.read(0, 4);
  const rank = start[3]!;
  if (start[0] !== 0 || start[1] !== 0 || start[2] !== 8 || !ranks.includes(rank)) {
    const expected = ranks.map((r) => `0x0000080${r}`).join(" or ");
    const found = bytes.length < 4 ? `${bytes.length} bytes` : `0x${Buffer.from(start).toString("hex")}`;
    const kind = bytes.length < 4 ? "" : foundIn(await bytes.read(0, Math.min(bytes.length, 512)));
    const known = kind === "" || kind.startsWith("bytes") ? "" : `, ${kind}`;
    fail(
      "data",
      `expected the magic number ${expected} (IDX, unsigned bytes, ${what}) at the start of ${bytes.path} but ` +
        `received ${found}${known}`,
    );
  }
  const header = await bytes.read(4, 4 * rank);
  const view = new DataView(header.buffer, header.byteOffset, header.byteLength);
  const axes = Array.from({ length: rank }, (_, i) => view.getUint32(4 * i));
  const expected = 4 + 4 * rank + axes.reduce((a, b) => a * b, 1);
  if (expected !== bytes.length) {
    fail(
      "data",
      `expected ${expected} bytes for ${bytes.path}, whose header says [${axes.join(", ")}], but received ` +
        `${bytes.length}`,
    );
  }
  if (axes.slice(1).includes(0))
    fail("data", `expected images with pixels in ${bytes.path} but its header says [${axes.join(", ")}]`);
  return axes;
}

/**
 * The file of labels that goes with a file of images: train-images-idx3-ubyte.gz -> train-labels-idx1-ubyte, packed or
 * not, with "-" or "." before idx.
 */
function labelFileOf(images: string, files: readonly string[], onWarning: IdxOptions["onWarning"]): string | undefined {
  const match = IMAGES.exec(images);
  if (!match) return undefined;
  const beside = files.filter((file) => file.startsWith(`${match[1]}labels`));
  const pattern = /^labels[-.]idx1-ubyte(\.gz)?$/;
  const fitting = beside.filter((file) => pattern.test(file.slice(match[1]!.length)));
  if (fitting.length > 0) return fitting.find((file) => !file.endsWith(".gz")) ?? fitting[0];
  if (beside.length > 0)
    onWarning?.(
      `${beside.join(", ")} beside ${images} ${beside.length === 1 ? "is" : "are"} not read: labels are expected in ` +
        `${match[1]}labels-idx1-ubyte, so the images have no classes`,
    );
  return undefined;
}

async function readLabels(path: string, length: number, images: string): Promise<Uint8Array> {
  const bytes = await openBytes(path, { memory: Number.POSITIVE_INFINITY });
  const [count] = await axesOf(bytes, [1], "labels");
  if (count !== length)
    fail("data", `expected ${length} labels, one for each image of ${images}, in ${path} but received ${count}`);
  return bytes.read(8, length);
}

/** Names for bare numbers: "0", "1", ... up to the largest. */
export function classesUpTo(labels: ArrayLike<number>): string[] {
  let most = -1;
  for (let i = 0; i < labels.length; i++) most = Math.max(most, labels[i]!);
  return Array.from({ length: most + 1 }, (_, i) => String(i));
}
