/**
 * An atlas: one PNG of equal tiles in raster order and, beside it under the same name, a JSONL file with a line per
 * tile, {"name", "label"?, "split"?, "captions"?}. Its first line may say {"tile": [height, width], "columns": n}
 * instead; otherwise the tile's size is asked for. Held in memory whole: an atlas is for small sets.
 */

import { basename } from "node:path";
import { z } from "zod";
import { fail, parseJson } from "../errors.ts";
import { asSplit, type Dataset, datasetFromArrays, subset } from "./dataset.ts";
import type { ImageCodec } from "./encoded-images.ts";
import { readText } from "./files.ts";
import { lossTeller } from "./losses.ts";
import { channelsUsed, toChannels } from "./picture.ts";
import type { Source } from "./source.ts";

const headLine = z.strictObject({
  tile: z.tuple([z.int().min(1), z.int().min(1)]),
  columns: z.int().min(1).optional(),
});
const tileLine = z.strictObject({
  name: z.string().min(1),
  label: z.union([z.string(), z.int().min(0).max(65535)]).optional(),
  split: z.enum(["train", "test"]).optional(),
  captions: z.array(z.string().min(1)).optional(),
});
type Tile = z.infer<typeof tileLine>;

export interface AtlasOptions {
  /** The tile's size, where the JSONL file does not say it. */
  size?: { height: number; width: number } | undefined;
  channels: "auto" | 1 | 3 | 4;
  white?: number | undefined;
  /** Refuse a picture that 8 bits do not hold whole. */
  strict?: boolean | undefined;
  onWarning?: ((text: string) => void) | undefined;
}

/** `path`: the PNG or the JSONL file. */
export async function atlasSource(path: string, codec: ImageCodec, options: AtlasOptions): Promise<Source> {
  const stem = path.replace(/\.(png|jsonl)$/i, "");
  const { head, tiles } = await readLines(`${stem}.jsonl`);
  let opened: Promise<Dataset> | undefined;
  const openOnce = (): Promise<Dataset> => {
    opened ??= openAtlas(stem, head, tiles, codec, options);
    return opened;
  };
  const named = tiles.filter((tile) => tile.split !== undefined).length;
  if (named === 0) return { kind: "whole", open: openOnce };
  if (named < tiles.length)
    fail(
      "data",
      `expected a split in every line of ${stem}.jsonl, or in none, but received it in ${named} of ${tiles.length}`,
    );
  const part = async (split: string): Promise<Dataset> => {
    const indices = tiles.flatMap((tile, i) => (tile.split === split ? [i] : []));
    if (indices.length === 0) fail("data", `expected tiles of the split ${split} in ${stem}.jsonl but received none`);
    return asSplit(subset(await openOnce(), indices), split);
  };
  return { kind: "divided", train: () => part("train"), test: () => part("test") };
}

async function readLines(path: string): Promise<{ head: z.infer<typeof headLine> | null; tiles: Tile[] }> {
  const text = await readText(path);
  let head: z.infer<typeof headLine> | null = null;
  const tiles: Tile[] = [];
  for (const [i, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === "") continue;
    const value = parseJson(line, (error) =>
      fail("data", `expected JSON in line ${i + 1} of ${path} but received ${line.slice(0, 80)}`, error),
    );
    const isHead =
      tiles.length === 0 && head === null && typeof value === "object" && value !== null && "tile" in value;
    const parsed = (isHead ? headLine : tileLine).safeParse(value);
    if (!parsed.success) {
      const form = isHead ? '{"tile": [height, width], "columns"}' : '{"name", "label"?, "split"?, "captions"?}';
      fail("data", `expected ${form} in line ${i + 1} of ${path} but received ${line.slice(0, 80)}`, parsed.error);
    }
    if (isHead) head = parsed.data as z.infer<typeof headLine>;
    else tiles.push(parsed.data as Tile);
  }
  if (tiles.length === 0) fail("data", `expected a line for each tile in ${path} but received none`);
  const names = new Set<string>();
  for (const { name } of tiles) {
    if (names.has(name)) fail("data", `expected each name once in ${path} but received ${name} twice`);
    names.add(name);
  }
  return { head, tiles };
}

async function openAtlas(
  stem: string,
  head: z.infer<typeof headLine> | null,
  tiles: readonly Tile[],
  codec: ImageCodec,
  options: AtlasOptions,
): Promise<Dataset> {
  const png = `${stem}.png`;
  const { white, strict } = options;
  const decoded = await codec.decode(png, png, {
    white,
    exact: strict,
    onLoss: lossTeller(options)(png),
  });
  const [height, width] = head?.tile ?? [options.size?.height, options.size?.width];
  if (height === undefined || width === undefined) {
    fail(
      "usage",
      `expected the size of a tile for ${png}: a first line {"tile": [height, width]} in ${stem}.jsonl, or height ` +
        "and width",
    );
  }
  if (options.size && (options.size.height !== height || options.size.width !== width)) {
    fail(
      "usage",
      `expected tiles of ${options.size.height}x${options.size.width} in ${stem}.jsonl but received ${height}x${width}`,
    );
  }
  const columns = head?.columns ?? Math.floor(decoded.width / width);
  const places = columns * Math.floor(decoded.height / height);
  if (columns * width > decoded.width || tiles.length > places) {
    fail(
      "data",
      `expected room for ${tiles.length} tiles of ${height}x${width}, ${columns} a row, in ${png} but received an ` +
        `image of ${decoded.height}x${decoded.width}`,
    );
  }
  const channels = options.channels === "auto" ? channelsUsed(decoded) : options.channels;
  const picture = toChannels(decoded, channels);
  const row = width * channels;
  const pixels = new Uint8Array(tiles.length * height * row);
  for (let tile = 0, at = 0; tile < tiles.length; tile++) {
    for (let y = 0; y < height; y++, at += row) {
      const from = ((Math.floor(tile / columns) * height + y) * picture.width + (tile % columns) * width) * channels;
      pixels.set(picture.pixels.subarray(from, from + row), at);
    }
  }
  const classes = classesOf(tiles, `${stem}.jsonl`);
  const labels = tiles.map(({ label }) => (label === undefined ? -1 : classes!.indexOf(String(label))));
  const parts = { name: basename(stem), split: "all", height, width, channels, levels: 256, classes };
  const captioned = tiles.some(({ captions }) => captions !== undefined);
  const captionsOf = (index: number): readonly string[] => tiles[index]!.captions ?? [];
  const nameOf = (index: number): string => tiles[index]!.name;
  return datasetFromArrays({ ...parts, nameOf, ...(captioned && { captionsOf }) }, pixels, labels);
}

/** Words in code-unit order, or the numbers up to the largest; null where no tile has a label. */
function classesOf(tiles: readonly Tile[], path: string): string[] | null {
  const labels = tiles.flatMap(({ label }) => (label === undefined ? [] : [label]));
  if (labels.length === 0) return null;
  const words = labels.filter((label) => typeof label === "string");
  if (words.length > 0 && words.length < labels.length)
    fail("data", `expected labels that are all words or all numbers in ${path} but received both`);
  if (words.length > 0) return [...new Set(words)].sort();
  return Array.from({ length: Math.max(...(labels as number[])) + 1 }, (_, i) => String(i));
}
