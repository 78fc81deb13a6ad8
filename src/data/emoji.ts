/**
 * The named set emoji: Twemoji's pictures at 32 x 32 with alpha (from emoji-datasource-twitter) and emojibase's names,
 * tags and groups, made once into an atlas: PNG and JSONL, with captions. Skin tones are images of their own, named so.
 * Graphics: Twemoji, CC-BY 4.0; names and tags: emojibase, MIT. The atlas says so beside itself; neither is part of
 * this package.
 */

import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fail } from "../errors.ts";
import { decodePng, encodePng } from "../pictures/png.ts";
import { randomFrom } from "../random.ts";
import type { Package } from "./npm-package.ts";
import type { Picture } from "./picture.ts";

const SHEET = "img/twitter/sheets/32.png";

export const EMOJI_PACKAGES: readonly Package[] = [
  {
    name: "emoji-datasource-twitter",
    version: "16.0.0",
    digests: {
      "emoji.json": "1d602e65be88772bf8cc368ce16b855d719eeddbafe128d471b80203f494d29f",
      [SHEET]: "2767ef2e87cbfb6cc12ac46596c339549afaf0ae8771cf51100c8853f6bde632",
    },
  },
  {
    name: "emojibase-data",
    version: "17.0.0",
    digests: {
      "en/data.json": "ed014f1049bd370c5794f815850156196ac382850f51c3e9f6a9e83553fb3f01",
      "en/messages.json": "6bffab078a0d90c4cca03bd3ff1045fdba33a77d31b1408b1cf1c414d7f1ab3c",
    },
  },
];

const SIDE = 32;
/** Each emoji of the sheet has a border of one transparent pixel. */
const PITCH = SIDE + 2;
const COLUMNS = 64;
const SEED = 1;
const TEST_FRACTION = 0.1;

/** What is read of emoji.json: where each picture lies. */
interface Placed {
  readonly unified: string;
  /** File name of the single picture: "1f44b-1f3fb.png". */
  readonly image: string;
  readonly sheet_x: number;
  readonly sheet_y: number;
  readonly skin_variations?: Readonly<Record<string, Placed>>;
}

/** What is read of emojibase's data.json. */
interface Described {
  readonly hexcode: string;
  readonly label: string;
  readonly tags?: readonly string[];
  readonly group?: number;
  readonly skins?: readonly Described[];
}

export interface Emoji {
  readonly name: string;
  readonly label: string;
  readonly split: "train" | "test";
  readonly captions: readonly string[];
  /** Column and row in the sheet. */
  readonly place: readonly [number, number];
}

const TONE = /^1F3F[B-F]$/;
/**
 * Woman, man -> person and girl, boy -> child; the signs of gender and of direction, and what only says how to draw,
 * left out.
 */
const PERSON: Readonly<Record<string, string>> = {
  "1F468": "1F9D1",
  "1F469": "1F9D1",
  "1F466": "1F9D2",
  "1F467": "1F9D2",
};
const LEFT_OUT = new Set(["FE0F", "200D", "2640", "2642", "27A1"]);

/**
 * One name for an emoji in all its skin tones, genders and directions. They look and are named much alike, so they
 * share a split: otherwise the test split would hold what training has all but seen.
 */
export function familyOf(unified: string): string {
  const points = unified.split("-").filter((point) => !TONE.test(point) && !LEFT_OUT.has(point));
  return points.map((point) => PERSON[point] ?? point).join("-");
}

/** The same code points, however the packages spell the emoji. */
const keyOf = (unified: string): string =>
  unified
    .split("-")
    .filter((point) => point !== "FE0F")
    .join("-");

/** What {@link listEmoji} puts together. */
export interface EmojiSources {
  readonly placed: readonly Placed[];
  readonly described: readonly Described[];
  /** Names of the groups by their number; one without a name is left out. */
  readonly groups: readonly (string | undefined)[];
  /** Equal for equal pictures: some flags differ in their names alone. */
  readonly lookOf: (place: Emoji["place"]) => string;
}

/** Every emoji of a group with a name, in the order of the sheet's list, tones behind their own. */
export function listEmoji({ placed, described, groups, lookOf }: EmojiSources): Emoji[] {
  const words = new Map<string, Described & { base: string }>();
  for (const emoji of described)
    for (const one of [emoji, ...(emoji.skins ?? [])])
      words.set(keyOf(one.hexcode), { ...one, tags: emoji.tags ?? [], base: emoji.hexcode });
  const all = placed.flatMap((emoji) => [emoji, ...Object.values(emoji.skin_variations ?? {})]);
  const found = all.flatMap((one) => {
    const about =
      words.get(keyOf(one.unified)) ?? fail("data", `expected a name for the emoji ${one.unified} but received none`);
    const label = groups[about.group ?? -1];
    return label === undefined ? [] : [{ one, about, label }];
  });
  const places = found.map(({ one }): Emoji["place"] => [one.sheet_x, one.sheet_y]);
  // Two people in two tones are spelled otherwise than in one; that they belong together only emojibase says.
  const kin = joined(
    found.map(({ one, about }, i) => [
      `family ${familyOf(one.unified)}`,
      `base ${about.base}`,
      `look ${lookOf(places[i]!)}`,
    ]),
  );
  const families = [...new Set(kin)];
  const order = randomFrom(SEED).permutation(families.length);
  const tests = new Set([...order.subarray(0, Math.round(families.length * TEST_FRACTION))].map((k) => families[k]!));
  return found.map(({ one, about, label }, i) => ({
    name: one.image.replace(/\.png$/, ""),
    label,
    split: tests.has(kin[i]!) ? "test" : "train",
    captions: captionsOf(about.label, about.tags ?? [], i),
    place: places[i]!,
  }));
}

/** For each item one of all the marks that it and whatever it shares a mark with have, directly or over others. */
function joined(items: readonly (readonly string[])[]): string[] {
  const above = new Map<string, string>();
  const top = (mark: string): string => {
    for (let up = above.get(mark); up !== undefined; up = above.get(mark)) mark = up;
    return mark;
  };
  for (const marks of items) {
    const first = top(marks[0]!);
    for (const mark of marks.map(top)) if (mark !== first) above.set(mark, first);
  }
  return items.map((marks) => top(marks[0]!));
}

/** The name; then the name with one, two and three tags that say more, drawn by the emoji's number, each tag once. */
function captionsOf(label: string, tags: readonly string[], index: number): string[] {
  const said = new Set(label.toLowerCase().split(/[^a-z0-9]+/));
  const more = tags.filter((tag) => !said.has(tag.toLowerCase()));
  const order = [...randomFrom(SEED, index).permutation(more.length)].map((k) => more[k]!);
  const captions = [label];
  for (let count = 1, at = 0; count <= 3 && at < order.length; at += count, count++)
    captions.push([label, ...order.slice(at, at + count)].join(", "));
  return captions;
}

/**
 * One emoji of the sheet, without its border. A pixel that cannot be seen has no colour: otherwise it would be noise to
 * learn.
 */
export function cutEmoji(sheet: Picture, [column, row]: readonly [number, number]): Uint8Array {
  const pixels = new Uint8Array(SIDE * SIDE * 4);
  for (let y = 0, at = 0; y < SIDE; y++) {
    let from = ((row * PITCH + 1 + y) * sheet.width + column * PITCH + 1) * 4;
    for (let x = 0; x < SIDE; x++, from += 4, at += 4) {
      if (sheet.pixels[from + 3] !== 0) pixels.set(sheet.pixels.subarray(from, from + 4), at);
    }
  }
  return pixels;
}

export async function makeEmojiAtlas([pictures, texts]: readonly string[], target: string): Promise<void> {
  const json = async (folder: string, file: string): Promise<unknown> =>
    JSON.parse(await readFile(join(folder, file), "utf8"));
  const { groups } = (await json(texts!, "en/messages.json")) as {
    groups: { key: string; message: string; order: number }[];
  };
  const names: string[] = [];
  // The group "component" holds skin tones by themselves, which have no image.
  for (const { key, message, order } of groups) if (key !== "component") names[order] = message;
  const sheet = decodePng(await readFile(join(pictures!, SHEET)), SHEET);
  if (sheet.channels !== 4) fail("data", `expected alpha in ${SHEET} but received ${sheet.channels} channels`);
  const emoji = listEmoji({
    placed: (await json(pictures!, "emoji.json")) as Placed[],
    described: (await json(texts!, "en/data.json")) as Described[],
    groups: names,
    lookOf: (place) => Buffer.from(cutEmoji(sheet, place)).toString("latin1"),
  });
  const height = Math.ceil(emoji.length / COLUMNS) * SIDE;
  const width = COLUMNS * SIDE;
  const pixels = new Uint8Array(height * width * 4);
  for (const [i, { place }] of emoji.entries()) {
    const one = cutEmoji(sheet, place);
    const [top, left] = [Math.floor(i / COLUMNS) * SIDE, (i % COLUMNS) * SIDE];
    for (let y = 0; y < SIDE; y++)
      pixels.set(one.subarray(y * SIDE * 4, (y + 1) * SIDE * 4), ((top + y) * width + left) * 4);
  }
  const lines = [{ tile: [SIDE, SIDE], columns: COLUMNS }, ...emoji.map(({ place: _, ...line }) => line)];
  await writeFile(join(target, "emoji.png"), encodePng({ height, width, channels: 4, pixels }));
  await writeFile(join(target, "emoji.jsonl"), `${lines.map((line) => JSON.stringify(line)).join("\n")}\n`);
  await writeFile(join(target, "ATTRIBUTION.txt"), ATTRIBUTION);
}

const ATTRIBUTION = `emoji.png: Twemoji, copyright Twitter, Inc and other contributors, licensed under CC-BY 4.0
(https://creativecommons.org/licenses/by/4.0/), cut from the sheet of emoji-datasource-twitter (MIT); colours of
invisible pixels set to 0.
emoji.jsonl: names, tags and groups from emojibase-data (MIT), put together to captions.
`;
