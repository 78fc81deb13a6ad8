/** Every law of every family that gives an image a probability; and where the plain PixelCNN is blind. */

import { describe, expect, test } from "vitest";
import { contains, dependencies } from "../network/dependencies.ts";
import { type ConditionConfig, type GatedConfig, layersOf, type PlainConfig } from "./config.ts";
import type { Family, FamilyCase } from "./family-cases.test-support.ts";
import { checkFamily, checkField } from "./family-laws.test-support.ts";
import { networkOf } from "./networks.ts";
import { configOf } from "./random-model.test-support.ts";
import { plainReceptiveField, receptiveField } from "./receptive-field.test-support.ts";
import { resolvePixelcnn } from "./schema.ts";

const classes: ConditionConfig = { kind: "class", classes: ["a", "b", "c"] };
const vector = { kind: "vector", size: 3 } as const;
/** Through m(h), each place hears its own of it. */
const spread = { kind: "vector", size: 3, scale: 1.5, features: 12 } as const;
/** Doubled three times. */
const map = { kind: "map", height: 2, width: 1, channels: 2, features: 12 } as const;
const mixture = { kind: "mixture", components: 3, features: 48 } as const;
const image = { height: 5, width: 7, channels: 1, levels: 4 };

/** Widths that differ from each other, with so many features that no ReLU closes all of a group's. */
const gatedConfig = (changes: object = {}): GatedConfig =>
  resolvePixelcnn({
    family: "gated-pixelcnn",
    ...image,
    features: 6,
    depth: 3,
    firstKernel: 3,
    skip: 30,
    head: { features: 48 },
    ...changes,
  } as const) as GatedConfig;
const gatedColour = { channels: 3, levels: 3, features: 12, skip: 36, head: { features: 48 } };

const gated: Family<GatedConfig> = {
  title: "Gated PixelCNN",
  closedForm: receptiveField,
  conditionMatrices: (config) =>
    layersOf(config).flatMap((_, i) =>
      ["vertical", "horizontal"].flatMap((stack) => ["f", "g"].map((part) => `layer${i + 1}.${stack}.V_${part}`)),
    ),
  tiny: (C) => ({ features: C === 1 ? 2 : C, skip: 2 * C, head: { kind: "categorical", features: 4 * C } }),
};

checkFamily(gated, [
  { title: "grey, kernels 3", config: gatedConfig({ depth: 6 }), covers: true },
  {
    title: "grey, kernels 7 5 3, dilations 1 2, no skip",
    config: gatedConfig({ firstKernel: 7, kernels: [5, 3], dilations: [1, 2], skip: 0, features: 12 }),
    covers: true,
  },
  {
    title: "colour, kernels 5 3, dilations 2 1, a class",
    config: gatedConfig({ ...gatedColour, firstKernel: 5, dilations: [2, 1], condition: classes }),
    covers: false,
  },
  { title: "colour", config: gatedConfig({ ...gatedColour, firstKernel: 7, depth: 2 }), covers: false },
  { title: "grey, a vector", config: gatedConfig({ condition: vector }), covers: false },
  { title: "grey, a vector through m(h)", config: gatedConfig({ condition: spread }), covers: false },
  {
    title: "grey, a vector through m(h) and a linear path",
    config: gatedConfig({ condition: { ...spread, linear: 2 } }),
    covers: false,
  },
  { title: "grey, a map", config: gatedConfig({ condition: map }), covers: false },
  { title: "grey, states down the columns", config: gatedConfig({ columnEvery: 1 }), covers: false },
  {
    title: "colour, states down the columns and a map of positions, a class",
    config: gatedConfig({ ...gatedColour, columnEvery: 1, position: 2, condition: classes }),
    covers: false,
  },
  { title: "grey, bits", config: gatedConfig({ bits: 2 }), covers: false },
  { title: "colour, bits", config: gatedConfig({ ...gatedColour, bits: 2 }), covers: false },
  { title: "colour, perceptrons", config: gatedConfig({ ...gatedColour, perceptron: 24 }), covers: false },
  { title: "grey, a map of positions", config: gatedConfig({ position: 2 }), covers: false },
  { title: "grey, a mixture", config: gatedConfig({ depth: 6, head: mixture }), covers: true },
  {
    title: "colour, a mixture, a class",
    config: gatedConfig({ ...gatedColour, head: mixture, condition: classes }),
    covers: false,
  },
  { title: "grey, a mixture, a map", config: gatedConfig({ head: mixture, condition: map }), covers: false },
]);

const plainConfig = (changes: object = {}): PlainConfig =>
  resolvePixelcnn({
    family: "pixelcnn",
    ...image,
    features: 18,
    depth: 3,
    firstKernel: 3,
    head: { features: 48 },
    ...changes,
  } as const) as PlainConfig;
const plainColour = { channels: 3, levels: 3, features: 24, head: { features: 48 } };

const plain: Family<PlainConfig> = {
  title: "plain PixelCNN",
  closedForm: plainReceptiveField,
  conditionMatrices: (config) => layersOf(config).map((_, i) => `layer${i + 1}.V`),
  tiny: (C) => ({ features: 2 * C, head: { kind: "categorical", features: 4 * C } }),
};

checkFamily(plain, [
  { title: "grey, kernels 7 3", config: plainConfig({ firstKernel: 7, depth: 6 }), covers: false },
  {
    title: "grey, kernels 5 7 3, dilations 1 2",
    config: plainConfig({ firstKernel: 5, kernels: [7, 3], dilations: [1, 2] }),
    covers: false,
  },
  { title: "colour, kernels 3, a class", config: plainConfig({ ...plainColour, condition: classes }), covers: false },
  { title: "colour, kernels 7 3", config: plainConfig({ ...plainColour, firstKernel: 7 }), covers: false },
  { title: "grey, a vector", config: plainConfig({ condition: vector }), covers: false },
  { title: "grey, a vector through m(h)", config: plainConfig({ condition: spread }), covers: false },
  { title: "grey, a map", config: plainConfig({ condition: map }), covers: false },
  { title: "grey, a mixture, a vector", config: plainConfig({ head: mixture, condition: vector }), covers: false },
  { title: "colour, a mixture", config: plainConfig({ ...plainColour, head: mixture }), covers: false },
]);

/** Law 1 alone, for what else a config may say. */
const fields = <C extends GatedConfig | PlainConfig>(family: Family<C>, cases: readonly FamilyCase<C>[]): void =>
  describe.each(cases)(`${family.title}: $title`, (one) => {
    checkField(family, one);
  });

const noSkip = { skip: 0, features: 36 };

fields(gated, [
  { title: "grey, too shallow to cover the image", config: configOf({ depth: 2 }), covers: false },
  {
    title: "grey, kernels 5 3 5, dilations 1 2, no skip",
    config: configOf({ firstKernel: 5, kernels: [3, 5], dilations: [1, 2], depth: 4, skip: 0 }),
    covers: true,
  },
  {
    title: "grey, kernel 7 then 3, dilations 1 2 4",
    config: configOf({ firstKernel: 7, dilations: [1, 2, 4], depth: 4 }),
    covers: true,
  },
  {
    title: "grey, kernels 7, no skip, a condition",
    config: configOf({ firstKernel: 7, kernels: [7], depth: 2, skip: 0, condition: vector }),
    covers: true,
  },
  {
    title: "grey, dilation 2 over a first kernel of 3: every other pixel of the row is out of reach",
    config: configOf({ dilations: [2], depth: 4 }),
    covers: false,
  },
  { title: "colour, kernels 3", config: configOf({ ...gatedColour, depth: 6 }), covers: true },
  {
    title: "colour, kernels 5, no skip",
    config: configOf({ ...gatedColour, ...noSkip, firstKernel: 5, kernels: [5], depth: 3 }),
    covers: true,
  },
  {
    title: "colour, kernel 7 then 3, dilations 1 2, a condition",
    config: configOf({ ...gatedColour, firstKernel: 7, dilations: [1, 2], depth: 3, condition: vector }),
    covers: true,
  },
  {
    title: "grey, kernels 3, a map",
    config: configOf({ depth: 6, condition: { ...map, height: 2, width: 2 } }),
    covers: true,
  },
  {
    title: "two channels, kernels 5, no skip, a class",
    config: configOf({
      ...gatedColour,
      ...noSkip,
      channels: 2,
      firstKernel: 5,
      kernels: [5],
      depth: 3,
      condition: classes,
    }),
    covers: true,
  },
  { title: "colour, one layer", config: configOf({ ...gatedColour, depth: 1 }), covers: false },
  {
    title: "two channels, kernel 3 then 7, dilation 2",
    config: configOf({ ...gatedColour, channels: 2, features: 8, kernels: [7], dilations: [2], depth: 2 }),
    covers: false,
  },
]);

fields(plain, [
  { title: "grey, one layer", config: plainConfig({ firstKernel: 7, depth: 1 }), covers: false },
  { title: "a first kernel of twice the image", config: plainConfig({ firstKernel: 13, depth: 1 }), covers: true },
  {
    title: "grey, dilation 2 over a first kernel of 3",
    config: plainConfig({ dilations: [2], depth: 4 }),
    covers: false,
  },
  { title: "colour, kernels 3, deep", config: plainConfig({ ...plainColour, depth: 6 }), covers: false },
  {
    title: "two channels, kernels 5 7, dilations 1 2",
    config: plainConfig({ ...plainColour, channels: 2, firstKernel: 5, kernels: [7, 5], dilations: [1, 2] }),
    covers: false,
  },
]);

/**
 * One stack of masked n x n convolutions moves to the right only while it moves up: in layer 1 by (n - 1) / 2 columns
 * with its first row, in layers of m x m by (m - 1) / 2 for each further row. What is beyond stays unseen at any depth.
 */
describe("the blind spot of the plain PixelCNN", () => {
  const size = { height: 9, width: 15 };
  test.each([
    [3, 3, 15],
    [3, 3, 40],
    [5, 3, 15],
    [7, 3, 15],
    [5, 5, 15],
    [7, 5, 15],
  ])(
    "first kernel %i, then %i, %i layers: a rows up it is b > (n - 1) / 2 + (a - 1) (m - 1) / 2 columns to the right",
    (n, m, depth) => {
      const layers = { ...size, firstKernel: n, kernels: [m], depth };
      const plainSets = dependencies(networkOf(plainConfig(layers)), size);
      const gatedSets = dependencies(networkOf(gatedConfig(layers)), size);
      const wrong: string[] = [];
      let blind = 0;
      for (let s = 0; s < size.height * size.width; s++)
        for (let t = 0; t < size.height * size.width; t++) {
          const a = Math.floor(s / size.width) - Math.floor(t / size.width);
          const b = (t % size.width) - (s % size.width);
          const hidden = a > 0 && b > (n - 1) / 2 + ((a - 1) * (m - 1)) / 2;
          if (hidden) blind++;
          if (contains(plainSets[s]!, t) !== (t < s && !hidden)) wrong.push(`${t} from ${s}`);
          // The Gated PixelCNN of the same kernels sees every earlier pixel.
          if (contains(gatedSets[s]!, t) !== t < s) wrong.push(`${t} from ${s}, gated`);
        }
      expect(wrong).toEqual([]);
      expect(blind).toBeGreaterThan(0);
    },
  );
});
