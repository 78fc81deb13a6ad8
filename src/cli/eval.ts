/** `pixelcnn eval`: the exact likelihood of a split under a model, on the throughput engine. */

import { likelihood } from "../likelihood.ts";
import { checkDevice } from "../onnx/session.ts";
import { openModel } from "./model-argument.ts";
import { openForModel } from "./model-data.ts";
import { numberOption } from "./number-option.ts";
import { defineCommand } from "./run-command.ts";

export default defineCommand({
  name: "eval",
  summary: "Exact likelihood of a data set: nats an image and bits/dim",
  args: {
    model: { type: "positional", required: true, description: "A run or model folder, or the name of a shipped model" },
    data: { type: "positional", required: false, description: "A named set or a path; default: what the model was trained on" },
    split: { type: "string", valueHint: "S", default: "test", description: "test, train or all" },
    limit: { type: "string", valueHint: "N", description: "Only the first N images" },
    batch: { type: "string", valueHint: "B", description: "Images a call; the result does not depend on it" },
    device: { type: "string", valueHint: "D", description: "cpu, webgpu or cuda; default cpu" },
    threads: { type: "string", valueHint: "T", description: "CPU threads; default one a core" },
  },
  examples: ["eval runs/digits", "eval runs/digits mnist --split train --limit 5000 --json"],
  async run(args, { terminal, signal, seed }) {
    const device = args.device === undefined ? undefined : checkDevice(args.device);
    const threads = numberOption("threads", args.threads, { min: 1, max: 1024 });
    const limit = numberOption("limit", args.limit, { min: 1 });
    const batch = numberOption("batch", args.batch, { min: 1, max: 65536 });
    const { config, parameters, step, name } = await openModel(args.model);
    const data = await openForModel(config, { source: args.data, split: args.split, seed, tell: (text) => terminal.warn(text) });
    const started = performance.now();
    const result = await likelihood(config.model, parameters, data, {
      device,
      threads,
      limit,
      batch,
      signal,
      onProgress: terminal.counter("testing", "images"),
    });
    await data.close?.();
    terminal.endProgress();
    const { images, nats, bitsPerDim, standardError } = result;
    return {
      json: {
        model: name,
        step,
        data: data.name,
        split: data.split,
        images,
        of: data.length,
        nats,
        bitsPerDim,
        standardError,
        seconds: (performance.now() - started) / 1000,
      },
      text:
        `${nats.toFixed(2)} nats an image (standard error ${standardError.toFixed(2)}), ${bitsPerDim.toFixed(4)} bits/dim\n` +
        `${images} of ${data.length} images of ${data.name}, ${data.split} split`,
    };
  },
});
