/** `pixelcnn sample`: new images from a model, as a picture of a grid of them. */

import { fail } from "../../errors.ts";
import { samplePicture, sampleReport } from "../../reports/sample-report.ts";
import { shardReport } from "../../reports/shard-report.ts";
import { conditionArgs } from "../../runs/asked-conditions.ts";
import { drawSamples } from "../../runs/draw-samples.ts";
import { openPixelcnn } from "../../runs/open-model.ts";
import { writeOutput } from "../../runs/output.ts";
import { conditionsToDraw, repeated } from "../../runs/sample-conditions.ts";
import { aboutSamples, sampleShard } from "../../runs/sample-shard.ts";
import { readDrawing, samplingArgs } from "../options/drawing.ts";
import { numberOption } from "../options/number-option.ts";
import { checkOption, forceArg } from "../options/output.ts";
import { queueArgs, queueOutcome, readQueueOptions } from "../options/queue.ts";
import { readShardOptions, shardArgs } from "../options/shard.ts";
import { defineCommand } from "../run-command.ts";

export default defineCommand({
  name: "sample",
  summary: "Draw new images from a model",
  args: {
    model: { type: "positional", required: true, description: "A run or model folder, or the name of a shipped model" },
    count: {
      type: "string",
      alias: "n",
      valueHint: "N",
      description: "How many images, of each condition where there are several: a row each; default 16, or 8 a row",
    },
    ...conditionArgs,
    guidance: {
      type: "string",
      valueHint: "G",
      description:
        "Strengthen the condition: logits = (1 + G) with it - G without; for a model trained with " +
        "train.conditionDropout",
    },
    out: { type: "string", alias: "o", valueHint: "F.png", description: "The picture to write" },
    ...forceArg,
    ...shardArgs,
    ...queueArgs,
    ...samplingArgs,
  },
  repeated: ["text"],
  examples: [
    "sample runs/digits -n 64 -o digits.png",
    "sample runs/digits -n 16 -o calm.png --temperature 0.8 --seed 7",
    "sample runs/classes --class 3,8,3+8 -n 10 -o threes.png",
    "sample runs/digits -n 10000 --shard 2/7 --parts parts/",
    "sample runs/digits -n 10000 --queue redis://queue:6379 -o digits.png",
    'sample runs/emoji --text "happy cat" --guidance 1 -o cat.png',
  ],
  async run(args, context) {
    const { terminal, signal, seed = 1, valuesOf, keepStdout } = context;
    const wanted = numberOption("count", args.count, { min: 1, max: 1_000_000 });
    const { temperature = 1, guidance, scale, threads } = readDrawing(args, { coldest: args.oracle });
    const queue = await readQueueOptions(args, [args.model, args.like, args.latent], context);
    const wish =
      queue?.wish ??
      readShardOptions(args, [args.model, args.like, args.latent], {
        "-o": args.out,
        "--scale": args.scale,
      });
    if (wish && args.oracle)
      fail(
        "usage",
        "expected no --oracle with --shard or --queue: full passes round by how many images they are given together",
      );
    const out =
      args.out ?? (wish && !queue ? "" : fail("usage", "expected -o F.png, the picture to write, but received none"));
    const rules = { option: "-o", inputs: [args.model, args.like, args.latent], force: args.force };
    if (!wish || queue) checkOption(out, rules, { keepStdout });
    const opened = await openPixelcnn(args.model);
    const text = args.text === undefined ? undefined : valuesOf("text");
    const asked = await conditionsToDraw({ ...args, text }, opened, terminal.warn);
    const each = wanted ?? (asked && asked.length > 1 ? 8 : 16);
    const count = each * (asked?.length ?? 1);
    const started = performance.now();
    const seconds = (): number => (performance.now() - started) / 1000;
    const onProgress = terminal.counter("sampling", args.oracle ? "sub-pixels" : "rows");
    const conditions = asked ? repeated(asked, each) : undefined;
    const drawn = { count, seed, temperature, guidance, conditions: asked?.map(({ label }) => label) };
    const about = aboutSamples(opened, drawn);
    if (wish) {
      const done = await sampleShard(opened, about, { conditions, threads, signal, onProgress }, wish);
      terminal.endProgress();
      if (queue) return await queueOutcome(queue, done.job, { out, scale }, seconds);
      return shardReport(done, wish, { images: done.images, seconds: seconds() });
    }
    const how = { model: opened, count, seed, temperature, guidance, threads, signal, oracle: args.oracle };
    const pixels = await drawSamples({ ...how, conditions, onProgress });
    terminal.endProgress();
    await writeOutput(out, samplePicture(about, pixels, scale));
    return sampleReport(about, { out, seconds: seconds() });
  },
});
