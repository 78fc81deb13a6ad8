/**
 * A run's config, complete once the data are known: their size, channels and levels are the model's. Free of Node:
 * pages train too.
 */

import type { Dataset } from "../data/dataset.ts";
import { fail } from "../errors.ts";
import type { PixelcnnInput } from "../models/config.ts";
import { type ConditionSource, type RunConfig, type RunDraft, resolveRun } from "../train/config.ts";

/**
 * The whole config, now that the data are open: their size, channels and levels are the model's. `scale`: of a
 * condition's vectors.
 */
export function completeDraft(draft: RunDraft, source: string, dataset: Dataset, scale?: number): RunConfig {
  const { height, width, channels, levels } = dataset;
  for (const [axis, found] of Object.entries({ height, width, channels, levels })) {
    const wanted = draft.model[axis];
    if (wanted !== undefined && wanted !== found) {
      const how =
        axis === "channels" || axis === "height" || axis === "width" || axis === "levels"
          ? `; --set data.${axis}=... converts images where their format allows it`
          : "";
      fail(
        "usage",
        `expected images of ${axis} ${JSON.stringify(wanted)}, as model.${axis} says, but ${dataset.name} has ` +
          `${axis} ${found}${how}`,
      );
    }
  }
  const condition = conditionConfigOf(draft.condition, dataset, draft.model.condition, scale);
  return resolveRun({
    ...draft,
    data: {
      ...draft.data,
      source,
      height,
      width,
      channels: [1, 3, 4].includes(channels) ? channels : draft.data.channels,
    },
    model: { ...draft.model, height, width, channels, levels, ...(condition === undefined ? {} : { condition }) },
  });
}

/** model.condition of a source, now that the data (with their vectors) are known. `given`: what the user set of it. */
export function conditionConfigOf(
  source: ConditionSource | null,
  data: Dataset,
  given: unknown,
  scale?: number,
): PixelcnnInput["condition"] {
  const fixed = typeof given === "object" && given !== null ? given : {};
  if (source === null) return given as PixelcnnInput["condition"];
  if (source.from === "class") {
    // The classes of a config that names them stay; a user who resumes gets a message when those of the data have
    // changed (checkDescribes).
    if ("classes" in fixed) return { kind: "class", ...fixed } as PixelcnnInput["condition"];
    const classes =
      data.classes ??
      fail("usage", `expected classes for --condition class but ${data.name} has none: subfolders are classes`);
    return { kind: "class", classes: [...classes] };
  }
  if (source.from === "thumbnail")
    return { kind: "map", height: source.height, width: source.width, channels: data.channels, ...fixed };
  const size = data.vectorSize ?? fail("usage", `expected vectors for the condition but ${data.name} has none`);
  // A .npy of rank 4 holds maps; its shape comes as model.condition.
  return "kind" in fixed
    ? (fixed as PixelcnnInput["condition"])
    : { kind: "vector", size, ...(scale ? { scale } : {}), ...fixed };
}
