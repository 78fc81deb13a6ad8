/**
 * How much of an image the latents of a PixelCNN auto-encoder carry: the squared error (x in -1 .. 1, summed over
 * sub-pixels) of its samples given an image's latents, and of the mean of several samples. A model that ignores its
 * latents leaves the variance of the images.
 *   node bench/reconstructions.ts RUN DATA [--images 200] [--samples 16] [--temperature 1] [--threads 2]
 * DATA is a data set of 256 levels, of which the first test images are taken.
 */

import { parseArgs } from "node:util";
import { quantise, subset } from "../src/data/dataset.ts";
import { openData } from "../src/data/open.ts";
import { createEngine, openModel, pixelcnnOf } from "../src/index.ts";
import { encode } from "../src/measure/encode.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    images: { type: "string", default: "200" },
    samples: { type: "string", default: "16" },
    temperature: { type: "string", default: "1" },
    threads: { type: "string", default: "2" },
  },
});
const [run, source] = positionals;
if (run === undefined || source === undefined) throw new Error("expected RUN and DATA");
const [images, samples, temperature] = [values.images, values.samples, values.temperature].map(Number) as [
  number,
  number,
  number,
];
const model = await openModel(run);
const { height, width, channels, levels } = model.config;
const all = await openData(source, { split: "test" });
const data = subset(all, { from: 0, to: images });
const fewer = levels === 256 ? data : quantise(data, levels);
const given = Array.from({ length: images }, (_, i) => i);
const [{ pixels: original }, { pixels: quantised }] = [await data.batch(given), await fewer.batch(given)];
const codes = await encode(model, fewer, { threads: Number(values.threads) });
const size = codes.length / images;
const engine = createEngine(pixelcnnOf(model), { threads: Number(values.threads) });

const each = height * width * channels;
const scaled = (value: number, count: number): number => (2 * value) / (count - 1) - 1;
const sums = { one: 0, mean: 0, oneOf256: 0, meanOf256: 0, variance: 0 };
const average = new Float64Array(each);
for (let i = 0; i < images; i++)
  for (let p = 0; p < each; p++) average[p]! += scaled(quantised[i * each + p]!, levels) / images;
for (const i of given) {
  const conditions = Array.from({ length: samples }, () => codes.slice(i * size, (i + 1) * size));
  const { pixels } = await engine.sample({ count: samples, height, width, seed: i, temperature, conditions });
  for (let p = 0; p < each; p++) {
    let mean = 0;
    for (let s = 0; s < samples; s++) mean += scaled(pixels[s * each + p]!, levels) / samples;
    const first = scaled(pixels[p]!, levels);
    const [own, full] = [scaled(quantised[i * each + p]!, levels), scaled(original[i * each + p]!, 256)];
    sums.one += (first - own) ** 2 / images;
    sums.mean += (mean - own) ** 2 / images;
    sums.oneOf256 += (first - full) ** 2 / images;
    sums.meanOf256 += (mean - full) ** 2 / images;
    sums.variance += (average[p]! - own) ** 2 / images;
  }
}
await engine.close();
const line = (what: string, value: number): string => `${what.padEnd(64)} ${value.toFixed(1)}\n`;
process.stdout.write(
  `${run}, step ${model.step}, ${images} test images of ${all.name}, temperature ${temperature}\n` +
    line(`the mean of the images themselves, in ${levels} levels`, sums.variance) +
    line(`one sample, in ${levels} levels`, sums.one) +
    line(`the mean of ${samples} samples, in ${levels} levels`, sums.mean) +
    line("one sample, against the images of 256 levels", sums.oneOf256) +
    line(`the mean of ${samples} samples, against the images of 256 levels`, sums.meanOf256),
);
