/** What `eval` says, of one process or of all shards. */

import type { Classification } from "../measure/bayes.ts";
import type { ConditionComparison } from "../measure/compare-conditions.ts";
import { describeEvaluation, type Evaluation } from "../measure/evaluate.ts";
import type { Likelihood } from "../measure/likelihood.ts";
import { histogramSvg } from "../pictures/chart.ts";
import type { AboutEvaluation, Measured } from "../runs/eval-shard.ts";
import type { Report } from "./report.ts";

interface EvalFiles {
  readonly histogram?: string | undefined;
  readonly seconds: number;
}

interface Said {
  readonly json: object;
  readonly text: string;
}

export function evalReport(about: AboutEvaluation, measured: Measured, files: EvalFiles): Report {
  return report(about, saidOf(about, measured, files), files);
}

interface Where {
  readonly model: Pick<AboutEvaluation["model"], "name" | "step">;
  readonly data: AboutEvaluation["data"];
}

/** Of a model without a likelihood. */
export function otherReport(about: Where, evaluation: Evaluation, files: EvalFiles): Report {
  const { kind, ...numbers } = evaluation;
  return report(about, { json: { measure: kind, ...numbers }, text: describeEvaluation(evaluation) }, files);
}

/** How many images need how many bits/dim, as SVG. */
export function evalHistogram({ model }: AboutEvaluation, { nats, bitsPerDim, each }: Likelihood): string {
  const toBits = bitsPerDim / nats;
  const bits = Array.from(each, (n) => n * toBits);
  return histogramSvg(`Bits of each image under ${model.name}`, "bits/dim", bits);
}

function report({ model, data }: Where, { json, text }: Said, { histogram, seconds }: EvalFiles): Report {
  const { name, split, images, of, skipped } = data;
  const about = { model: model.name, step: model.step, data: name, split, of, skipped };
  const where = `${images} of ${of} images of ${name}, ${split} split`;
  return {
    code: skipped > 0 ? 1 : 0,
    json: { ...about, ...json, histogram, seconds },
    text: `${text}\n${where}${histogram === undefined ? "" : `\nhistogram: ${histogram}`}`,
  };
}

function saidOf(about: AboutEvaluation, measured: Measured, { histogram }: EvalFiles): Said {
  if (measured.measure === "classes") return classified(about, measured.classification);
  if (measured.measure === "shuffled") return shuffled(about, measured.comparison);
  const { images, nats, bitsPerDim, standardError } = measured.likelihood;
  const numbers = { images, nats, bitsPerDim, standardError };
  const { conditions } = about;
  if (about.codes && conditions === "own" && histogram === undefined) {
    const evaluation = { kind: "likelihood", ...numbers } as const;
    return { json: { measure: "likelihood", ...numbers }, text: describeEvaluation(evaluation) };
  }
  return {
    json: { ...numbers, conditions },
    text:
      `${nats.toFixed(2)} nats an image (standard error ${standardError.toFixed(2)}), ${bitsPerDim.toFixed(4)} ` +
      `bits/dim${conditions === "none" ? ", without the condition" : ""}`,
  };
}

/** What the right condition is worth: each image under its own and under those of others. */
function shuffled({ data }: AboutEvaluation, { own, nats, pairs, ownBetter }: ConditionComparison): Said {
  const bitsPerDim = (nats / own.nats) * own.bitsPerDim;
  const owns = { ownNats: own.nats, ownBitsPerDim: own.bitsPerDim };
  return {
    json: { images: data.images, conditions: "shuffled", nats, bitsPerDim, ...owns, pairs, ownBetter },
    text:
      `${own.nats.toFixed(2)} nats an image with its own condition, ${nats.toFixed(2)} with another's: ` +
      `${(nats - own.nats).toFixed(2)} nats more\n` +
      `the own one is better in ${(100 * ownBetter).toFixed(1)} % of ${pairs} pairs`,
  };
}

/** How many images get their own class by Bayes' rule. */
function classified(
  { data }: AboutEvaluation,
  { classes, labelled, right, posteriorNats, confusion }: Classification,
): Said {
  const accuracy = right / labelled;
  const pairs = confusion.slice(0, 5).map(({ from, to, count }) => `${classes[from]} as ${classes[to]}: ${count}`);
  return {
    json: { images: data.images, labelled, right, accuracy, posteriorNats, confusion },
    text:
      `${(100 * accuracy).toFixed(2)} % right: ${right} of ${labelled} images get their own class by Bayes' rule; ` +
      `${posteriorNats.toFixed(4)} nats a label` +
      (pairs.length > 0 ? `\nmost confused: ${pairs.join(", ")}` : ""),
  };
}
