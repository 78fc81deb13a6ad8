/** Data made as a model's own were: the same size, channels, levels and binarisation, whatever the source. */

import { type Dataset, subset } from "../data/dataset.ts";
import type { Fit } from "../data/encoded-images.ts";
import { openData } from "../data/open.ts";
import type { DataOptions } from "../data/options.ts";
import { checkSplit } from "../data/selection.ts";
import { orClose } from "../data/source.ts";
import { withClasses } from "../data/with-classes.ts";
import { modelCondition } from "../models/families.ts";
import type { RunConfig } from "../train/config.ts";
import { attachConditions } from "./condition-source.ts";
import type { OpenedModel } from "./open-model.ts";
import { keptSource } from "./train-data.ts";

export interface ForModel {
  /** Default: the source that the model was trained on. */
  readonly source?: string | undefined;
  readonly split: string;
  /** Names the draw of a stochastic binarisation; default the run's. */
  readonly seed?: number | undefined;
  /** How images of another size, or of more channels, become the model's; default: they are an error. */
  readonly fit?: Fit | undefined;
  /** Images that cannot be read: an error that names all of them, or left out. */
  readonly onBroken?: "error" | "skip" | undefined;
  /** Told why each that was left out cannot be read. */
  readonly onSkipped?: ((reasons: readonly string[]) => void) | undefined;
  readonly tell: (text: string) => void;
}

/**
 * The model's own data are fitted as they were for training. Others must be of the model's size and channels, unless
 * the user says how to fit them.
 */
export async function openForModel(
  config: RunConfig,
  { source, split, seed, fit, onBroken, onSkipped, tell }: ForModel,
): Promise<Dataset> {
  const { source: own, limit: _, ...kept } = config.data;
  const options: DataOptions = { ...kept, split: checkSplit(split), binariseSeed: seed ?? kept.binariseSeed };
  if (source !== undefined && keptSource(source) !== own) {
    const { height, width, channels } = config.model;
    // Rows of the run's own vectors and its held-out classes belong to its own images.
    options.vectors = undefined;
    options.splitBy = "image";
    options.format = "auto";
    Object.assign(options, { height, width, fit: fit ?? "none" });
    if (channels === 1 || channels === 3 || channels === 4) options.channels = channels;
  } else if (fit !== undefined) options.fit = fit;
  if (onBroken !== undefined) options.onBroken = onBroken;
  const data = await openData(source ?? own, { ...options, thorough: true, onSkipped, onWarning: tell });
  const condition = modelCondition(config.model);
  return condition?.kind === "class" ? orClose(data, () => withClasses(data, condition.classes)) : data;
}

export interface DescribedData extends ForModel {
  /** Only the first so many images. */
  readonly limit?: number | undefined;
  readonly threads?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Data as {@link openForModel} opens them, with the conditions that the model's run made of its own images. `whole`:
 * all of the split, to close.
 */
export async function openDescribed(
  { run, folder }: OpenedModel,
  { limit, threads, signal, ...options }: DescribedData,
): Promise<{ data: Dataset; whole: Dataset }> {
  const whole = await openForModel(run, options);
  try {
    const attach = (data: Dataset): Promise<Dataset> =>
      attachConditions(data, run.condition, { folder, threads, signal, tell: options.tell });
    const first = (of: Dataset): Dataset =>
      limit === undefined || limit >= of.length ? of : subset(of, { to: limit });
    // Peers are chosen among all images, whatever the limit.
    const hasPeers = run.condition?.from === "encoder" && run.condition.of === "class";
    return { data: hasPeers ? first(await attach(whole)) : await attach(first(whole)), whole };
  } catch (error) {
    await whole.close?.();
    throw error;
  }
}
