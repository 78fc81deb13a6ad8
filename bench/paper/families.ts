/**
 * The four families of the comparison, each as a preset and the widths that make their parameter counts agree. What a
 * preset sets beside its widths (batch, rate, schedule) stays: each family trains at the rate that was chosen for it.
 */

import { fail } from "../../src/errors.ts";
import { modelParameters, modelSchema } from "../../src/models/families.ts";
import { parseStrict } from "../../src/models/schema.ts";
import { countOf } from "../../src/network/parameters.ts";
import { draftRun } from "../../src/runs/draft.ts";
import type { PresetName } from "../../src/runs/presets.ts";

export interface Family {
  /** As --only and the run's folder name it. */
  readonly name: string;
  readonly title: string;
  readonly preset: PresetName;
  /** `key=value` each, as for --set; written out, so that a change of a preset does not change the comparison. */
  readonly settings: readonly string[];
}

/**
 * The presets alone differ by up to 3.3 %. One feature more or less is 5 % of a PixelRNN, so their heads, which grow in
 * small steps, are widened instead.
 */
export const FAMILIES: readonly Family[] = [
  {
    name: "gated",
    title: "Gated PixelCNN",
    preset: "mnist-gated-pixelcnn",
    settings: ["model.features=32", "model.skip=32", "model.head.features=64"],
  },
  {
    name: "plain",
    title: "PixelCNN",
    preset: "mnist-pixelcnn",
    settings: ["model.features=50", "model.head.features=64"],
  },
  {
    name: "row-lstm",
    title: "Row LSTM",
    preset: "mnist-row-lstm",
    settings: ["model.features=36", "model.head.features=96"],
  },
  {
    name: "diagonal-bilstm",
    title: "Diagonal BiLSTM",
    preset: "mnist-diagonal-bilstm",
    settings: ["model.features=33", "model.head.features=96"],
  },
];

/** Parameters of the model that a run of this family trains on MNIST. */
export async function parametersOf({ preset, settings }: Family): Promise<number> {
  const { draft } = await draftRun({ preset, settings, fallback: preset });
  const image = { height: 28, width: 28, channels: 1, levels: 2 };
  return countOf(modelParameters(parseStrict(modelSchema, { ...draft.model, ...image }, `the model of ${preset}`)));
}

/** How far the largest count may lie above the smallest. */
const TOLERANCE = 0.03;

/** Throws unless all counts, by their family's name, agree within 3 %. */
export function checkCounts(counts: ReadonlyMap<string, number>): void {
  const [least, most] = [Math.min(...counts.values()), Math.max(...counts.values())];
  if (most <= (1 + TOLERANCE) * least) return;
  const said = [...counts].map(([name, count]) => `${name} ${count}`).join(", ");
  fail(
    "model",
    `expected parameter counts within ${100 * TOLERANCE} % of each other for the families but received ${said}, ` +
      `which differ by ${(100 * (most / least - 1)).toFixed(1)} %; choose other widths in bench/paper/families.ts`,
  );
}

/** The families that a comma-separated list names; all where there is none. */
export function chosenFamilies(only: string | undefined): readonly Family[] {
  if (only === undefined) return FAMILIES;
  const names = only.split(",").map((name) => name.trim());
  const known = FAMILIES.map(({ name }) => name);
  for (const name of names)
    if (!known.includes(name))
      fail("usage", `expected some of ${known.join(", ")} for --only but received ${JSON.stringify(name)}`);
  return FAMILIES.filter(({ name }) => names.includes(name));
}

/** Test nats that papers report, on the static binarisation: not the one that we train and test on. */
export const PUBLISHED: readonly { readonly title: string; readonly nats: number; readonly source: string }[] = [
  { title: "PixelCNN", nats: 81.3, source: "van den Oord et al. 2016, arXiv 1601.06759" },
  { title: "Row LSTM", nats: 80.54, source: "van den Oord et al. 2016, arXiv 1601.06759" },
  { title: "Diagonal BiLSTM, 1 layer", nats: 80.75, source: "van den Oord et al. 2016, arXiv 1601.06759" },
  { title: "Diagonal BiLSTM, 7 layers", nats: 79.2, source: "van den Oord et al. 2016, arXiv 1601.06759" },
];
