/** What `info` says of a model and of data. */

import { describeEvaluation } from "../measure/evaluate.ts";
import { describeNetwork, modelParameters, pixelcnnIn } from "../models/families.ts";
import { countOf } from "../network/parameters.ts";
import { possibleConditions } from "../runs/asked-conditions.ts";
import { folderOf, openModel, openPixelcnn } from "../runs/open-model.ts";
import { lastOfLog } from "../runs/run-log.ts";
import { openTrainData } from "../runs/train-data.ts";
import { alignedRows, duration } from "../words.ts";
import type { Report } from "./report.ts";

/** A model, and how it came to be. */
export async function modelReport(name: string): Promise<Report> {
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

/** What a source of images holds. */
export async function dataReport(source: string, tell: (text: string) => void): Promise<Report> {
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
