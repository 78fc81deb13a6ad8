/** Data made as a model's own were: the same size, channels, levels and binarisation, whatever the source. */

import type { Dataset } from "../data/dataset.ts";
import { openData } from "../data/open.ts";
import type { DataOptions } from "../data/options.ts";
import { fail } from "../errors.ts";
import type { RunConfig } from "../train/config.ts";

export interface ForModel {
  /** Default: the source that the model was trained on. */
  readonly source?: string | undefined;
  readonly split: string;
  /** Names the draw of a stochastic binarisation; default the run's. */
  readonly seed?: number | undefined;
  readonly tell: (text: string) => void;
}

export async function openForModel(config: RunConfig, { source, split, seed, tell }: ForModel): Promise<Dataset> {
  const { source: own, limit: _, ...kept } = config.data;
  const options: DataOptions = { ...kept };
  if (split !== "train" && split !== "test" && split !== "all") {
    return fail("usage", `expected test, train or all for the split but received ${JSON.stringify(split)}`);
  }
  if (source !== undefined && source !== own) {
    // Rows of the run's own vectors and its held-out classes belong to its own images.
    options.vectors = undefined;
    options.splitBy = "image";
  }
  return openData(source ?? own, { ...options, split, onWarning: tell, ...(seed === undefined ? {} : { binariseSeed: seed }) });
}
