/**
 * The condition of each image that is compressed or scored: what the options ask for, or else the image's own, which is
 * its class, its caption or vector in the data, or what the model's encoder or thumbnail makes of it. An archive keeps
 * them, so that unpacking needs none of this.
 */

import { fail } from "../errors.ts";
import { type ConditionValue, conditionNumbers, mapOf, namesOf } from "../models/condition.ts";
import type { ConditionConfig } from "../models/config.ts";
import { codesKind } from "../models/families.ts";
import { didYouMean } from "../nearest.ts";
import type { ConditionSource } from "../train/config.ts";
import {
  type Asked,
  askedConditions,
  type ConditionWords,
  conditionsLike,
  possibleConditions,
} from "./asked-conditions.ts";
import { checkSize } from "./model-images.ts";
import type { OpenedPixelcnn } from "./open-model.ts";
import type { SourceImage } from "./source-image.ts";
import { pixelsOf } from "./source-images.ts";

export interface SourceConditions {
  /** Where they come from, in words. */
  readonly about: string;
  /** What of the images' data they are made of, for the rules of openSourceImages. */
  readonly from?: ConditionSource["from"] | undefined;
  /** Those that the options ask for; absent where they follow from the images. */
  readonly asked?: readonly ConditionValue[] | undefined;
  /** Throws unless they go with so many images. */
  checkCount?(images: number): void;
  /** Throws unless the image can have one: a cheap check, to be made as it is read. */
  check(image: SourceImage): void;
  /** Of images, the first of which is number `first` of all. */
  of(images: readonly SourceImage[], first: number): Promise<ConditionValue[]>;
}

/** Null for a model without a condition. `words`: the options of conditionArgs. */
export async function openSourceConditions(
  words: ConditionWords,
  opened: OpenedPixelcnn,
  tell: (text: string) => void,
): Promise<SourceConditions | null> {
  const asked = await askedConditions(words, opened, tell);
  const { condition } = opened.config;
  if (condition === null) return null;
  return asked ? askedFor(asked, condition, opened) : ownOf(condition, opened);
}

/** Why an image must have the model's size. */
const FIXED = "its condition goes through m(h)";

/** One condition of all images, or one per image. */
function askedFor(asked: readonly Asked[], condition: ConditionConfig, { config }: OpenedPixelcnn): SourceConditions {
  const [first] = asked as [Asked];
  const one = asked.length === 1;
  return {
    about: one ? `${first.label}, for all images` : `${first.label} to ${asked.at(-1)!.label}, one an image`,
    asked: asked.map(({ value }) => value),
    checkCount(images) {
      if (!one && asked.length !== images)
        fail(
          "usage",
          `expected one condition for all images, or one for each of ${images}, but received ${asked.length}`,
        );
    },
    check(image) {
      if (mapOf(condition) && !(one && first.value === null)) checkSize(image.file, image, config, FIXED);
    },
    of: async (images, from) => images.map((_, i) => asked[one ? 0 : from + i]!.value),
  };
}

/** What each image brings along, or what the model makes of it. */
function ownOf(condition: ConditionConfig, opened: OpenedPixelcnn): SourceConditions {
  const { config, run, whole } = opened;
  const source = run.condition;
  const missing = (file: string, what: string): never =>
    fail("usage", `expected a condition for ${file}, ${possibleConditions(opened)}, but it comes with no ${what}`);
  if (condition.kind === "class") {
    const classOf = ({ className, file }: SourceImage): number | null => {
      if (className === undefined) return missing(file, "class");
      if (className === null) return null;
      const index = condition.classes.indexOf(className);
      if (index >= 0) return index;
      const other = `${JSON.stringify(className)}${didYouMean(className, condition.classes)}`;
      return fail(
        "usage",
        `expected a class of the model (${namesOf(condition.classes)}) for ${file} but its class is ${other}`,
      );
    };
    return {
      about: "each image's class",
      check: (image) => void classOf(image),
      of: async (all) => all.map(classOf),
    };
  }
  if (codesKind(whole.config) === "latents" || source?.from === "encoder" || source?.from === "thumbnail") {
    const thumbnail = source?.from === "thumbnail";
    const made = thumbnail ? "it is made of the image" : "its encoder takes no other";
    const check = (image: SourceImage): void =>
      checkSize(image.file, image, config, `its condition is each image's own, and ${made}`);
    return {
      about: thumbnail
        ? `each image's thumbnail of ${source.height}x${source.width}`
        : "what its encoder makes of each image",
      check,
      async of(images) {
        for (const image of images) check(image);
        const all = {
          pixels: pixelsOf(images),
          names: images.map(({ file }) => file),
          labels: images.map(({ label }) => label ?? -1),
        };
        return (await conditionsLike(all, opened))!.map(({ value }) => value);
      },
    };
  }
  if (source?.from === "captions") {
    const check = ({ caption, file }: SourceImage): void =>
      caption === undefined ? missing(file, "caption") : undefined;
    return {
      about: "each image's caption",
      from: source.from,
      check,
      async of(images) {
        images.forEach(check);
        return vectorsOf(images.map(({ caption }) => caption ?? null));
      },
    };
  }
  const vectorOf = ({ vector, file, ...image }: SourceImage): ConditionValue => {
    if (vector === undefined) return missing(file, condition.kind);
    if (mapOf(condition)) checkSize(file, image, config, FIXED);
    conditionNumbers(condition, vector);
    // All zeros stand for no vector; a map of zeros is a map.
    return condition.kind === "vector" && vector.every((x) => x === 0) ? null : vector;
  };
  return {
    about: `each image's ${condition.kind} in the data`,
    from: source?.from,
    check: (image) => void vectorOf(image),
    of: async (all) => all.map(vectorOf),
  };
}

async function vectorsOf(captions: readonly (string | null)[]): Promise<ConditionValue[]> {
  const texts = [...new Set(captions.filter((caption) => caption !== null))];
  if (texts.length === 0) return captions.map(() => null);
  const { embedTexts } = await import("../text/sentence-vectors.ts");
  const { vectors, size } = await embedTexts(texts);
  const places = new Map(texts.map((text, i) => [text, i]));
  return captions.map((caption) => {
    if (caption === null) return null;
    const place = places.get(caption)!;
    return vectors.slice(place * size, (place + 1) * size);
  });
}
