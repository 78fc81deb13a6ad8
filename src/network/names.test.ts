/**
 * The step language and the exact engine know no family, layer or parameter by name: another family is a page in
 * models/, and neither floor changes. Read from the sources as they stand, tests left out; what is forbidden comes from
 * the families' own networks.
 */

import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { kindOf } from "../models/fields.ts";
import { networkFields, networkOf } from "../models/networks.ts";
import { resolvePixelcnn } from "../models/schema.ts";
import { networkParameters } from "./declarations.ts";
import type { Network } from "./steps.ts";

const FLOORS = ["network", "exact"];

/** Words of our networks that also mean something to every network. */
const ALLOWED = new Map([
  ["map", "a kind of condition; the layers of m(h) are named for it"],
  ["relu", "a kind of step; a map that one makes is named for it"],
  ["above", "how far from its pixel a buffer is read, beside left and right"],
  ["left", "likewise"],
  ["right", "likewise"],
  ["input", "the image: the one map that every network is given"],
  ["pixel", "when a step runs: pixel by pixel"],
  ["out", "where a step or a call of the kernel writes"],
  ["outputs", "what every network hands to its head"],
  ["logits", "where every network's log-weights lie in the engine"],
]);

const families = networkFields.map((fields) => kindOf(fields, "family") as string);

const heads = [{ features: 6 }, { kind: "mixture", features: 6, components: 2 }] as const;

/** Networks of each family and head with all that they can have: several groups, a condition through m(h). */
const networks: Network[] = families.flatMap((family) =>
  heads.map((head) =>
    networkOf(
      resolvePixelcnn({
        family: family as "pixelcnn",
        height: 8,
        width: 8,
        channels: 3,
        levels: 4,
        features: 6,
        depth: 3,
        head,
        condition: { kind: "map", height: 4, width: 4, channels: 1, features: 2 },
        ...(family === "gated-pixelcnn" ? { skip: 6 } : {}),
      }),
    ),
  ),
);

/** `layer2.centre0.W_f` as `centre.W`. */
const baseOf = (name: string): string =>
  name
    .replace(/^layer\d+\./, "")
    .replace(/\d+(?=\.|$)/, "")
    .replace(/_[a-z]$/, "");
const parameters = new Set(networks.flatMap((network) => networkParameters(network).map(({ name }) => baseOf(name))));
const maps = new Set(networks.flatMap(({ steps }) => steps.map(({ out }) => baseOf(out.name))));
/**
 * What layers, and maps between them, are called. One letter says nothing by itself: W and b, and the paper's p and q,
 * are caught in their full names.
 */
const words = new Set(
  ["layer", ...parameters, ...maps].flatMap((name) => name.split(".")).filter((word) => word.length > 1),
);
const dotted = [...parameters, ...maps].filter((name) => name.includes("."));

interface Source {
  readonly file: string;
  /** What stands between quotes, module paths left out. */
  readonly literals: readonly string[];
}

const sources: Source[] = FLOORS.flatMap((floor) => {
  const folder = new URL(`../${floor}/`, import.meta.url);
  return (
    readdirSync(folder)
      // The compiled kernel is bytes: any letters may follow each other.
      .filter((file) => file.endsWith(".ts") && !/\.test(-support)?\.ts$/.test(file) && file !== "kernel-wasm.ts")
      .map((file) => {
        const text = readFileSync(new URL(file, folder), "utf8");
        const tokens = text.matchAll(/\/\/.*|\/\*[\s\S]*?\*\/|(["'`])((?:\\.|(?!\1)[^\\])*)\1/g);
        const literals = [...tokens].flatMap(([, quote, inner]) => (quote === undefined ? [] : [inner!]));
        return { file: `${floor}/${file}`, literals: literals.filter((literal) => !/^[./].*\.[jt]s$/.test(literal)) };
      })
  );
});

test("the forbidden names are those of every family, and the sources are read", () => {
  expect(families).toEqual(["gated-pixelcnn", "pixelcnn", "row-lstm", "diagonal-bilstm"]);
  const some = [
    "vertical",
    "horizontal",
    "link",
    "centre",
    "residual",
    "skip",
    "head",
    "hidden",
    "in",
    "inner",
    "state",
    "beside",
  ];
  for (const word of some) expect(words).toContain(word);
  for (const name of [
    "vertical.W",
    "link.W",
    "centre.W",
    "skip.b",
    "head.logits.b",
    "head.mixture.W",
    "above.W",
    "state.W",
    "right.pixel.W",
    "map.layer.W",
  ])
    expect(dotted).toContain(name);
  const all = new Set(sources.flatMap(({ literals }) => literals));
  for (const literal of ["gate", "relu", "{c}", "finished"]) expect(all).toContain(literal);
  expect(sources.map(({ file }) => file)).toEqual(expect.arrayContaining(["network/graph.ts", "exact/lower.ts"]));
});

test("no string of network/ or exact/ names a family, a layer or a parameter", () => {
  const wrong: string[] = [];
  for (const { file, literals } of sources) {
    for (const literal of literals) {
      // A sentence for people may say "in" or "above"; a name may not.
      const parts = /\s/.test(literal) ? [] : literal.split(/[^A-Za-z]+/);
      for (const part of parts) if (words.has(part) && !ALLOWED.has(part)) wrong.push(`${file}: ${literal}`);
      for (const name of dotted) if (literal.includes(name)) wrong.push(`${file}: ${literal}`);
      for (const family of families)
        if (literal.split(/[^A-Za-z-]+/).includes(family)) wrong.push(`${file}: ${literal}`);
    }
  }
  expect(wrong).toEqual([]);
});

test("every word that is allowed is one that would be refused, and that the sources use", () => {
  const used = new Set(sources.flatMap(({ literals }) => literals.flatMap((literal) => literal.split(/[^A-Za-z]+/))));
  expect([...ALLOWED.keys()].filter((word) => !words.has(word) || !used.has(word))).toEqual([]);
});
