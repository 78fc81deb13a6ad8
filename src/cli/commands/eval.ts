/**
 * `pixelcnn eval`: how good a model is on a split, on the throughput engine: exact likelihood, or what its family is
 * measured by.
 */

import type { Dataset } from "../../data/dataset.ts";
import { fail } from "../../errors.ts";
import { type ClassifyOptions, classify } from "../../measure/bayes.ts";
import { type CompareOptions, compareConditions } from "../../measure/compare-conditions.ts";
import { describeEvaluation, evaluate } from "../../measure/evaluate.ts";
import { likelihood } from "../../measure/likelihood.ts";
import { codesKind, familyName, pixelcnnIn } from "../../models/families.ts";
import type { Model } from "../../models/model.ts";
import { didYouMean } from "../../nearest.ts";
import { checkDevice } from "../../onnx/session.ts";
import { histogramSvg } from "../../pictures/chart.ts";
import { openDescribed } from "../../runs/model-data.ts";
import { type OpenedPixelcnn, openModel, openPixelcnn } from "../../runs/open-model.ts";
import { writeOutput } from "../../runs/output.ts";
import { fitArg, onBrokenArg, readFitting } from "../options/fitting.ts";
import { numberOption } from "../options/number-option.ts";
import { checkOption, forceArg } from "../options/output.ts";
import { defineCommand, type Outcome } from "../run-command.ts";
import { labelledProgress, type Terminal } from "../terminal.ts";

/** What stands for each image's own condition. */
const CONDITIONS = ["own", "none", "shuffled"] as const;

export default defineCommand({
  name: "eval",
  summary: "Exact likelihood of a data set: nats an image and bits/dim",
  args: {
    model: { type: "positional", required: true, description: "A run or model folder, or the name of a shipped model" },
    data: {
      type: "positional",
      required: false,
      description: "A named set or a path; default: what the model was trained on",
    },
    split: { type: "string", valueHint: "S", default: "test", description: "test, train or all" },
    limit: { type: "string", valueHint: "N", description: "Only the first N images" },
    ...fitArg,
    ...onBrokenArg,
    conditions: {
      type: "string",
      valueHint: "C",
      default: "own",
      description:
        "Of a model with a condition: own (each image's), none, or shuffled (each image has another's: what the " +
        "right one is worth, and how often it is the better)",
    },
    classify: {
      type: "boolean",
      description:
        "Of a model of classes: the likelihood under every class, and by Bayes' rule how many images get their own",
    },
    histogram: {
      type: "string",
      valueHint: "F.svg",
      description: "A chart to write: how many images need how many bits/dim, each under its own condition",
    },
    ...forceArg,
    batch: { type: "string", valueHint: "B", description: "Images a call; the result does not depend on it" },
    device: { type: "string", valueHint: "D", description: "cpu, webgpu or cuda; default cpu" },
    threads: { type: "string", valueHint: "T", description: "CPU threads; default one a core" },
  },
  examples: [
    "eval runs/digits",
    "eval runs/digits mnist --split train --limit 5000 --json",
    "eval runs/classes --conditions shuffled",
    "eval runs/classes --classify",
  ],
  async run(args, { terminal, signal, seed, keepStdout }) {
    checkOption(args.histogram, { option: "--histogram", inputs: [args.data], force: args.force }, { keepStdout });
    const options = {
      device: args.device === undefined ? undefined : checkDevice(args.device),
      threads: numberOption("threads", args.threads, { min: 1, max: 1024 }),
      batch: numberOption("batch", args.batch, { min: 1, max: 65536 }),
      signal,
    };
    const limit = numberOption("limit", args.limit, { min: 1 });
    const how =
      CONDITIONS.find((c) => c === args.conditions) ??
      fail(
        "usage",
        `expected ${CONDITIONS.join(", ")} for --conditions but received ` +
          `${JSON.stringify(args.conditions)}${didYouMean(args.conditions, CONDITIONS)}`,
      );
    const whole = await openModel(args.model);
    const { config, name, step } = whole;
    const { threads } = options;
    const fitting = readFitting(args, terminal);
    const asked = { source: args.data, split: args.split, seed, limit, threads, signal, ...fitting.rules };
    const { data, whole: opened } = await openDescribed(whole, asked);
    try {
      const started = performance.now();
      const about = { model: name, step, data: data.name, split: data.split, of: opened.length };
      const where = `${data.length} of ${opened.length} images of ${data.name}, ${data.split} split`;
      const drawn = args.histogram === undefined ? "" : `\nhistogram: ${args.histogram}`;
      const done = (json: object, text: string): Outcome => ({
        code: fitting.code(),
        json: {
          ...about,
          skipped: fitting.skipped(),
          ...json,
          histogram: args.histogram,
          seconds: (performance.now() - started) / 1000,
        },
        text: `${text}\n${where}${drawn}`,
      });
      if (args.histogram !== undefined && (how === "shuffled" || args.classify || !pixelcnnIn(config)))
        fail("usage", "expected --histogram with the likelihood of a model that has one, not with another measure");
      if (how === "own" && !args.classify && codesKind(config) !== null && args.histogram === undefined) {
        const counter = terminal.counter("testing", "images");
        const result = await evaluate(whole, data, { ...options, onProgress: counter });
        terminal.endProgress();
        const { kind, ...numbers } = result;
        return done({ measure: kind, ...numbers }, describeEvaluation(result));
      }
      const model = await openPixelcnn(args.model);
      if (args.classify) return await classified(model, data, options, terminal, done);
      if (how !== "own" && model.config.condition === null)
        fail("usage", `expected --conditions own: ${name} is ${familyName(config)} without a condition`);
      if (how === "shuffled") return await shuffled(whole, data, { ...options, seed }, terminal, done);
      const conditions = how === "own" ? undefined : null;
      const onProgress = terminal.counter("testing", "images");
      const result = await likelihood(how === "own" && codesKind(config) === "latents" ? whole : model, data, {
        ...options,
        conditions,
        onProgress,
      });
      terminal.endProgress();
      const { images, nats, bitsPerDim, standardError, each } = result;
      if (args.histogram !== undefined) {
        const toBits = bitsPerDim / nats;
        const title = `Bits of each image under ${name}`;
        await writeOutput(
          args.histogram,
          histogramSvg(
            title,
            "bits/dim",
            Array.from(each, (n) => n * toBits),
          ),
        );
      }
      return done(
        { images, nats, bitsPerDim, standardError, conditions: model.config.condition ? how : undefined },
        `${nats.toFixed(2)} nats an image (standard error ${standardError.toFixed(2)}), ${bitsPerDim.toFixed(4)} ` +
          `bits/dim${how === "none" ? ", without the condition" : ""}`,
      );
    } finally {
      await opened.close?.();
    }
  },
});

/** What the right condition is worth: each image under its own and under those of others. */
async function shuffled(
  model: Model,
  data: Dataset,
  options: CompareOptions,
  terminal: Terminal,
  done: (json: object, text: string) => Outcome,
): Promise<Outcome> {
  const onProgress = labelledProgress(terminal, () => "images");
  const { own, nats, pairs, ownBetter } = await compareConditions(model, data, { ...options, onProgress });
  terminal.endProgress();
  const bitsPerDim = (nats / own.nats) * own.bitsPerDim;
  const owns = { ownNats: own.nats, ownBitsPerDim: own.bitsPerDim };
  return done(
    { images: data.length, conditions: "shuffled", nats, bitsPerDim, ...owns, pairs, ownBetter },
    `${own.nats.toFixed(2)} nats an image with its own condition, ${nats.toFixed(2)} with another's: ` +
      `${(nats - own.nats).toFixed(2)} nats more\n` +
      `the own one is better in ${(100 * ownBetter).toFixed(1)} % of ${pairs} pairs`,
  );
}

/** How many images get their own class by Bayes' rule. */
async function classified(
  model: OpenedPixelcnn,
  data: Dataset,
  options: ClassifyOptions,
  terminal: Terminal,
  done: (json: object, text: string) => Outcome,
): Promise<Outcome> {
  const { name, whole, config } = model;
  if (config.condition?.kind !== "class")
    return fail(
      "usage",
      `expected a model of classes for --classify but ${name} is ${familyName(whole.config)} without`,
    );
  const onProgress = labelledProgress(terminal, () => "images");
  const { classes, labelled, right, posteriorNats, confusion } = await classify(model, data, {
    ...options,
    onProgress,
  });
  terminal.endProgress();
  const accuracy = right / labelled;
  const pairs = confusion.slice(0, 5).map(({ from, to, count }) => `${classes[from]} as ${classes[to]}: ${count}`);
  return done(
    { images: data.length, labelled, right, accuracy, posteriorNats, confusion },
    `${(100 * accuracy).toFixed(2)} % right: ${right} of ${labelled} images get their own class by Bayes' rule; ` +
      `${posteriorNats.toFixed(4)} nats a label` +
      (pairs.length > 0 ? `\nmost confused: ${pairs.join(", ")}` : ""),
  );
}
