/** `pixelcnn models`: the pretrained models that ship in the package. */

import { describeEvaluation } from "../../measure/evaluate.ts";
import { possibleConditions } from "../../runs/asked-conditions.ts";
import { folderOf, openPixelcnn } from "../../runs/open-model.ts";
import { lastOfLog } from "../../runs/run-log.ts";
import { shippedFiles, shippedModels } from "../../runs/shipped-models.ts";
import { counted } from "../../words.ts";
import { defineCommand } from "../run-command.ts";

export default defineCommand({
  name: "models",
  summary: "List the models that ship with pixelcnn",
  args: {},
  examples: ["models", "models --json"],
  async run() {
    const models = await Promise.all(
      shippedModels().map(async (name) => {
        const opened = await openPixelcnn(new URL(".", shippedFiles(name)!.config));
        const { height, width, channels, levels } = opened.config;
        const { source } = opened.run.data;
        // What `sample` may be asked for, in words; null of a model without a condition.
        const condition = possibleConditions(opened);
        const { evaluation } = await lastOfLog(folderOf(opened));
        return { name, data: source, height, width, channels, levels, condition, evaluation, folder: opened.folder };
      }),
    );
    const width = Math.max(0, ...models.map(({ name }) => name.length));
    const lines = models.map(
      ({ name, data, height, width: w, channels, levels, condition, evaluation }) =>
        `${name.padEnd(width)}  ${data}, ${height}x${w}x${channels}, ${levels} ` +
        `levels${condition === null ? "" : `; ${condition}`}` +
        (evaluation ? `; test ${describeEvaluation(evaluation)} on ${counted(evaluation.images, "image")}` : ""),
    );
    return {
      json: { models },
      text:
        lines.length > 0
          ? lines.join("\n")
          : "this build ships no models; train one: pixelcnn train mnist --out runs/digits",
    };
  },
});
