/**
 * Parquet files as the Hugging Face hub lays them out: a column of images, each a struct {bytes, path} or plain bytes,
 * and optionally a column of labels, integers or text. Class names come from the file's `huggingface` metadata where it
 * has them. Read by row groups, through a bounded cache; the codec that decodes the images is passed in.
 */

import { readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import zlib from "node:zlib";
import {
  type AsyncBuffer,
  type Compressors,
  type FileMetaData,
  parquetMetadataAsync,
  parquetReadObjects,
  parquetSchema,
} from "hyparquet";
import { fail, show } from "../errors.ts";
import { reasonOf } from "../words.ts";
import { boundedCache } from "./bounded-cache.ts";
import { type Bytes, openBytes } from "./bytes.ts";
import { asSplit, type Dataset, subset } from "./dataset.ts";
import { type CachedDataset, encodedImages, type ImageCodec, type ImageOptions } from "./encoded-images.ts";
import { failToRead } from "./files.ts";
import { classesUpTo } from "./idx.ts";
import type { Source } from "./source.ts";

/**
 * One file, or a folder (or its `data/`) of `train-*.parquet` and `test-*.parquet`. Both splits share size, channels
 * and classes.
 */
export async function parquetSource(
  path: string,
  codec: ImageCodec,
  options: ImageOptions & { isFolder: boolean },
): Promise<Source> {
  const files = options.isFolder ? await parquetFiles(path) : [path];
  if (files.length === 0)
    fail("data", `expected *.parquet files in ${path} or ${join(path, "data")} but received none`);
  const splitOf = (file: string): string | null => /^(train|test)(?![a-z])/.exec(basename(file))?.[1] ?? null;
  const splits = new Set(files.map(splitOf));
  const divided = splits.has("train") && splits.has("test");
  const used = divided ? files.filter((file) => splitOf(file) !== null) : files;
  if (used.length < files.length) {
    const left = files.filter((file) => !used.includes(file)).map((file) => basename(file));
    options.onWarning?.(
      `${left.length} files of ${path} that are neither train nor test are left out: ${left.slice(0, 8).join(", ")}`,
    );
  }
  let opened: Promise<Parquet> | undefined;
  const openOnce = (): Promise<Parquet> => {
    opened ??= openParquet(path, used, codec, options);
    return opened;
  };
  if (!divided) {
    return {
      kind: "whole",
      open: async () => (await openOnce()).dataset,
      onlyTest: splits.size === 1 && splits.has("test"),
    };
  }
  const part = async (split: string): Promise<Dataset> => {
    const { dataset, fileOf } = await openOnce();
    const indices = [...dataset.kept.keys()].filter((i) => splitOf(fileOf(dataset.kept[i]!)) === split);
    return asSplit(subset(dataset, indices), split);
  };
  return { kind: "divided", train: () => part("train"), test: () => part("test") };
}

/** Full paths of the Parquet files of a folder or of its `data/`, sorted. */
export async function parquetFiles(folder: string): Promise<string[]> {
  const list = async (path: string): Promise<string[]> =>
    (await readdir(path))
      .filter((file) => file.endsWith(".parquet") && !file.startsWith("."))
      .map((file) => join(path, file));
  const here = await list(folder).catch((error) => failToRead(folder, error));
  return (here.length > 0 ? here : await list(join(folder, "data")).catch(() => [])).sort();
}

interface Parquet {
  readonly dataset: CachedDataset;
  /** The file that holds a row, numbered over all files. */
  fileOf(row: number): string;
}

interface Group {
  readonly file: ParquetFile;
  /** Number, over all files, of its first row; and its first row in the file. */
  readonly first: number;
  readonly start: number;
  readonly rows: number;
}

interface ParquetFile {
  readonly path: string;
  readonly bytes: Bytes;
  readonly buffer: AsyncBuffer;
  readonly metadata: FileMetaData;
}

async function openParquet(
  path: string,
  paths: readonly string[],
  codec: ImageCodec,
  options: ImageOptions,
): Promise<Parquet> {
  const files: ParquetFile[] = [];
  const close = async (): Promise<void> => void (await Promise.all(files.map(({ bytes }) => bytes.close())));
  try {
    for (const file of paths) files.push(await openFile(file));
    const groups: Group[] = [];
    let length = 0;
    for (const file of files) {
      let start = 0;
      for (const group of file.metadata.row_groups) {
        const rows = Number(group.num_rows);
        groups.push({ file, first: length, start, rows });
        length += rows;
        start += rows;
      }
    }
    if (length === 0) fail("data", `expected rows in ${path} but received none`);
    const columns = columnsOf(files[0]!);
    for (const file of files) {
      const { image, label } = columnsOf(file);
      if (image !== columns.image || label !== columns.label) {
        fail(
          "data",
          `expected columns ${columns.image} and ${columns.label} in ${file.path}, as in ${files[0]!.path}, but ` +
            `received ${image} and ${label}`,
        );
      }
    }
    const { labels, classes } = await readLabels(files, columns);
    const groupOf = (row: number): Group => groups.findLast((group) => row >= group.first)!;
    const rowOf = (row: number): number => row - groupOf(row).first + groupOf(row).start;
    // Half of the bound for the encoded bytes of whole row groups, half for decoded images.
    const held = boundedCache<EncodedGroup>(options.cacheBytes / 2);
    const reading = new Map<Group, Promise<EncodedGroup>>();
    const readGroup = async (group: Group): Promise<EncodedGroup> => {
      const cached = held.get(group.first);
      if (cached) return cached;
      const already = reading.get(group);
      if (already) return already;
      const images = readImages(group, columns.image).finally(() => reading.delete(group));
      reading.set(group, images);
      const read = await images;
      held.set(
        group.first,
        read,
        read.reduce((sum, bytes) => sum + (bytes?.length ?? 0), 0),
      );
      return read;
    };
    const dataset = await encodedImages(
      {
        name: path,
        length,
        classes,
        nameOf: (row) => `${basename(groupOf(row).file.path)}/${rowOf(row)}`,
        whereOf: (row) => `row ${rowOf(row)} of ${groupOf(row).file.path}`,
        labelOf: (row) => labels[row]!,
        async read(row) {
          const group = groupOf(row);
          const bytes = (await readGroup(group))[row - group.first];
          return (
            bytes ?? fail("data", `expected an image in row ${rowOf(row)} of ${group.file.path} but received none`)
          );
        },
        close,
      },
      codec,
      { ...options, cacheBytes: options.cacheBytes / 2 },
    );
    return { dataset, fileOf: (row) => groupOf(row).file.path };
  } catch (error) {
    await close();
    throw error;
  }
}

async function openFile(path: string): Promise<ParquetFile> {
  const bytes = await openBytes(path, { memory: 0 });
  const buffer: AsyncBuffer = {
    byteLength: bytes.length,
    async slice(start, end = bytes.length) {
      const part = await bytes.read(start, end - start);
      return part.buffer.slice(part.byteOffset, part.byteOffset + part.byteLength) as ArrayBuffer;
    },
  };
  try {
    if (bytes.length < 12) fail("data", `expected a Parquet file at ${path} but received ${bytes.length} bytes`);
    const metadata = await parsing(path, () => parquetMetadataAsync(buffer, { geoparquet: false }));
    return { path, bytes, buffer, metadata };
  } catch (error) {
    await bytes.close();
    throw error;
  }
}

async function parsing<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof Error && error.name === "PixelcnnError") throw error;
    return fail("data", `expected a whole Parquet file at ${path} but received: ${reasonOf(error)}`, error);
  }
}

/** Codecs beyond hyparquet's own (none, Snappy) that node brings along. Node 20 has no Zstandard. */
const compressors: Compressors = {
  GZIP: (input) => zlib.gunzipSync(input),
  BROTLI: (input) => zlib.brotliDecompressSync(input),
  ...(zlib.zstdDecompressSync ? { ZSTD: (input: Uint8Array) => zlib.zstdDecompressSync(input) } : {}),
};

function readRows(
  file: ParquetFile,
  column: string,
  rowStart: number,
  rowEnd: number,
): Promise<Record<string, unknown>[]> {
  const { path, buffer, metadata } = file;
  const options = {
    file: buffer,
    metadata,
    columns: [column],
    rowStart,
    rowEnd,
    compressors,
    utf8: false,
    geoparquet: false,
  };
  return parsing(path, () => parquetReadObjects(options));
}

/** The bytes of each image of a row group; null where the row has none. */
type EncodedGroup = readonly (Uint8Array | null)[];

async function readImages(group: Group, column: string): Promise<EncodedGroup> {
  const rows = await readRows(group.file, column, group.start, group.start + group.rows);
  return rows.map((row) => {
    const cell = row[column];
    const bytes = cell instanceof Uint8Array ? cell : (cell as { bytes?: unknown } | null)?.bytes;
    return bytes instanceof Uint8Array ? bytes : null;
  });
}

interface Columns {
  image: string;
  label: string | null;
  names: string[] | null;
}

/** Which columns hold images and labels: what the Hugging Face metadata says, otherwise the usual names. */
function columnsOf({ path, metadata }: ParquetFile): Columns {
  const columns = parquetSchema(metadata).children.map(({ element }) => element.name);
  const features = Object.entries(featuresOf(metadata)).filter(([name]) => columns.includes(name));
  const classLabel = features.find(([, feature]) => feature?._type === "ClassLabel");
  const image =
    features.find(([, feature]) => feature?._type === "Image")?.[0] ??
    ["image", "img"].find((name) => columns.includes(name));
  const label =
    classLabel?.[0] ?? ["label", "labels", "fine_label", "class"].find((name) => columns.includes(name)) ?? null;
  if (image === undefined)
    fail("data", `expected a column image in ${path} but received the columns ${columns.join(", ")}`);
  const names = classLabel?.[1]?.names;
  return {
    image,
    label,
    names: Array.isArray(names) && names.every((name) => typeof name === "string") ? names : null,
  };
}

/**
 * `huggingface` in the key-value metadata: {"info": {"features": {"label": {"_type": "ClassLabel", "names": [...]}}}}.
 */
function featuresOf(metadata: FileMetaData): Record<string, { _type?: unknown; names?: unknown } | null> {
  const text = metadata.key_value_metadata?.find(({ key }) => key === "huggingface")?.value;
  try {
    return JSON.parse(text ?? "{}")?.info?.features ?? {};
  } catch {
    // Only a hint: without it the usual names of columns are tried.
    return {};
  }
}

async function readLabels(
  files: readonly ParquetFile[],
  columns: Columns,
): Promise<{ labels: Int32Array; classes: string[] | null }> {
  const cells: unknown[] = [];
  for (const file of files) {
    const rows = Number(file.metadata.num_rows);
    const read = columns.label === null ? [] : await readRows(file, columns.label, 0, rows);
    for (let row = 0; row < rows; row++) cells.push(read[row]?.[columns.label!]);
  }
  const texts = cells.map((cell) => (cell instanceof Uint8Array ? new TextDecoder().decode(cell) : cell));
  if (texts.every((cell) => cell === null || cell === undefined)) {
    return { labels: new Int32Array(cells.length).fill(-1), classes: null };
  }
  const words = texts.some((cell) => typeof cell === "string");
  const found = words ? [...new Set(texts.filter((cell) => typeof cell === "string"))].sort() : null;
  const most = (columns.names?.length ?? 65536) - 1;
  const labels = Int32Array.from(texts, (cell, row) => {
    if (cell === null || cell === undefined) return -1;
    const label = words ? found!.indexOf(cell as string) : Number(cell);
    if (Number.isInteger(label) && label >= -1 && label <= most) return label;
    return fail(
      "data",
      `expected a label from 0 to ${most} in row ${row} of column ${columns.label} of ${files[0]!.path} but ` +
        `received ${show(cell)}`,
    );
  });
  return { labels, classes: found ?? columns.names ?? classesUpTo(labels) };
}
