/** What `sample` draws and says, of one process or of all shards. */

import { gridOf } from "../pictures/grid.ts";
import type { AboutSamples } from "../runs/sample-shard.ts";
import { counted } from "../words.ts";
import type { Report } from "./report.ts";

/** A PNG of all images; a row a condition where there are several. */
export function samplePicture(
  { model, count, conditions }: AboutSamples,
  pixels: Uint8Array,
  scale: number | undefined,
): Uint8Array {
  const rows = conditions?.length ?? 1;
  return gridOf({ ...model, pixels, scale, columns: rows > 1 ? count / rows : undefined });
}

export function sampleReport(
  { model, count, seed, temperature, guidance, conditions }: AboutSamples,
  { out, seconds }: { readonly out: string; readonly seconds: number },
): Report {
  const { name, step, height, width } = model;
  return {
    json: { model: name, step, out, count, seed, temperature, guidance, conditions, seconds },
    text:
      `${counted(count, "image")} of ${height}x${width} in ${seconds.toFixed(1)} s (seed ${seed}): ${out}` +
      (conditions ? `\n${conditions.length > 1 ? "rows" : "condition"}: ${conditions.join(", ")}` : ""),
  };
}
