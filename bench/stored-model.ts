/**
 * What a model inside an archive costs: its bytes, entropy-coded and plain, and the likelihood that rounding takes, for
 * each way to round, on the first test images of the model's own data.
 *   node bench/stored-model.ts [--images N] [model ...]
 */

import { parseArgs } from "node:util";
import { WEIGHT_PRECISIONS } from "../src/codec/rounded-weights.ts";
import { roundModel } from "../src/codec/stored-model.ts";
import { openData } from "../src/data/open.ts";
import { likelihood } from "../src/measure/likelihood.ts";
import { openPixelcnn } from "../src/runs/open-model.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { images: { type: "string", default: "1000" } },
});
/** Bits of a weight in a plain file. */
const PLAIN = { bfloat16: 16, int8: 8, int6: 6 } as const;

for (const name of positionals.length > 0 ? positionals : ["mnist-binary", "mnist", "fashion-mnist"]) {
  const model = await openPixelcnn(name);
  const { source, ...options } = model.run.data;
  const data = await openData(source, { ...options, split: "test", limit: Number(values.images) });
  const dims = data.length * data.height * data.width * data.channels;
  const bitsOf = async (config: typeof model.config, parameters: typeof model.parameters): Promise<number> => {
    const { each } = await likelihood({ config, parameters }, data);
    return each.reduce((sum, nats) => sum + nats, 0) / Math.LN2 / dims;
  };
  const weights = [...model.parameters.values()].reduce((sum, { data }) => sum + data.length, 0);
  const before = await bitsOf(model.config, model.parameters);
  console.log(`${name}: ${weights} weights; ${before.toFixed(5)} bits/dim on ${data.length} test images`);
  for (const precision of WEIGHT_PRECISIONS) {
    const { bytes, config, parameters } = roundModel(model, precision);
    const after = await bitsOf(config, parameters);
    const plain = Math.ceil((weights * PLAIN[precision]) / 8);
    const cost = after - before;
    console.log(
      `  ${precision.padEnd(9)} ${bytes.length} bytes, ${((8 * bytes.length) / weights).toFixed(2)} bits a weight ` +
        `(plain ${plain}); ${after.toFixed(5)} bits/dim, ${cost < 0 ? "" : "+"}${cost.toFixed(5)} ` +
        `(${((100 * cost) / before).toFixed(3)} %)`,
    );
  }
}
process.exit(0);
