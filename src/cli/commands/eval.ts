/**
 * `pixelcnn eval`: how good a model is on a split, on the throughput engine: exact likelihood, or what its family is
 * measured by.
 */

import { fail } from "../../errors.ts";
import { classify } from "../../measure/bayes.ts";
import { compareConditions } from "../../measure/compare-conditions.ts";
import { evaluate } from "../../measure/evaluate.ts";
import { likelihood } from "../../measure/likelihood.ts";
import { codesKind, familyName, pixelcnnIn } from "../../models/families.ts";
import { didYouMean } from "../../nearest.ts";
import { checkDevice } from "../../onnx/session.ts";
import { evalHistogram, evalReport, otherReport } from "../../reports/eval-report.ts";
import { shardReport } from "../../reports/shard-report.ts";
import { type AboutEvaluation, evalShard, type Measured } from "../../runs/eval-shard.ts";
import { openDescribed } from "../../runs/model-data.ts";
import { openModel, openPixelcnn } from "../../runs/open-model.ts";
import { writeOutput } from "../../runs/output.ts";
import { fitArg, onBrokenArg, readFitting } from "../options/fitting.ts";
import { numberOption } from "../options/number-option.ts";
import { checkOption, forceArg } from "../options/output.ts";
import { queueArgs, queueOutcome, readQueueOptions } from "../options/queue.ts";
import { readShardOptions, shardArgs } from "../options/shard.ts";
import { defineCommand } from "../run-command.ts";
import { labelledProgress } from "../terminal.ts";

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
    ...shardArgs,
    ...queueArgs,
    batch: { type: "string", valueHint: "B", description: "Images a call; the result does not depend on it" },
    device: { type: "string", valueHint: "D", description: "cpu, webgpu or cuda; default cpu" },
    threads: { type: "string", valueHint: "T", description: "CPU threads; default one a core" },
  },
  examples: [
    "eval runs/digits",
    "eval runs/digits mnist --split train --limit 5000 --json",
    "eval runs/classes --conditions shuffled",
    "eval runs/classes --classify",
    "eval runs/digits --shard 2/7 --parts parts/",
    "eval runs/digits --queue redis://queue:6379",
  ],
  async run(args, context) {
    const { terminal, signal, seed, keepStdout } = context;
    const queue = await readQueueOptions(args, [args.model, args.data], context);
    const wish = queue?.wish ?? readShardOptions(args, [args.model, args.data], { "--histogram": args.histogram });
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
    const { config } = whole;
    const measure = args.classify ? "classes" : how === "shuffled" ? "shuffled" : "likelihood";
    const hasLikelihood = pixelcnnIn(config) !== null;
    if (args.histogram !== undefined && (measure !== "likelihood" || !hasLikelihood))
      fail("usage", "expected --histogram with the likelihood of a model that has one, not with another measure");
    if (wish && !hasLikelihood)
      fail("usage", `expected --shard with a model that has a likelihood but ${whole.name} is ${familyName(config)}`);
    const { threads } = options;
    const fitting = readFitting(args, terminal);
    const asked = { source: args.data, split: args.split, seed, limit, threads, signal, ...fitting.rules };
    const { data, whole: opened } = await openDescribed(whole, asked);
    try {
      const started = performance.now();
      const files = () => ({ histogram: args.histogram, seconds: (performance.now() - started) / 1000 });
      const { name: source, split, length: images } = data;
      const of = { name: source, split, images, of: opened.length, skipped: fitting.skipped() };
      const count = terminal.counter("testing", "images");
      if (measure === "likelihood" && how === "own" && !hasLikelihood) {
        const result = await evaluate(whole, data, { ...options, onProgress: count });
        terminal.endProgress();
        return otherReport({ model: { name: whole.name, step: whole.step }, data: of }, result, files());
      }
      const model = await openPixelcnn(args.model);
      const { condition, height, width, channels } = model.config;
      if (measure === "classes" && condition?.kind !== "class")
        fail("usage", `expected a model of classes for --classify but ${model.name} is ${familyName(config)} without`);
      if (measure !== "classes" && how !== "own" && condition === null)
        fail("usage", `expected --conditions own: ${model.name} is ${familyName(config)} without a condition`);
      const about: AboutEvaluation = {
        measure,
        model: { name: model.name, step: model.step, dims: height * width * channels },
        codes: codesKind(config) !== null,
        conditions: condition && how !== "shuffled" ? how : undefined,
        classes: condition?.kind === "class" ? condition.classes : undefined,
        data: of,
      };
      const conditions = how === "own" ? undefined : null;
      // An auto-encoder's own latents need all of it.
      const asks = measure !== "classes" && how !== "none" && codesKind(config) === "latents" ? whole : model;
      const labelled = labelledProgress(terminal, () => "images");
      if (wish) {
        const work = { model: asks, data, conditions, seed, options: { ...options, onProgress: labelled } };
        const done = await evalShard(whole, about, work, wish);
        terminal.endProgress();
        if (queue) return await queueOutcome(queue, done.job, { histogram: args.histogram }, () => files().seconds);
        return shardReport(done, wish, { images: done.images, seconds: files().seconds });
      }
      const measured: Measured =
        measure === "classes"
          ? { measure, classification: await classify(model, data, { ...options, onProgress: labelled }) }
          : measure === "shuffled"
            ? { measure, comparison: await compareConditions(asks, data, { ...options, seed, onProgress: labelled }) }
            : { measure, likelihood: await likelihood(asks, data, { ...options, conditions, onProgress: count }) };
      terminal.endProgress();
      if (args.histogram !== undefined && measured.measure === "likelihood")
        await writeOutput(args.histogram, evalHistogram(about, measured.likelihood));
      return evalReport(about, measured, files());
    } finally {
      await opened.close?.();
    }
  },
});
