import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryFolder } from "../../test/data/temporary-folder.ts";
import { encodePng } from "../pictures/png.ts";
import { cutEmoji, type EmojiSources, familyOf, listEmoji, makeEmojiAtlas } from "./emoji.ts";
import { openData } from "./open.ts";
import type { Picture } from "./picture.ts";

/**
 * Columns x rows of emoji as the sheet has them: each of one colour, invisible at its corners, in a border of red that
 * must not be seen.
 */
function sheetOf(columns: number, rows: number): Picture {
  const [height, width] = [rows * 34, columns * 34];
  const pixels = new Uint8Array(height * width * 4);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const [column, row] = [Math.floor(x / 34), Math.floor(y / 34)];
      const [left, top] = [x % 34, y % 34];
      const border = left === 0 || left === 33 || top === 0 || top === 33;
      const corner = (left === 1 || left === 32) && (top === 1 || top === 32);
      pixels.set(border ? [255, 0, 0, 255] : [0, 10 * column, 10 * row, corner ? 0 : 200], (y * width + x) * 4);
    }
  }
  return { height, width, channels: 4, pixels };
}

test("an emoji is cut without its border, and what is invisible has no colour", () => {
  const pixels = cutEmoji(sheetOf(3, 4), [2, 3]);
  expect(pixels).toHaveLength(4096);
  expect([...pixels.subarray(0, 8)]).toEqual([0, 0, 0, 0, 0, 20, 30, 200]);
  expect(pixels.filter((_, i) => i % 4 === 3 && pixels[i] === 200)).toHaveLength(1020);
  expect(pixels.filter((_, i) => i % 4 === 0).every((red) => red === 0)).toBe(true);
});

test("an emoji, its tones, genders and directions are one family, and another emoji is not", () => {
  const runner = familyOf("1F3C3");
  for (const kin of ["1F3C3-1F3FB", "1F3C3-200D-2640-FE0F", "1F3C3-1F3FF-200D-2642-FE0F-200D-27A1-FE0F"])
    expect(familyOf(kin)).toBe(runner);
  expect(familyOf("1F469-1F3FD-200D-1F33E")).toBe(familyOf("1F9D1-200D-1F33E"));
  expect(familyOf("1F468-200D-1F469-200D-1F467")).toBe(familyOf("1F9D1-200D-1F9D1-200D-1F9D2"));
  expect(familyOf("1F3C4")).not.toBe(runner);
  expect(familyOf("1F469-200D-1F680")).not.toBe(familyOf("1F469-200D-1F33E"));
});

/** `count` emoji, the even ones with two tones, each in a cell of its own. */
function sources(count: number): EmojiSources {
  const numbers = Array.from({ length: count }, (_, i) => i);
  const code = (i: number): string => (0x1f400 + i).toString(16).toUpperCase();
  const tones = ["1F3FB", "1F3FF"];
  const at = (unified: string, i: number, row: number) => ({
    unified,
    image: `${unified.toLowerCase()}.png`,
    sheet_x: i,
    sheet_y: row,
  });
  return {
    placed: numbers.map((i) => ({
      ...at(code(i), i, 0),
      ...(i % 2 === 0 && {
        skin_variations: Object.fromEntries(tones.map((tone, k) => [tone, at(`${code(i)}-${tone}`, i, k + 1)])),
      }),
    })),
    described: numbers.map((i) => ({
      hexcode: `${code(i)}-FE0F`,
      label: `animal ${i}`,
      tags: ["animal", "soft", "Loud", "small", "green", "quick", "odd", "far"],
      group: i === 1 ? 2 : 0,
      skins: tones.map((tone) => ({ hexcode: `${code(i)}-${tone}`, label: `animal ${i}: tone ${tone}`, group: 0 })),
    })),
    groups: ["beasts"],
    lookOf: ([x, y]) => `${x} ${y}`,
  };
}

test("names come first, then the name with tags that say more, and tones have their own names", () => {
  const list = listEmoji(sources(4));
  // Emoji 1 is of a group without a name.
  expect(list.map(({ name }) => name)).toEqual([
    "1f400",
    "1f400-1f3fb",
    "1f400-1f3ff",
    "1f402",
    "1f402-1f3fb",
    "1f402-1f3ff",
    "1f403",
  ]);
  expect(list[1]!.captions[0]).toBe("animal 0: tone 1F3FB");
  for (const { captions, label } of list) {
    expect(label).toBe("beasts");
    expect(captions).toHaveLength(4);
    expect(captions.every((caption) => caption.startsWith(captions[0]!))).toBe(true);
    const tags = captions.slice(1).flatMap((caption) => caption.slice(captions[0]!.length + 2).split(", "));
    expect(tags).toHaveLength(6);
    expect(new Set(tags).size).toBe(6);
    expect(tags).not.toContain("animal");
  }
  expect(listEmoji(sources(4))).toEqual(list);
});

test("what looks or is named alike shares a split", () => {
  const list = listEmoji(sources(60));
  const splitOf = new Map<string, string>();
  for (const { name, split } of list) {
    const family = name.split("-")[0]!;
    expect(splitOf.get(family) ?? split).toBe(split);
    splitOf.set(family, split);
  }
  const tests = [...splitOf.values()].filter((split) => split === "test").length;
  expect([splitOf.size, tests]).toEqual([59, 6]);
  // Every third one looks like emoji 0, in one of its tones: then they are one family.
  const alike = listEmoji({ ...sources(60), lookOf: ([x, y]) => (x % 3 === 0 && y === 0 ? "same" : `${x} ${y}`) });
  const thirds = alike.filter(({ place: [x] }) => x % 3 === 0);
  expect(thirds.length).toBeGreaterThan(20);
  expect(new Set(thirds.map(({ split }) => split)).size).toBe(1);
});

test("an emoji without a name is an error", () => {
  const { placed, ...others } = sources(2);
  expect(() => listEmoji({ placed: [...placed, { ...placed[0]!, unified: "1F999" }], ...others })).toThrow(
    "expected a name for the emoji 1F999 but received none",
  );
});

test("the atlas holds what the packages hold, and says whose pictures they are", async () => {
  const { path, write } = temporaryFolder();
  const { placed, described } = sources(70);
  write("pictures/emoji.json", JSON.stringify(placed));
  write("pictures/img/twitter/sheets/32.png", encodePng(sheetOf(70, 3)));
  write("texts/en/data.json", JSON.stringify(described));
  const groups = [
    { key: "beasts", message: "beasts", order: 0 },
    { key: "component", message: "components", order: 2 },
  ];
  write("texts/en/messages.json", JSON.stringify({ groups }));
  write("emoji/.keep", "");
  await makeEmojiAtlas([join(path, "pictures"), join(path, "texts")], join(path, "emoji"));
  expect(readFileSync(join(path, "emoji", "ATTRIBUTION.txt"), "utf8")).toContain("CC-BY 4.0");
  const all = await openData(join(path, "emoji"), { split: "all" });
  expect([all.length, all.height, all.width, all.channels, all.classes]).toEqual([139, 32, 32, 4, ["beasts"]]);
  const [one] = Array.from({ length: all.length }, (_, i) => i).filter((i) => all.nameOf(i) === "1f440-1f3ff");
  expect(all.captionsOf!(one!)[0]).toBe("animal 64: tone 1F3FF");
  expect((await all.batch([one!])).pixels).toEqual(cutEmoji(sheetOf(70, 3), [64, 2]));
});
