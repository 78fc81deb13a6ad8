/** What `score` says, of one process or of all shards. */

import { histogramSvg } from "../pictures/chart.ts";
import type { ScoredImage } from "../runs/score-images.ts";
import type { JoinedScores } from "../runs/score-shard.ts";
import type { Teller } from "../runs/source-image.ts";
import { describeLeftOut } from "../runs/source-images.ts";
import type { UsualBits } from "../runs/usual-bits.ts";
import { counted, printable } from "../words.ts";
import type { Report } from "./report.ts";

/** What was written, and how long it took. */
interface ScoreFiles {
  readonly seconds: number;
  readonly csv?: string | undefined;
  readonly histogram?: string | undefined;
  readonly heatmap?: { readonly file: string; readonly darkest: number; readonly images: number } | undefined;
}

export function scoreReport(
  { about, each, bits, bitsPerDim }: JoinedScores,
  { seconds, csv, histogram, heatmap }: ScoreFiles,
): Report {
  const { model, sources, conditions, usual } = about;
  const left = describeLeftOut(sources);
  const { of, leftOut, broken } = sources;
  const lines = [
    `${bits.toFixed(2)} bits an image, ${bitsPerDim.toFixed(4)} bits/dim: ${counted(each.length, "image")} in ` +
      `${seconds.toFixed(1)} s`,
    ...(left === null ? [] : [left]),
    ...(conditions === undefined ? [] : [`conditions: ${conditions}`]),
    ...usualLines(usual, bitsPerDim),
    ...extremes(each, usual, model),
    ...(csv === undefined ? [] : [`table: ${csv}`]),
    ...(histogram === undefined ? [] : [`histogram: ${histogram}`]),
    ...(heatmap ? [heatmapLine(heatmap, each.length)] : []),
  ];
  const said = { model: model.name, step: model.step, images: each.length, of, leftOut, bits, bitsPerDim, usual };
  const written = { conditions, seconds, heatmap, csv, histogram };
  return { code: broken > 0 ? 1 : 0, json: { ...said, ...written, each }, text: lines.join("\n") };
}

/** Tells of images that had more values than the model has levels. */
export function tellRounded({ about, rounded }: JoinedScores, tell: Pick<Teller, "note">): void {
  const { levels } = about.model;
  if (rounded === 0) return;
  const how = levels === 2 ? "two levels by a threshold at 127" : `the nearest of the model's ${levels} levels`;
  tell.note(`${counted(rounded, "image")} of more than ${levels} values: scored after taking them to ${how}`);
}

/** How many images need how many bits/dim, as SVG. */
export function scoreHistogram({ about, each }: JoinedScores): string {
  const bitsOfEach = each.map((image) => image.bitsPerDim);
  return histogramSvg(`Bits of each image under ${about.model.name}`, "bits/dim", bitsOfEach);
}

/** What the model's own test images need, and how to read the distance from it. */
function usualLines(usual: UsualBits | null, bitsPerDim: number): string[] {
  if (usual === null) return [];
  const times = bitsPerDim / usual.bitsPerDim;
  return [
    `the model's own test images need ${usual.bitsPerDim.toFixed(4)} bits/dim on average; these need ` +
      `${times.toFixed(2)} times as many. Both ends are unusual: an image of one colour needs far fewer bits than ` +
      "any that the model was trained on",
  ];
}

/** The three most and least surprising, by bits/dim, since sizes may differ. */
function extremes(
  scored: readonly ScoredImage[],
  usual: UsualBits | null,
  model: { readonly height: number; readonly width: number },
): string[] {
  const distance = ({ bits, height, width }: ScoredImage): string => {
    // How images of another size spread is not known.
    if (!usual?.deviation || height !== model.height || width !== model.width) return "";
    const deviations = (bits - usual.bits) / usual.deviation;
    return `  ${deviations < 0 ? "" : "+"}${deviations.toFixed(1)} sd`;
  };
  const line = (image: ScoredImage): string =>
    `  ${image.bitsPerDim.toFixed(4)} bits/dim  ${image.bits.toFixed(1)} bits${distance(image)}  ` +
    printable(image.file);
  if (scored.length < 2) return scored.filter((image) => distance(image) !== "").map(line);
  const sorted = [...scored].sort((a, b) => b.bitsPerDim - a.bitsPerDim);
  const few = Math.min(3, Math.floor(sorted.length / 2));
  return [
    `most surprising${usual?.deviation ? " (sd: standard deviations from the mean of the model's test images)" : ""}`,
    ...sorted.slice(0, few).map(line),
    "least surprising",
    ...sorted.slice(-few).reverse().map(line),
  ];
}

function heatmapLine(
  { file, darkest, images }: { file: string; darkest: number; images: number },
  all: number,
): string {
  const which = images < all ? `, the first ${images} images` : "";
  return (
    `heat map: ${file}${which}; each image beside its bits: the palest is 0 bits a pixel, the darkest ` +
    `${darkest} and more`
  );
}
