/** `pixelcnn models`: the pretrained models that ship in the package. */

import { readRunConfig } from "../train/checkpoint.ts";
import { shippedFolder, shippedModels } from "./model-argument.ts";
import { defineCommand } from "./run-command.ts";

export default defineCommand({
  name: "models",
  summary: "List the models that ship with pixelcnn",
  args: {},
  examples: ["models", "models --json"],
  async run() {
    const models = await Promise.all(
      shippedModels().map(async (name) => {
        const { model, data } = await readRunConfig(shippedFolder(name));
        const { height, width, channels, levels } = model;
        return { name, data: data.source, height, width, channels, levels, folder: shippedFolder(name) };
      }),
    );
    const width = Math.max(0, ...models.map(({ name }) => name.length));
    const lines = models.map(
      (m) => `${m.name.padEnd(width)}  ${m.data}, ${m.height}x${m.width}x${m.channels}, ${m.levels} levels`,
    );
    return {
      json: { models },
      text: lines.length > 0 ? lines.join("\n") : "this build ships no models; train one: pixelcnn train mnist --out runs/digits",
    };
  },
});
