/** What a sweep compares: a name, and what it changes of the preset (`key=value` each, as for --set). */

import { fail } from "../../src/errors.ts";

export interface Variant {
  readonly name: string;
  readonly settings: readonly string[];
}

/** One idea each, beside the preset as it is; then those that help, together. */
export const VARIANTS: readonly Variant[] = [
  { name: "preset", settings: [] },
  { name: "muon 2", settings: ["train.muon=2"] },
  { name: "muon 4", settings: ["train.muon=4"] },
  { name: "muon 8", settings: ["train.muon=8"] },
  { name: "position", settings: ["model.position=2"] },
  { name: "columns", settings: ["model.columnEvery=2"] },
  { name: "columns in every layer", settings: ["model.columnEvery=1"] },
  { name: "bits", settings: ["model.bits=8"] },
  { name: "perceptron", settings: ["model.perceptron=64"] },
  { name: "position, columns", settings: ["model.position=2", "model.columnEvery=2"] },
  { name: "muon 4, position", settings: ["train.muon=4", "model.position=2"] },
  { name: "muon 4, columns", settings: ["train.muon=4", "model.columnEvery=2"] },
  { name: "muon 4, position, columns", settings: ["train.muon=4", "model.position=2", "model.columnEvery=2"] },
];

/** The variants that a list names, `;` between them; all where there is none. */
export function chosenVariants(only: string | undefined): readonly Variant[] {
  if (only === undefined) return VARIANTS;
  return only.split(";").map((text) => {
    const name = text.trim();
    const known = VARIANTS.map((variant) => JSON.stringify(variant.name)).join(", ");
    return (
      VARIANTS.find((variant) => variant.name === name) ??
      fail("usage", `expected some of ${known} for --only, with ; between them, but received ${JSON.stringify(name)}`)
    );
  });
}
