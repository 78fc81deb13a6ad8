/**
 * Conditions that a user asks for on the command line: `--class`, `--like`, `--latent`, `--text`, `--unconditional`;
 * and which of them a model takes.
 */

import { existsSync } from "node:fs";
import { readCsv } from "../csv.ts";
import { readRegular, readText } from "../data/files.ts";
import { readNpy } from "../data/npy.ts";
import { fail, parseJson } from "../errors.ts";
import { type ConditionValue, conditionNumbers, describeCondition, namesOf } from "../models/condition.ts";
import { codesKind } from "../models/families.ts";
import { didYouMean } from "../nearest.ts";
import { asDataset, codesEach, codesOf } from "./latent-model.ts";
import { type ModelImages, readImages } from "./model-images.ts";
import type { OpenedPixelcnn } from "./open-model.ts";

/** Options of every command that draws or codes with a condition. */
export const conditionArgs = {
  class: {
    type: "string",
    valueHint: "C",
    description: "Condition on classes, by name: 3, cat,dog, all; a mixture: 3+8 or 3*0.7+8*0.3",
  },
  like: {
    type: "string",
    valueHint: "IMAGE",
    description: "Condition on what the model's encoder makes of images: a file, or some of a data set: mnist:test:0-3",
  },
  latent: {
    type: "string",
    valueHint: "F",
    description:
      "Condition on numbers: a .npy, .json or .csv file (as `pixelcnn encode` writes), or the numbers themselves: " +
      "0.5,-1,...",
  },
  text: {
    type: "string",
    valueHint: "T",
    description: "Condition on a text, of a model trained with captions; `sample` takes several, a row each",
  },
  unconditional: {
    type: "boolean",
    description: "Leave the condition out, of a model trained with train.conditionDropout",
  },
} as const;

export interface ConditionWords {
  readonly class?: string | undefined;
  readonly like?: string | undefined;
  readonly latent?: string | undefined;
  readonly text?: string | readonly string[] | undefined;
  readonly unconditional?: boolean | undefined;
}

/** A condition and what to call it. */
export interface Asked {
  readonly label: string;
  readonly value: ConditionValue;
  /** The image that it was made of, [H, W, C] of the model's levels. */
  readonly image?: Uint8Array;
}

const WORDS = ["class", "like", "latent", "text", "unconditional"] as const;

/** What `pixelcnn sample` can be asked for, in words; null where there is nothing to ask. */
export function possibleConditions({ config, run, whole }: OpenedPixelcnn): string | null {
  const { condition } = config;
  if (condition === null) return null;
  const source = run.condition?.from;
  const ways =
    condition.kind === "class"
      ? [`--class C (${namesOf(condition.classes)})`]
      : [
          ...(codesKind(whole.config) === "latents" || source === "encoder" || source === "thumbnail"
            ? ["--like IMAGE"]
            : []),
          ...(source === "captions" ? ["--text T"] : []),
          "--latent F",
        ];
  const dropped = run.train.conditionDropout > 0 ? ["--unconditional"] : [];
  return `${describeCondition(condition)}: ${[...ways, ...dropped].join(", ")}`;
}

/** The conditions that the options ask for, one or more; null where none does. */
export async function askedConditions(
  words: ConditionWords,
  opened: OpenedPixelcnn,
  tell: (text: string) => void,
): Promise<Asked[] | null> {
  const given = WORDS.filter((word) => words[word] !== undefined && words[word] !== false);
  if (given.length === 0) return null;
  const { condition } = opened.config;
  if (condition === null)
    return fail("usage", `expected no --${given[0]}: ${opened.name} is a model without a condition`);
  if (given.length > 1)
    fail(
      "usage",
      `expected one of ${WORDS.map((w) => `--${w}`).join(", ")} but received ` +
        `${given.map((w) => `--${w}`).join(" and ")}`,
    );
  const wrong = (word: string): never =>
    fail(
      "usage",
      `expected a condition that ${opened.name} has, ${possibleConditions(opened)}, but received --${word}`,
    );
  switch (given[0]!) {
    case "class":
      return condition.kind === "class" ? readClasses(words.class!, condition.classes) : wrong("class");
    case "unconditional":
      if (opened.run.train.conditionDropout === 0)
        tell(
          `${opened.name} was trained with its condition always there (train.conditionDropout 0): without it, ` +
            "images may be poor",
        );
      return [{ label: "unconditional", value: null }];
    case "latent":
      return readLatents(
        words.latent!,
        condition.kind === "class" ? wrong("latent") : (value) => conditionNumbers(condition, value),
      );
    case "text":
      return opened.run.condition?.from === "captions" ? readTexts([words.text!].flat()) : wrong("text");
    case "like": {
      const images = await readImages([words.like!], opened.run, { tell });
      return (await conditionsLike(images, opened)) ?? wrong("like");
    }
  }
}

/** What the model's own encoder, or its thumbnail, makes of images of its size; null where it has neither. */
export async function conditionsLike(
  { pixels, names, labels }: ModelImages,
  opened: OpenedPixelcnn,
): Promise<Asked[] | null> {
  const encoder = await codesOf(opened.whole);
  if (!encoder) return null;
  const codes = await codesEach(encoder, asDataset({ pixels, names, labels }, opened.config));
  const size = pixels.length / names.length;
  return names.map((label, i) => ({ label, value: codes[i]!, image: pixels.subarray(i * size, (i + 1) * size) }));
}

/** `3`, `cat,dog`, `all`, `3+8`, `3*0.7+8*0.3`. */
export function readClasses(text: string, classes: readonly string[]): Asked[] {
  const indexOf = (name: string): number => {
    const exact = classes.indexOf(name.trim());
    if (exact >= 0) return exact;
    return fail(
      "usage",
      `expected a class of the model (${namesOf(classes)}) but received ` +
        `${JSON.stringify(name.trim())}${didYouMean(name.trim(), classes)}`,
    );
  };
  if (text === "all" && !classes.includes("all")) return classes.map((label, value) => ({ label, value }));
  // A class whose own name holds a comma, plus or star is still one class.
  if (classes.includes(text)) return [{ label: text, value: classes.indexOf(text) }];
  return text.split(",").map((part) => {
    if (!/[+*]/.test(part) || classes.includes(part.trim())) return { label: part.trim(), value: indexOf(part) };
    const terms = part.split("+").map((term) => /^([^*]*)(?:\*(.*))?$/s.exec(term)!.slice(1));
    const weights = new Float32Array(classes.length);
    for (const [name, weight] of terms as [string, string | undefined][]) {
      const share = weight === undefined ? 1 / terms.length : Number(weight);
      if (!Number.isFinite(share) || weight?.trim() === "")
        fail(
          "usage",
          `expected a number after * in a mixture such as 3*0.7+8*0.3 but received ${JSON.stringify(weight)}`,
        );
      weights[indexOf(name)]! += share;
    }
    return { label: part.trim(), value: weights };
  });
}

async function readLatents(text: string, check: (value: Float32Array) => unknown): Promise<Asked[]> {
  const rows = existsSync(text) ? await readLatentFile(text) : [readLatentWords(text)];
  if (rows.length === 0) fail("data", `expected at least one row of numbers in ${text} but received none`);
  return rows.map((value, i) => {
    check(value);
    return { label: rows.length > 1 ? `${text} ${i}` : text, value };
  });
}

function readLatentWords(text: string): Float32Array {
  if (/\.(npy|json|csv)$/i.test(text)) fail("io", `expected numbers at ${text} but there is no such file`);
  return numbersOf(text.split(","), "--latent");
}

async function readLatentFile(path: string): Promise<Float32Array[]> {
  if (/\.npy$/i.test(path)) {
    const { shape, data } = readNpy(await readRegular(path), path);
    // [N, D], or [N, h, w, c] of maps; of a vector or a map alone there is one less.
    const rows = shape.length === 2 || shape.length === 4 ? shape[0]! : 1;
    const each = data.length / rows;
    const numbers = Float32Array.from(data as ArrayLike<number | bigint>, Number);
    return Array.from({ length: rows }, (_, i) => numbers.slice(i * each, (i + 1) * each));
  }
  const text = await readText(path);
  if (/\.csv$/i.test(path)) return readLatentTable(text, path);
  const json = parseJson(text, (error) =>
    fail("data", `expected JSON, .csv or .npy in ${path} but ${error.message}`, error),
  );
  const found = Array.isArray(json) ? json : (json as { codes?: unknown } | null)?.codes;
  if (!Array.isArray(found)) return fail("data", `expected an array of numbers, or of such arrays, in ${path}`);
  const rows =
    typeof found[0] === "number" ? [found] : found.map((row) => (row as { code?: unknown } | null)?.code ?? row);
  return rows.map((row) =>
    Array.isArray(row) ? numbersOf(row, path) : fail("data", `expected arrays of numbers in ${path}`),
  );
}

/** The first column may be a name, the first line a heading, as `pixelcnn encode` writes them. */
function readLatentTable(text: string, path: string): Float32Array[] {
  const rows = readCsv(text);
  const isNumber = (cell: string): boolean => cell.trim() !== "" && Number.isFinite(Number(cell));
  // The heading of unnamed columns is a row of numbers too: 0, 1, 2, ...
  const first = rows[0] ?? [];
  const headed = first[0] === "name" || !isNumber(first.at(-1) ?? "");
  const named = first[0] === "name" || rows.slice(headed ? 1 : 0).some((row) => row.length > 1 && !isNumber(row[0]!));
  return rows.slice(headed ? 1 : 0).map((row) => numbersOf(named ? row.slice(1) : row, path));
}

function numbersOf(words: readonly unknown[], where: string): Float32Array {
  return Float32Array.from(words, (word) => {
    // Number() makes 0 of null, of "" and of [].
    const number =
      typeof word === "number" || (typeof word === "string" && word.trim() !== "") ? Number(word) : Number.NaN;
    return Number.isFinite(number)
      ? number
      : fail("usage", `expected numbers for ${where} but received ${JSON.stringify(word)}`);
  });
}

async function readTexts(texts: readonly string[]): Promise<Asked[]> {
  const { embedTexts } = await import("../text/sentence-vectors.ts");
  const { vectors, size } = await embedTexts(texts);
  return texts.map((label, i) => ({ label, value: vectors.slice(i * size, (i + 1) * size) }));
}
