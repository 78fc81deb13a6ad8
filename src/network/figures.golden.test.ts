/**
 * What networks cost is held still: order, shapes and first values of parameters, the digest, packed numbers, kernel
 * calls and nodes of graphs, in test/golden/network-figures.json. Recorded from commit 39b101e, where the Gated
 * PixelCNN was written twice by hand, and unchanged since but for one thing: in the graphs of models without skip
 * connections ("no skip" and "colour, no skip, map") 1 to 4 `Reshape` nodes of each of two shapes are gone. These are
 * views, so no copy is saved or made. The entries of the plain PixelCNN, the Row LSTM
 * and the Diagonal BiLSTM are as these were first committed.
 */

import { expect, test } from "vitest";
import { CONFIGS, figuresOf, readFigures } from "./figures.test-support.ts";

const golden = readFigures();

test("figures are recorded for every config, and for no other", () => {
  expect(Object.keys(golden)).toEqual(Object.keys(CONFIGS));
});

test.each(Object.entries(CONFIGS))("%s: the recorded figures", async (name, input) => {
  expect(await figuresOf(input)).toEqual(golden[name]);
});
