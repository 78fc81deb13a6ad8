/** `encode`, `reconstruct`, `interpolate`: what they refuse, in which words, and their help. */

import { writeFileSync } from "node:fs";
import { decode } from "fast-png";
import { describe, expect, test } from "vitest";
import { pixelcnn, TINY, tinyData } from "./command-line.test-support.ts";
import { A, at, B, bytes, ENCODER, json, scratch } from "./latent-models.test-support.ts";

const ENCODERS =
  "expected a model with an encoder (an auto-encoder, an embedder, or a Gated PixelCNN trained with --condition " +
  "encoder:MODEL, peers:MODEL or thumbnail:HxW) but ";
const ALONE = "blurred is an auto-encoder with a deconvolution decoder, which gives one image a code and draws nothing";
describe("an error says what the model is and what is possible", () => {
  const cases: [string, string[], number, string][] = [
    [
      "no file to write",
      ["encode", "latents", A],
      2,
      "expected -o F, the file to write (.json, .csv or .npy), but received none",
    ],
    [
      "a file of another kind",
      ["encode", "latents", A, "-o", "x.cvs"],
      2,
      'expected a file ending with .json, .csv or .npy for -o but received ".cvs"; did you mean .csv?',
    ],
    ["nothing to encode", ["encode", "latents", "-o", "x.csv"], 2, "expected <images> but received nothing"],
    [
      "an image that is not there",
      ["encode", "latents", "no.png", "-o", "x.csv"],
      1,
      'or some of one such as mnist:test:0-99, but received "no.png", and there is no such file',
    ],
    ["an image of another size", ["encode", "latents", "large.png", "-o", "x.csv"], 1, "but received 9 x 6"],
    ["numbers beyond a set", ["encode", "latents", "people:all:5", "-o", "x.csv"], 2, "expected numbers from 0 to 4"],
    [
      "no condition",
      ["encode", "plain", A, "-o", "x.csv"],
      1,
      `${ENCODERS}plain is a Gated PixelCNN without a condition`,
    ],
    [
      "classes",
      ["encode", "classes", A, "-o", "x.csv"],
      1,
      `${ENCODERS}classes is a Gated PixelCNN conditioned on one of 3 classes (cat, dog, C++), not on images`,
    ],
    [
      "captions",
      ["reconstruct", "captions", A, "-o", "x.png"],
      1,
      `${ENCODERS}captions is a Gated PixelCNN conditioned on a vector of 384 numbers, not on images`,
    ],
    [
      "an embedder, which makes no images",
      ["reconstruct", "faces", A, "-o", "x.png"],
      1,
      "expected a model that makes images but faces is an embedder; a model conditioned on its embeddings makes " +
        "them: train with --condition encoder:faces",
    ],
    [
      "a baseline that draws",
      ["reconstruct", "latents", A, "-o", "x.png", "--baseline", "latents"],
      1,
      "expected an auto-encoder with a deconvolution decoder for --baseline but latents is an auto-encoder with a " +
        "pixelcnn decoder",
    ],
    [
      "a baseline of other images",
      ["reconstruct", "latents", A, "-o", "x.png", "--baseline", "fine"],
      1,
      "expected a baseline for images of 6x8x1, 4 levels, as latents has, but fine is for 6x8x1, 256 levels",
    ],
    [
      "a baseline of a baseline",
      ["reconstruct", "blurred", A, "-o", "x.png", "--baseline", "blurred"],
      2,
      "expected no --baseline: blurred is an auto-encoder with a deconvolution decoder, which is a baseline itself",
    ],
    [
      "samples of a deconvolution",
      ["reconstruct", "blurred", A, "-o", "x.png", "-n", "4"],
      2,
      `expected no -n: ${ALONE}`,
    ],
    [
      "rows of a deconvolution",
      ["interpolate", "blurred", A, B, "-o", "x.png", "--rows", "2"],
      2,
      `expected no --rows: ${ALONE}`,
    ],
    [
      "a temperature of nothing",
      ["reconstruct", "latents", A, "-o", "x.png", "--temperature", "0"],
      2,
      'expected a number above 0 for --temperature but received "0"',
    ],
    [
      "one image",
      ["interpolate", "latents", A, "-o", "x.png"],
      2,
      `expected two images to go between but received 1: ${A}`,
    ],
    [
      "no images",
      ["interpolate", "latents", "-o", "x.png"],
      2,
      "expected two images to go between, files or some of a data set",
    ],
    [
      "classes of a model of images",
      ["interpolate", "latents", "--to", "cat", "-o", "x.png"],
      2,
      "expected two images to go between, since latents is no model of classes, but received --to",
    ],
    [
      "images of a model of classes",
      ["interpolate", "classes", A, B, "-o", "x.png"],
      2,
      "expected --from C and --to C for classes, which is conditioned on one of 3 classes (cat, dog, C++), but " +
        "received images",
    ],
    ["one class", ["interpolate", "classes", "--from", "cat", "-o", "x.png"], 2, "but received --from alone"],
    [
      "several classes",
      ["interpolate", "classes", "--from", "cat,dog", "--to", "dog", "-o", "x.png"],
      2,
      'expected one class for --from but received 2: "cat,dog"',
    ],
    [
      "both",
      ["interpolate", "classes", A, "--to", "dog", "-o", "x.png"],
      2,
      "expected two images, or --from C and --to C, but received both",
    ],
  ];
  test.concurrent.each(cases)("%s", async (_, words, code, message) => {
    const found = await json(...words);
    expect(found.stderr).toContain(message);
    expect(found.code).toBe(code);
  });
});

test.concurrent.each(["encode", "reconstruct", "interpolate"])(
  "%s --help: its options and an example",
  async (name) => {
    const { code, stdout } = await pixelcnn([name, "--help"]);
    expect(code).toBe(0);
    expect(stdout).toMatch(new RegExp(`^ {2}pixelcnn ${name} runs/`, "m"));
    for (const option of ["-o", "--threads", "--seed", "--json"]) expect(stdout).toContain(option);
  },
);

test("a run's own picture shows a deconvolution's blur, though the model has two levels", async () => {
  const model = {
    family: "autoencoder",
    latents: 2,
    encoder: ENCODER,
    decoder: { kind: "deconvolution", features: [4] },
  };
  writeFileSync(at("run.json"), JSON.stringify({ model }));
  const words = [
    "train",
    tinyData(at("blots")),
    "--out",
    "run",
    "--config",
    "run.json",
    "--steps",
    "2",
    ...TINY.slice(0, 4),
  ];
  const { code, stderr } = await pixelcnn(words, { cwd: scratch });
  expect(code, stderr).toBe(0);
  const { data } = decode(bytes("run/samples/step-000002.png"));
  expect(data.some((v) => v !== 0 && v !== 255)).toBe(true);
});
