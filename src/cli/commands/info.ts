/** `pixelcnn info`: what a model is and how it came to be, what a data set holds, or what an archive does. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { describeEvaluation } from "../../measure/evaluate.ts";
import { describeNetwork, modelParameters, pixelcnnIn } from "../../models/families.ts";
import { countOf } from "../../network/parameters.ts";
import { isArchive } from "../../runs/archive-file.ts";
import { possibleConditions } from "../../runs/asked-conditions.ts";
import { folderOf, openModel, openPixelcnn } from "../../runs/open-model.ts";
import { lastOfLog } from "../../runs/run-log.ts";
import { shippedModels } from "../../runs/shipped-models.ts";
import { openTrainData } from "../../runs/train-data.ts";
import { duration } from "../../words.ts";
import { defineCommand, type Outcome } from "../run-command.ts";
import { alignedRows } from "../terminal.ts";
import { archiveInfo } from "./info-archive.ts";

export default defineCommand({
  name: "info",
  summary: "Describe a model, a data set or an archive",
  args: {
    what: {
      type: "positional",
      required: true,
      description:
        "A run or model folder, the name of a shipped model, a named set, a path to images, or a .pxc archive",
    },
  },
  examples: ["info runs/digits", "info cifar10 --json", "info digits.pxc"],
  async run({ what }, { terminal }) {
    const isModel = existsSync(join(what, "config.json")) || (!existsSync(what) && shippedModels().includes(what));
    if (!isModel && (await isArchive(what))) return archiveInfo(what);
    return isModel ? aboutModel(what) : aboutData(what, terminal.warn);
  },
});

async function aboutModel(name: string): Promise<Outcome> {
  const whole = await openModel(name);
  const { run: config, step } = whole;
  const folder = folderOf(whole);
  const { model, data, train } = config;
  const parameters = countOf(modelParameters(model));
  const { evaluation, seconds } = await lastOfLog(folder);
  const [unit, amount] = Object.entries(train.budget)[0]!;
  const condition = pixelcnnIn(model) && possibleConditions(await openPixelcnn(name));
  const rows: [string, unknown][] = [
    ["model", folder],
    ["images", `${model.height}x${model.width}x${model.channels}, ${model.levels} levels`],
    ["network", describeNetwork(model)],
    ...(condition ? [["condition", condition] as [string, unknown]] : []),
    ["parameters", parameters],
    ["data", `${data.source}${data.binarise === "none" ? "" : `, binarised (${data.binarise})`}`],
    [
      "trained",
      `${step} steps of ${train.batch} images${seconds === null ? "" : ` in ${duration(seconds)}`}, budget ` +
        `${amount} ${unit}`,
    ],
  ];
  if (evaluation)
    rows.push([
      "tested",
      `${describeEvaluation(evaluation)} on ${evaluation.images} images at step ${evaluation.step}`,
    ]);
  return {
    json: { kind: "model", name, folder, step, seconds, parameters, evaluation, condition, config },
    text: alignedRows(rows),
  };
}

async function aboutData(source: string, tell: (text: string) => void): Promise<Outcome> {
  const { train, test } = await openTrainData(source, { fit: "crop" }, tell);
  try {
    const { height, width, channels, levels, classes } = train;
    const splits = { train: train.length, test: test.length };
    const json = { kind: "data", source, height, width, channels, levels, classes, splits };
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
