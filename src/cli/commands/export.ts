/** `pixelcnn export`: a model as a plain ONNX file for other programs and languages. */

import { fail } from "../../errors.ts";
import { EXPORT_KINDS, exportOnnx } from "../../measure/export.ts";
import { didYouMean } from "../../nearest.ts";
import { openPixelcnn } from "../../runs/open-model.ts";
import { writeOutput } from "../../runs/output.ts";
import { checkOption, forceArg } from "../options/output.ts";
import { defineCommand } from "../run-command.ts";

export default defineCommand({
  name: "export",
  summary: "Write a model as an ONNX file",
  args: {
    model: { type: "positional", required: true, description: "A run or model folder, or the name of a shipped model" },
    out: { type: "string", alias: "o", valueHint: "F.onnx", description: "The file to write" },
    ...forceArg,
    what: {
      type: "string",
      valueHint: "W",
      default: "likelihood",
      description: "likelihood: pixels uint8 [N,H,W,C] -> logProbability [N], nats; logits: -> logits [N,H,W,C,K]",
    },
  },
  examples: ["export runs/digits -o digits.onnx", "export runs/digits -o digits-logits.onnx --what logits"],
  async run(args, { keepStdout }) {
    const out = args.out ?? fail("usage", "expected -o F.onnx, the file to write, but received none");
    const rules = { option: "-o", inputs: [args.model], force: args.force };
    checkOption(out, rules, { keepStdout });
    const what =
      EXPORT_KINDS.find((kind) => kind === args.what) ??
      fail(
        "usage",
        `expected ${EXPORT_KINDS.join(" or ")} for --what but received ` +
          `${JSON.stringify(args.what)}${didYouMean(args.what, EXPORT_KINDS)}`,
      );
    const model = await openPixelcnn(args.model);
    const { config, name, step } = model;
    const bytes = exportOnnx(model, { what });
    await writeOutput(out, bytes);
    const { height, width, channels, levels } = config;
    const result =
      what === "likelihood"
        ? "logProbability float32 [N], nats"
        : `logits float32 [N,${height},${width},${channels},${levels}]`;
    return {
      json: { model: name, step, out, what, bytes: bytes.length },
      text:
        `${out}: ${bytes.length} bytes; pixels uint8 [N,${height},${width},${channels}], levels ` +
        `0..${levels - 1} -> ${result}`,
    };
  },
});
