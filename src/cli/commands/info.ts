/** `pixelcnn info`: what a model is and how it came to be, what a data set holds, or what an archive does. */

import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describeEvaluation, type Evaluation } from "../../measure/evaluate.ts";
import { type ModelConfig, modelParameters, pixelcnnIn } from "../../models/families.ts";
import { describeLayers } from "../../models/networks.ts";
import { countOf } from "../../network/parameters.ts";
import { possibleConditions } from "../../runs/asked-conditions.ts";
import { folderOf, openModel, openPixelcnn } from "../../runs/open-model.ts";
import { shippedModels } from "../../runs/shipped-models.ts";
import { openTrainData } from "../../runs/train-data.ts";
import { duration } from "../../words.ts";
import { defineCommand, type Outcome } from "../run-command.ts";
import { alignedRows } from "../terminal.ts";
import { aboutArchive, isArchive } from "./info-archive.ts";

export default defineCommand({
  name: "info",
  summary: "Describe a model, a data set or an archive",
  args: {
    what: {
      type: "positional",
      required: true,
      description: "A run or model folder, the name of a shipped model, a named set, a path to images, or a .pxc archive",
    },
  },
  examples: ["info runs/digits", "info cifar10 --json", "info digits.pxc"],
  async run({ what }, { terminal }) {
    const isModel = existsSync(join(what, "config.json")) || (!existsSync(what) && shippedModels().includes(what));
    if (!isModel && (await isArchive(what))) return aboutArchive(what);
    return isModel ? aboutModel(what) : aboutData(what, (text) => terminal.warn(text));
  },
});

async function aboutModel(name: string): Promise<Outcome> {
  const whole = await openModel(name);
  const { run: config, step } = whole;
  const folder = folderOf(whole);
  const { model, data, train } = config;
  const parameters = countOf(modelParameters(model));
  const { evaluation, seconds } = await lastOf(folder);
  const [unit, amount] = Object.entries(train.budget)[0]!;
  const condition = pixelcnnIn(model) && possibleConditions(await openPixelcnn(name));
  const rows: [string, unknown][] = [
    ["model", folder],
    ["images", `${model.height}x${model.width}x${model.channels}, ${model.levels} levels`],
    ["network", networkOf(model)],
    ...(condition ? [["condition", condition] as [string, unknown]] : []),
    ["parameters", parameters],
    ["data", `${data.source}${data.binarise === "none" ? "" : `, binarised (${data.binarise})`}`],
    [
      "trained",
      `${step} steps of ${train.batch} images${seconds === null ? "" : ` in ${duration(seconds)}`}, budget ${amount} ${unit}`,
    ],
  ];
  if (evaluation) {
    // Logs of earlier versions know only the likelihood, and do not say so.
    const said = describeEvaluation({ ...evaluation, kind: evaluation.kind ?? "likelihood" } as unknown as Evaluation);
    rows.push(["tested", `${said} on ${evaluation.images} images at step ${evaluation.step}`]);
  }
  return {
    json: { kind: "model", name, folder, step, seconds, parameters, evaluation, condition, config },
    text: alignedRows(rows),
  };
}

interface Logged {
  readonly type: string;
  readonly step: number;
  readonly seconds: number;
  readonly images: number;
  readonly kind?: Evaluation["kind"];
}

/** The layers, in words. */
function networkOf(model: ModelConfig): string {
  const pixelcnn = pixelcnnIn(model);
  if (!("encoder" in model)) return `${model.family}, ${describeLayers(pixelcnn!)}`;
  const encoder = `encoder of ${model.encoder.features} features`;
  if (!("decoder" in model)) return `${model.family}, ${encoder} to ${model.size} numbers`;
  const decodes = pixelcnn ? `a PixelCNN of ${describeLayers(pixelcnn)}` : `a ${model.decoder.kind}`;
  return `${model.family}, ${encoder} to ${model.latents} latents, ${decodes}`;
}

/** The last test and the training time, from the run's log where there is one; lines that are not whole are passed over. */
async function lastOf(folder: string): Promise<{ evaluation: Logged | null; seconds: number | null }> {
  const text = await readFile(join(folder, "log.jsonl"), "utf8").catch(() => "");
  let evaluation: Logged | null = null;
  let seconds: number | null = null;
  for (const line of text.split("\n")) {
    if (!/"type":"(evaluation|checkpoint)"/.test(line)) continue;
    try {
      const entry = JSON.parse(line) as Logged;
      seconds = entry.seconds;
      if (entry.type === "evaluation") evaluation = entry;
    } catch {
      // Half a line, of a process that was killed.
    }
  }
  return { evaluation, seconds };
}

async function aboutData(source: string, tell: (text: string) => void): Promise<Outcome> {
  const { train, test } = await openTrainData(source, { fit: "crop" }, tell);
  try {
    const { height, width, channels, levels, classes } = train;
    const json = {
      kind: "data",
      source,
      height,
      width,
      channels,
      levels,
      classes,
      splits: { train: train.length, test: test.length },
    };
    const text = alignedRows([
      ["data", source],
      ["images", `${height}x${width}x${channels}, ${levels} levels`],
      ["train", train.length],
      ["test", test.length],
      [
        "classes",
        classes ? `${classes.length}: ${classes.slice(0, 12).join(", ")}${classes.length > 12 ? ", ..." : ""}` : "none",
      ],
    ]);
    return { json, text };
  } finally {
    await Promise.all([train.close?.(), test.close?.()]);
  }
}
