/** `pixelcnn eval`: how good a model is on a split, on the throughput engine: exact likelihood, or what its family is measured by. */

import type { Dataset } from "../../data/dataset.ts";
import { subset } from "../../data/dataset.ts";
import { fail } from "../../errors.ts";
import { type CompareOptions, compareConditions } from "../../measure/compare-conditions.ts";
import { describeEvaluation, evaluate } from "../../measure/evaluate.ts";
import { type Likelihood, type LikelihoodOptions, likelihood } from "../../measure/likelihood.ts";
import { checkDescribes } from "../../models/condition.ts";
import { codesKind, familyName } from "../../models/families.ts";
import type { Model } from "../../models/model.ts";
import { didYouMean } from "../../nearest.ts";
import { checkDevice } from "../../onnx/session.ts";
import { attachConditions } from "../../runs/condition-source.ts";
import { openForModel } from "../../runs/model-data.ts";
import { type OpenedPixelcnn, openModel, openPixelcnn } from "../../runs/open-model.ts";
import { numberOption } from "../options/number-option.ts";
import { type CommandContext, defineCommand, type Outcome } from "../run-command.ts";

/** What stands for each image's own condition. */
const CONDITIONS = ["own", "none", "shuffled"] as const;

export default defineCommand({
  name: "eval",
  summary: "Exact likelihood of a data set: nats an image and bits/dim",
  args: {
    model: { type: "positional", required: true, description: "A run or model folder, or the name of a shipped model" },
    data: { type: "positional", required: false, description: "A named set or a path; default: what the model was trained on" },
    split: { type: "string", valueHint: "S", default: "test", description: "test, train or all" },
    limit: { type: "string", valueHint: "N", description: "Only the first N images" },
    conditions: {
      type: "string",
      valueHint: "C",
      default: "own",
      description:
        "Of a model with a condition: own (each image's), none, or shuffled (each image has another's: what the right one is worth, and how often it is the better)",
    },
    classify: {
      type: "boolean",
      description: "Of a model of classes: the likelihood under every class, and by Bayes' rule how many images get their own",
    },
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
  async run(args, context) {
    const { terminal, signal, seed } = context;
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
        `expected ${CONDITIONS.join(", ")} for --conditions but received ${JSON.stringify(args.conditions)}${didYouMean(args.conditions, CONDITIONS)}`,
      );
    const whole = await openModel(args.model);
    const { config, run, name, step, folder } = whole;
    const tell = (text: string): void => terminal.warn(text);
    const opened = await openForModel(run, { source: args.data, split: args.split, seed, tell });
    try {
      const attach = (to: Dataset): Promise<Dataset> =>
        attachConditions(to, run.condition, { folder, threads: options.threads, signal, tell });
      const first = (of: Dataset): Dataset => (limit === undefined || limit >= of.length ? of : subset(of, { to: limit }));
      // Peers are chosen among all images, whatever the limit.
      const hasPeers = run.condition?.from === "encoder" && run.condition.of === "class";
      const data = hasPeers ? first(await attach(opened)) : await attach(first(opened));
      const started = performance.now();
      const about = { model: name, step, data: data.name, split: data.split, of: opened.length };
      const where = `${data.length} of ${opened.length} images of ${data.name}, ${data.split} split`;
      const done = (json: object, text: string): Outcome => ({
        json: { ...about, ...json, seconds: (performance.now() - started) / 1000 },
        text: `${text}\n${where}`,
      });
      if (how === "own" && !args.classify && codesKind(config) !== null) {
        const counter = terminal.counter("testing", "images");
        const result = await evaluate(whole, data, { ...options, onProgress: counter });
        terminal.endProgress();
        const { kind, ...numbers } = result;
        return done({ measure: kind, ...numbers }, describeEvaluation(result));
      }
      const model = await openPixelcnn(args.model);
      if (args.classify) return await classify(model, data, options, context, done);
      if (how !== "own" && model.config.condition === null)
        fail("usage", `expected --conditions own: ${name} is ${familyName(config)} without a condition`);
      if (how === "shuffled") return await shuffled(whole, data, { ...options, seed }, terminal, done);
      const conditions = how === "own" ? undefined : null;
      const onProgress = terminal.counter("testing", "images");
      const result = await likelihood(model, data, { ...options, conditions, onProgress });
      terminal.endProgress();
      const { images, nats, bitsPerDim, standardError } = result;
      return done(
        { images, nats, bitsPerDim, standardError, ...(model.config.condition ? { conditions: how } : {}) },
        `${nats.toFixed(2)} nats an image (standard error ${standardError.toFixed(2)}), ${bitsPerDim.toFixed(4)} bits/dim${how === "none" ? ", without the condition" : ""}`,
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
  terminal: CommandContext["terminal"],
  done: (json: object, text: string) => Outcome,
): Promise<Outcome> {
  let shown = { what: "", count: (_done: number, _all: number): void => {} };
  const { own, nats, pairs, ownBetter } = await compareConditions(model, data, {
    ...options,
    onProgress(what, ready, all) {
      if (what !== shown.what) shown = { what, count: terminal.counter(what, "images") };
      shown.count(ready, all);
    },
  });
  terminal.endProgress();
  const bitsPerDim = (nats / own.nats) * own.bitsPerDim;
  const json = {
    images: data.length,
    conditions: "shuffled",
    nats,
    bitsPerDim,
    ownNats: own.nats,
    ownBitsPerDim: own.bitsPerDim,
  };
  return done(
    { ...json, pairs, ownBetter },
    `${own.nats.toFixed(2)} nats an image with its own condition, ${nats.toFixed(2)} with another's: ${(nats - own.nats).toFixed(2)} nats more\n` +
      `the own one is better in ${(100 * ownBetter).toFixed(1)} % of ${pairs} pairs`,
  );
}

/** log p(x | y) for every class y; by Bayes' rule, all classes being as likely, p(y | x) is largest where it is. */
async function classify(
  model: OpenedPixelcnn,
  data: Dataset,
  options: LikelihoodOptions,
  { terminal }: CommandContext,
  done: (json: object, text: string) => Outcome,
): Promise<Outcome> {
  const { name, whole } = model;
  const { condition } = model.config;
  if (condition?.kind !== "class")
    return fail("usage", `expected a model of classes for --classify but ${name} is ${familyName(whole.config)} without`);
  checkDescribes(condition, data);
  const results: Likelihood[] = [];
  for (const [value, label] of condition.classes.entries()) {
    const onProgress = terminal.counter(`class ${label} (${value + 1} of ${condition.classes.length})`, "images");
    results.push(await likelihood(model, data, { ...options, conditions: value, onProgress }));
  }
  terminal.endProgress();
  const { right, labelled, confusion, posterior } = await bayes(results, data);
  const accuracy = right / labelled;
  const pairs = confusion
    .slice(0, 5)
    .map(({ from, to, count }) => `${condition.classes[from]} as ${condition.classes[to]}: ${count}`);
  return done(
    { images: data.length, labelled, right, accuracy, posteriorNats: posterior, confusion },
    `${(100 * accuracy).toFixed(2)} % right: ${right} of ${labelled} images get their own class by Bayes' rule; ` +
      `${posterior.toFixed(4)} nats a label` +
      (pairs.length > 0 ? `\nmost confused: ${pairs.join(", ")}` : ""),
  );
}

interface Bayes {
  readonly labelled: number;
  readonly right: number;
  /** Mean -log p(y | x). */
  readonly posterior: number;
  /** Wrong pairs, the most frequent first. */
  readonly confusion: readonly { readonly from: number; readonly to: number; readonly count: number }[];
}

async function bayes(results: readonly Likelihood[], data: Dataset): Promise<Bayes> {
  let [labelled, right, posterior] = [0, 0, 0];
  const wrong = new Map<string, number>();
  for (let from = 0; from < data.length; from += 256) {
    const indices = Array.from({ length: Math.min(256, data.length - from) }, (_, i) => from + i);
    const { labels } = await data.batch(indices, { epoch: 0 });
    labels.forEach((label, i) => {
      if (label < 0) return;
      labelled++;
      const nats = results.map(({ each }) => each[from + i]!);
      const least = Math.min(...nats);
      const best = nats.indexOf(least);
      posterior += nats[label]! - least + Math.log(nats.reduce((sum, x) => sum + Math.exp(least - x), 0));
      if (best === label) right++;
      else wrong.set(`${label} ${best}`, (wrong.get(`${label} ${best}`) ?? 0) + 1);
    });
  }
  if (labelled === 0) fail("data", `expected labels to check the classes against but ${data.name} has none`);
  const confusion = [...wrong]
    .map(([pair, count]) => ({ from: Number(pair.split(" ")[0]), to: Number(pair.split(" ")[1]), count }))
    .sort((a, b) => b.count - a.count);
  return { labelled, right, posterior: posterior / labelled, confusion };
}
