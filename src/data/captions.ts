/**
 * What texts beside a folder's images say: `captions.jsonl` at its top with lines {"file": "cat/1.png", "text": "..."}
 * or "text": ["...", ...]; or `metadata.jsonl` or `metadata.csv`, as the Hugging Face hub's image folders have them, at
 * the top or in a split's folder, with `file_name` and a text or caption, and a label; or, where there is none of
 * these, beside an image a `.txt` or `.caption` file of the same name, one caption per line. Names are compared in one
 * Unicode form.
 */

import { join } from "node:path";
import { z } from "zod";
import { readCsv } from "../csv.ts";
import { fail, parseJson } from "../errors.ts";
import { readText } from "./files.ts";
import { type Listing, stemOf } from "./listing.ts";

const LIST = "captions.jsonl";
const METADATA = /(^|\/)metadata\.(jsonl|csv)$/i;
const text = z.string().trim().min(1);
const texts = z.union([text, z.array(text)]);
const captionLine = z.strictObject({ file: z.string().min(1), text: texts });
const metadataLine = z.looseObject({ file_name: z.string().min(1) });
/** Columns of metadata that hold captions, the first that is there. */
const CAPTION_COLUMNS = ["text", "caption", "captions", "prompt", "description"];
const LABEL_COLUMNS = ["label", "class", "category"];

export interface Captions {
  /** Of each image that has any, by its path; null where the folder holds no captions at all. */
  readonly captions: ReadonlyMap<string, readonly string[]> | null;
  /** The class that metadata give an image; null without such metadata. */
  readonly labels: ReadonlyMap<string, string> | null;
}

/** Text files read at a time. */
const AT_ONCE = 16;

/** Whether tables beside the images say something of them, which may be their classes. */
export const hasMetadata = ({ others }: Listing): boolean => others.some((file) => METADATA.test(file));

export async function readCaptions(
  root: string,
  { files: images, others }: Listing,
  onWarning?: (text: string) => void,
): Promise<Captions> {
  const named = new Map(images.map((file) => [file.normalize("NFC"), file]));
  const metadata = others.filter((file) => METADATA.test(file));
  if (others.includes(LIST)) {
    if (metadata.length > 0) onWarning?.(`${root}: ${metadata.join(", ")} is left out, since there is a ${LIST}`);
    return { captions: await readList(join(root, LIST), root, named), labels: null };
  }
  if (metadata.length > 0) return readMetadata(root, metadata, named, onWarning);
  const beside = new Map(others.filter((file) => /\.(txt|caption)$/i.test(file)).map((file) => [stemOf(file), file]));
  const captioned = images.filter((image) => beside.has(stemOf(image)));
  if (captioned.length === 0) return { captions: null, labels: null };
  const captions = new Map<string, readonly string[]>();
  for (let start = 0; start < captioned.length; start += AT_ONCE) {
    const some = captioned.slice(start, start + AT_ONCE);
    const contents = await Promise.all(some.map((image) => readText(join(root, beside.get(stemOf(image))!))));
    some.forEach((image, i) => {
      captions.set(image, linesOf(contents[i]!));
    });
  }
  return { captions, labels: null };
}

const linesOf = (content: string): string[] =>
  content.split(/\r?\n/).flatMap((line) => (line.trim() === "" ? [] : [line.trim()]));

/** The image that a list names, or the error of one that is missing. */
function imageNamed(named: ReadonlyMap<string, string>, file: string, root: string, where: string): string {
  const name = file.replaceAll("\\", "/").replace(/^\.\//, "");
  return (
    named.get(name.normalize("NFC")) ??
    fail("data", `expected an image at ${join(root, name)}, as ${where} says, but there is none`)
  );
}

async function readList(
  path: string,
  root: string,
  named: ReadonlyMap<string, string>,
): Promise<Map<string, string[]>> {
  const captions = new Map<string, string[]>();
  for (const [i, line] of (await readText(path)).split(/\r?\n/).entries()) {
    if (line.trim() === "") continue;
    const where = `line ${i + 1} of ${path}`;
    const { file, text } = parseLine(captionLine, '{"file", "text"}', line, where);
    const name = imageNamed(named, file, root, where);
    captions.set(name, [...(captions.get(name) ?? []), ...(typeof text === "string" ? [text] : text)]);
  }
  return captions;
}

function parseLine<T>(schema: z.ZodType<T>, form: string, line: string, where: string): T {
  const value = parseJson(line, (error) =>
    fail("data", `expected JSON in ${where} but received ${line.slice(0, 80)}`, error),
  );
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  return fail(
    "data",
    `expected ${form} in ${where}, text or a list of texts, but received ${line.slice(0, 80)}`,
    parsed.error,
  );
}

async function readMetadata(
  root: string,
  files: readonly string[],
  named: ReadonlyMap<string, string>,
  onWarning?: (text: string) => void,
): Promise<Captions> {
  const captions = new Map<string, readonly string[]>();
  const labels = new Map<string, string>();
  const unused = new Set<string>();
  for (const file of files) {
    const path = join(root, file);
    const folder = file.includes("/") ? file.slice(0, file.lastIndexOf("/") + 1) : "";
    const rows = file.toLowerCase().endsWith("csv") ? await csvRows(path) : await jsonRows(path);
    for (const [where, { file_name, ...row }] of rows) {
      const image = imageNamed(named, folder + file_name.replace(/^\.\//, ""), root, where);
      const textColumn = CAPTION_COLUMNS.find((column) => row[column] !== undefined && row[column] !== "");
      const labelColumn = LABEL_COLUMNS.find((column) => row[column] !== undefined && row[column] !== "");
      for (const column of Object.keys(row)) if (column !== textColumn && column !== labelColumn) unused.add(column);
      if (labelColumn !== undefined) labels.set(image, String(row[labelColumn]).normalize("NFC"));
      if (textColumn === undefined) continue;
      const parsed = texts.safeParse(row[textColumn]);
      if (!parsed.success) fail("data", `expected text or a list of texts for ${textColumn} in ${where}`, parsed.error);
      captions.set(image, typeof parsed.data === "string" ? [parsed.data] : parsed.data);
    }
  }
  if (unused.size > 0)
    onWarning?.(
      `${root}: the columns ${[...unused].join(", ")} of ${files.join(", ")} are not read: captions are in ` +
        `${CAPTION_COLUMNS.join(", ")}, classes in ${LABEL_COLUMNS.join(", ")}`,
    );
  return { captions: captions.size > 0 ? captions : null, labels: labels.size > 0 ? labels : null };
}

type Rows = [where: string, row: z.infer<typeof metadataLine>][];

async function jsonRows(path: string): Promise<Rows> {
  const lines = (await readText(path)).split(/\r?\n/);
  return lines.flatMap((line, i): Rows => {
    const where = `line ${i + 1} of ${path}`;
    return line.trim() === "" ? [] : [[where, parseLine(metadataLine, '{"file_name", ...}', line, where)]];
  });
}

async function csvRows(path: string): Promise<Rows> {
  const [head = [], ...rows] = readCsv((await readText(path)).replace(/^\uFEFF/, ""));
  if (!head.includes("file_name"))
    fail("data", `expected a column file_name in the first line of ${path} but received ${head.join(", ")}`);
  return rows.map((cells, i) => {
    const row = Object.fromEntries(head.map((column, k) => [column, cells[k] ?? ""]));
    return [`row ${i + 2} of ${path}`, row as z.infer<typeof metadataLine>];
  });
}
