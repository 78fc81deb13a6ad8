/**
 * Captions of a folder's images: a file `captions.jsonl` at its top with lines {"file": "cat/1.png", "text": "..." or
 * ["...", ...]}, or, where there is none, beside an image a `.txt` file of the same name, one caption per line.
 */

import { join } from "node:path";
import { z } from "zod";
import { fail, parseJson } from "../errors.ts";
import { readText } from "./files.ts";

const LIST = "captions.jsonl";
const text = z.string().trim().min(1);
const captionLine = z.strictObject({ file: z.string().min(1), text: z.union([text, z.array(text)]) });

/** Text files read at a time. */
const AT_ONCE = 16;

/** The captions of each image that has any, by its path; null where the folder holds no captions at all. */
export async function readCaptions(
  root: string,
  images: readonly string[],
  others: readonly string[],
): Promise<ReadonlyMap<string, readonly string[]> | null> {
  if (others.includes(LIST)) return readList(join(root, LIST), root, new Set(images));
  const texts = new Set(others.filter((file) => file.endsWith(".txt")));
  const textOf = (image: string): string => image.replace(/\.[^./]+$/, ".txt");
  const captioned = images.filter((image) => texts.has(textOf(image)));
  if (captioned.length === 0) return null;
  const captions = new Map<string, readonly string[]>();
  for (let start = 0; start < captioned.length; start += AT_ONCE) {
    const some = captioned.slice(start, start + AT_ONCE);
    const contents = await Promise.all(some.map((image) => readText(join(root, textOf(image)))));
    some.forEach((image, i) => {
      captions.set(image, linesOf(contents[i]!));
    });
  }
  return captions;
}

const linesOf = (content: string): string[] =>
  content.split(/\r?\n/).flatMap((line) => (line.trim() === "" ? [] : [line.trim()]));

async function readList(path: string, root: string, images: ReadonlySet<string>): Promise<Map<string, string[]>> {
  const captions = new Map<string, string[]>();
  for (const [i, line] of (await readText(path)).split(/\r?\n/).entries()) {
    if (line.trim() === "") continue;
    const { file, text } = parseLine(line, `line ${i + 1} of ${path}`);
    const name = file.replace(/^\.\//, "");
    if (!images.has(name))
      fail("data", `expected an image at ${join(root, name)}, as line ${i + 1} of ${path} says, but there is none`);
    captions.set(name, [...(captions.get(name) ?? []), ...(typeof text === "string" ? [text] : text)]);
  }
  return captions;
}

function parseLine(line: string, where: string): z.infer<typeof captionLine> {
  const value = parseJson(line, (error) =>
    fail("data", `expected JSON in ${where} but received ${line.slice(0, 80)}`, error),
  );
  const parsed = captionLine.safeParse(value);
  if (!parsed.success)
    fail(
      "data",
      `expected {"file", "text"} in ${where}, text or a list of texts, but received ${line.slice(0, 80)}`,
      parsed.error,
    );
  return parsed.data;
}
