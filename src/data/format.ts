/**
 * What kind of data lies at a path. A folder must hold one kind: where it holds several, the user says which; nothing
 * is taken by the alphabet, and nothing is dropped silently.
 */

import { readdir, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { fail, show } from "../errors.ts";
import { foundIn } from "../found.ts";
import { counted } from "../words.ts";
import { cifarFiles } from "./cifar.ts";
import { failToRead, readStart } from "./files.ts";
import { isImagesFile } from "./idx.ts";
import { isImageFile, type Listing, listImages } from "./listing.ts";
import { namedSets } from "./named.ts";
import { parquetFiles } from "./parquet.ts";

export type DataFormat = "idx" | "cifar" | "parquet" | "atlas" | "images";

export interface FoundFormat {
  readonly format: DataFormat;
  readonly isFolder: boolean;
  /** Of a folder: all that is in it. */
  readonly listing?: Listing | undefined;
  /** Of a folder with an atlas: the path of its PNG. */
  readonly atlas?: string | undefined;
}

export interface FormatOptions {
  /** What to read of a folder that holds several kinds. */
  readonly format?: DataFormat | "auto" | undefined;
  readonly onBroken?: "error" | "skip" | undefined;
  readonly onWarning?: ((text: string) => void) | undefined;
}

/** What lies at a path; a single image is not data. */
export async function formatAt(path: string, options: FormatOptions = {}): Promise<FoundFormat> {
  if (await isFolderAt(path)) return formatOfFolder(path, options);
  return { format: await formatOfFile(path), isFolder: false };
}

async function isFolderAt(spec: string): Promise<boolean> {
  try {
    return (await stat(spec)).isDirectory();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "ENOENT" && code !== "ENOTDIR") failToRead(spec, error);
    return fail(
      "usage",
      `expected a named set (${namedSets.join(", ")}) or a path for the data but received ${show(spec)}, and there ` +
        "is no such path",
    );
  }
}

/** One reading of a folder. */
interface Reading {
  readonly format: DataFormat;
  /** In words, for a choice. */
  readonly what: string;
}

async function formatOfFolder(path: string, options: FormatOptions): Promise<FoundFormat> {
  const { format: asked = "auto", onBroken, onWarning } = options;
  const listing = await listImages(path, onBroken);
  const files = await readdir(path).catch((error) => failToRead(path, error));
  const atlases = await atlasesIn(path, files);
  const readings = await readingsOf(path, files, listing, atlases);
  const chosen =
    asked === "auto" ? onlyReading(path, readings) : (readings.find(({ format }) => format === asked) ?? null);
  if (chosen === null)
    fail(
      "usage",
      `expected ${asked} data in ${path}, as data.format says, but received ` +
        (readings.length === 0 ? "none" : readings.map(({ what }) => what).join(" and ")),
    );
  const left = readings.filter((reading) => reading !== chosen).map(({ what }) => what);
  if (left.length > 0) onWarning?.(`${path}: ${left.join(" and ")} are left out, as data.format says`);
  if (chosen.format !== "atlas") return { format: chosen.format, isFolder: true, listing };
  const [first, second] = atlases;
  if (second !== undefined)
    fail("data", `expected one atlas in ${path} but received ${atlases.join(" and ")}: give the path of one`);
  return { format: "atlas", isFolder: true, listing, atlas: join(path, first!) };
}

async function readingsOf(
  path: string,
  files: readonly string[],
  listing: Listing,
  atlases: readonly string[],
): Promise<Reading[]> {
  const named = (names: readonly string[], what: string, format: DataFormat): Reading[] =>
    names.length === 0 ? [] : [{ format, what: `${what} (${basename(names[0]!)} for one)` }];
  const images = listing.files.filter((file) => !atlases.includes(file));
  const others = [
    ...named(files.filter(isImagesFile), "IDX files", "idx"),
    ...named(await parquetFiles(path), "Parquet files", "parquet"),
    ...named(atlases, atlases.length > 1 ? `${atlases.length} atlases` : "an atlas", "atlas"),
  ];
  const cifar = await cifarFiles(path, files, { whole: images.length > 0 });
  const all = [...others, ...named(cifar, "CIFAR files", "cifar")];
  const pile = images.length === 0 ? [] : [{ format: "images" as const, what: counted(images.length, "image") }];
  return [...all, ...pile.map((one) => ({ ...one, what: `${one.what} (${images[0]} for one)` }))];
}

function onlyReading(path: string, readings: readonly Reading[]): Reading {
  const [first = { format: "images", what: "" } as const, ...rest] = readings;
  if (rest.length === 0) return first;
  return fail(
    "data",
    `expected one kind of data in ${path} but received ${readings.map(({ what }) => what).join(" and ")}: say which ` +
      `with data.format (${readings.map(({ format }) => format).join(" or ")}), or move the others away`,
  );
}

/** PNG files with a JSONL file of tiles beside them; a JSONL file that names other files is none. */
async function atlasesIn(folder: string, files: readonly string[]): Promise<string[]> {
  const pairs = files.filter((file) => file.endsWith(".png") && files.includes(file.replace(/png$/, "jsonl"))).sort();
  const isAtlas = await Promise.all(
    pairs.map(async (file) => {
      const start = new TextDecoder().decode(await readStart(join(folder, file.replace(/png$/, "jsonl")), 256));
      return !/^(captions|metadata)\.png$/.test(file) && !/"(file|file_name)"\s*:/.test(start);
    }),
  );
  return pairs.filter((_, i) => isAtlas[i]);
}

/** A file's format is known by its first bytes where they say it, otherwise by its name. */
async function formatOfFile(path: string): Promise<DataFormat> {
  const start = await readStart(path, 512);
  if (new TextDecoder().decode(start.subarray(0, 4)) === "PAR1" || path.endsWith(".parquet")) return "parquet";
  if (path.endsWith(".jsonl")) return "atlas";
  if (path.endsWith(".png") && (await stat(path.replace(/png$/, "jsonl")).catch(() => null))) return "atlas";
  if (path.endsWith(".bin")) return "cifar";
  if (/ubyte(\.gz)?$|idx\d/.test(path) || (start[0] === 0 && start[1] === 0 && start[2] === 8)) return "idx";
  if (await isImageFile(path))
    return fail("usage", `expected data for ${path} but received a single image; give the folder that holds it`);
  return fail(
    "data",
    `expected an IDX file, a CIFAR *.bin, a *.parquet file, an atlas (PNG and JSONL) or a folder of images at ` +
      `${path} but received ${foundIn(start)}`,
  );
}
