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
import { counted, reasonOf } from "../words.ts";
import { boundedCache } from "./bounded-cache.ts";
import { type Bytes, openBytes } from "./bytes.ts";
import { asSplit, type Dataset, subset } from "./dataset.ts";
import { type CachedDataset, encodedImages, type ImageCodec, type ImageOptions } from "./encoded-images.ts";
import { failToRead } from "./files.ts";
import { classesUpTo } from "./idx.ts";
import type { Source } from "./source.ts";
import { chooseSplits, splitNamed } from "./split-names.ts";

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
  for (const note of missingShards(files)) options.onWarning?.(note);
  const partOf = (file: string): string => /^[a-z]+(?![a-z])/i.exec(basename(file))?.[0] ?? basename(file);
  const parts = new Map<string, number>();
  for (const file of files) parts.set(partOf(file), (parts.get(partOf(file)) ?? 0) + 1);
  const chosen = chooseSplits(path, parts);
  // Train first: its order of the classes counts.
  const used = chosen
    ? [chosen.train, chosen.test].flatMap((part) => files.filter((file) => partOf(file) === part))
    : files;
  if (chosen && splitNamed(chosen.test) !== "test")
    options.onWarning?.(`${chosen.test} is taken as the test split of ${path}`);
  if (used.length < files.length) {
    const left = files.filter((file) => !used.includes(file)).map((file) => basename(file));
    options.onWarning?.(
      `${counted(left.length, "file")} of ${path} beside ${chosen!.train} and ${chosen!.test} are left out: ` +
        left.slice(0, 8).join(", "),
    );
  }
  let opened: Promise<Parquet> | undefined;
  const openOnce = (): Promise<Parquet> => {
    opened ??= openParquet(path, used, codec, options);
    return opened;
  };
  if (!chosen) {
    const [only] = parts.size === 1 ? parts.keys() : [];
    return {
      kind: "whole",
      open: async () => (await openOnce()).dataset,
      onlyTest: only !== undefined && ["test", "validation"].includes(splitNamed(only) ?? ""),
    };
  }
  const part = async (split: "train" | "test"): Promise<Dataset> => {
    const { dataset, fileOf } = await openOnce();
    const indices = [...dataset.kept.keys()].filter((i) => partOf(fileOf(dataset.kept[i]!)) === chosen[split]);
    return asSplit(subset(dataset, indices), split);
  };
  return { kind: "divided", train: () => part("train"), test: () => part("test") };
}

/**
 * Full paths of the Parquet files of a folder, or of its `data/`, or of the one folder in it that holds some, sorted.
 *
 * @throws of kind "data" where several folders in it do: which is meant is the user's to say
 */
export async function parquetFiles(folder: string): Promise<string[]> {
  const list = async (path: string): Promise<string[]> =>
    (await readdir(path))
      .filter((file) => file.endsWith(".parquet") && !file.startsWith("."))
      .map((file) => join(path, file))
      .sort();
  const here = await list(folder).catch((error) => failToRead(folder, error));
  if (here.length > 0) return here;
  const entries = await readdir(folder, { withFileTypes: true });
  const folders = entries.filter((entry) => entry.isDirectory() && !entry.name.startsWith("."));
  // A folder that cannot be read is told by the listing of images.
  const listIn = (name: string): Promise<string[]> => list(join(folder, name)).catch(() => []);
  const inside = await Promise.all(folders.map(async ({ name }) => ({ name, files: await listIn(name) })));
  const holding = inside.filter(({ files }) => files.length > 0);
  const data = holding.find(({ name }) => name === "data");
  if (data) return data.files;
  if (holding.length > 1)
    fail(
      "data",
      `expected Parquet files in ${folder} or in one folder of it but received some in each of ` +
        `${holding.map(({ name }) => name).join(", ")}: give one of them, such as ${join(folder, holding[0]!.name)}`,
    );
  return holding[0]?.files ?? [];
}

/** A text for each series `x-00000-of-00003.parquet` of which a part is not there. */
function missingShards(files: readonly string[]): string[] {
  const series = new Map<string, { count: number; there: Set<number> }>();
  for (const file of files) {
    const [, stem, part, count] = /^(.*)-(\d{5})-of-(\d{5})\.parquet$/.exec(file) ?? [];
    if (stem === undefined) continue;
    const key = `${stem}-of-${count}`;
    const one = series.get(key) ?? { count: Number(count), there: new Set() };
    series.set(key, one);
    one.there.add(Number(part));
  }
  return [...series].flatMap(([key, { count, there }]) => {
    const missing = Array.from({ length: count }, (_, part) => part).filter((part) => !there.has(part));
    const number = (n: number): string => String(n).padStart(5, "0");
    const names = missing.map((part) => basename(key.replace(/-of-(\d+)$/, `-${number(part)}-of-$1.parquet`)));
    if (names.length === 0) return [];
    const which = names.slice(0, 3).join(", ") + (names.length > 3 ? ", ..." : "");
    return [
      `${names.length} of the ${count} files of ${basename(key).replace(/-of-\d+$/, "")} ` +
        `${names.length === 1 ? "is" : "are"} missing: ${which}`,
    ];
  });
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

/**
 * The label of each row of all files. Classes are the first file's, in its order, then those that other files add:
 * numbers are taken by the names that their own file gives them.
 */
async function readLabels(
  files: readonly ParquetFile[],
  columns: Columns,
): Promise<{ labels: Int32Array; classes: string[] | null }> {
  const { label: column } = columns;
  const cells: { file: ParquetFile; names: string[] | null; cells: unknown[] }[] = [];
  for (const file of files) {
    const rows = Number(file.metadata.num_rows);
    const read = column === null ? [] : await readRows(file, column, 0, rows);
    const own = Array.from({ length: rows }, (_, row) => {
      const cell = read[row]?.[column!];
      return cell instanceof Uint8Array ? new TextDecoder().decode(cell).normalize("NFC") : (cell ?? null);
    });
    cells.push({ file, names: columnsOf(file).names, cells: own });
  }
  const all = cells.flatMap((file) => file.cells);
  if (all.every((cell) => cell === null)) return { labels: new Int32Array(all.length).fill(-1), classes: null };
  const words = all.some((cell) => typeof cell === "string");
  const texts = words ? [...new Set(all.filter((cell) => typeof cell === "string"))].sort() : [];
  const named = [...new Set(cells.flatMap(({ names }) => names ?? []))];
  const nameless = cells.find(({ names }) => names === null);
  const namedFile = cells.find(({ names }) => names !== null);
  if (!words && nameless && namedFile)
    fail(
      "data",
      `expected names of the classes in ${nameless.file.path}, as in ${namedFile.file.path}, but received none`,
    );
  const labels = cells.flatMap(({ file, names, cells: own }) => {
    const most = (names?.length ?? 65536) - 1;
    return own.map((cell, row) => {
      if (cell === null) return -1;
      const label = words ? texts.indexOf(cell as string) : Number(cell);
      const fits = words ? typeof cell === "string" : Number.isInteger(label) && label >= -1 && label <= most;
      if (!fits)
        fail(
          "data",
          `expected ${words ? "text" : `a label from 0 to ${most}`} in row ${row} of column ${column} of ` +
            `${file.path} but received ${show(cell)}`,
        );
      return words || names === null || label === -1 ? label : named.indexOf(names[label]!);
    });
  });
  return { labels: Int32Array.from(labels), classes: words ? texts : named.length > 0 ? named : classesUpTo(labels) };
}
