/**
 * For tests: what a network costs and how it is told apart, for models of every family: its parameters, the digest that
 * archives know it by, the kernel's calls, and the nodes of its graphs. Run by itself it writes
 * test/golden/network-figures.json anew:
 *   node src/network/figures.test-support.ts
 */

import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { hex } from "../codec/digest.ts";
import { enginePredictor } from "../codec/engine-predictor.ts";
import { createEngine, type Engine } from "../exact/engine.ts";
import { createPlan, type ExactModel } from "../exact/plan.ts";
import { likelihoodGraph } from "../measure/likelihood.ts";
import type { PixelcnnConfig } from "../models/config.ts";
import { modelParameters, pixelcnnIn, resolveModel } from "../models/families.ts";
import type { Graph } from "../onnx/graph.ts";
import { randomFrom } from "../random.ts";
import { gradientGraph, stepGraph } from "../train/step.ts";
import { initialise, type ParameterSpec } from "./parameters.ts";

const golden = new URL("../../test/golden/network-figures.json", import.meta.url);

/** The figures as they are committed. */
export const readFigures = (): Record<string, Figures> =>
  JSON.parse(readFileSync(golden, "utf8")) as Record<string, Figures>;

export interface Figures {
  /** One line per layer, in order: name, shape, bound of the first values, whether it decays. */
  readonly parameters: readonly string[];
  /** Of all values that seed 3 draws, in order. */
  readonly firstValues: string;
  /** Of the model with these values. */
  readonly digest: string;
  /** Numbers of the exact engine's weights, padding included. */
  readonly packed: number;
  /** For one image: how often each function of the kernel is called, and for how many lines in all. */
  readonly calls: Readonly<Record<string, string>>;
  /** By graph and operator: number of nodes of each type and shape of output. */
  readonly nodes: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

const shipped = (name: string): object =>
  (JSON.parse(readFileSync(new URL(`../../models/${name}/config.json`, import.meta.url), "utf8")) as { model: object })
    .model;

const layers = {
  height: 12,
  width: 10,
  channels: 1,
  levels: 4,
  features: 8,
  depth: 4,
  firstKernel: 7,
  dilations: [1, 2],
};
const grey = { ...layers, skip: 8, head: { features: 16 } };
const inColour = { channels: 3, features: 24, head: { features: 36 } };
const colour = { ...grey, ...inColour, skip: 12 };
const plain = { family: "pixelcnn", ...layers, head: { features: 16 } };
const recurrent = {
  height: 12,
  width: 10,
  channels: 1,
  levels: 4,
  features: 8,
  depth: 3,
  firstKernel: 7,
  head: { features: 16 },
};
const classes = { kind: "class", classes: ["a", "b", "c"] };

/** Configs as a user writes them. */
export const CONFIGS: Readonly<Record<string, object>> = {
  "mnist-binary": shipped("mnist-binary"),
  mnist: shipped("mnist"),
  "fashion-mnist": shipped("fashion-mnist-1"),
  emoji: shipped("emoji"),
  "no skip": { ...grey, skip: 0, kernels: [5, 3] },
  "one layer": { ...grey, depth: 1 },
  classes: { ...grey, condition: classes },
  colour,
  "colour, no skip, map": {
    ...colour,
    skip: 0,
    condition: { kind: "map", height: 3, width: 3, channels: 2, features: 6 },
  },
  "colour, vector": { ...colour, condition: { kind: "vector", size: 5 } },
  "auto-encoder": {
    family: "autoencoder",
    height: 12,
    width: 10,
    channels: 1,
    levels: 4,
    latents: 5,
    encoder: { features: [4, 8], hidden: 16 },
    decoder: { kind: "pixelcnn", features: 8, depth: 3, skip: 8, head: { features: 16 }, mapFeatures: 6 },
  },
  "plain, grey": plain,
  "plain, colour, classes": { ...plain, ...inColour, condition: classes },
  "row LSTM, grey": { family: "row-lstm", ...recurrent, kernel: 5 },
  "row LSTM, colour, classes": { family: "row-lstm", ...recurrent, ...inColour, condition: classes },
  "diagonal BiLSTM, grey": { family: "diagonal-bilstm", ...recurrent },
  "diagonal BiLSTM, colour, classes": { family: "diagonal-bilstm", ...recurrent, ...inColour, condition: classes },
  "mixture, grey": { ...grey, head: { kind: "mixture", features: 16, components: 5 } },
  "mixture, colour, classes": { ...colour, head: { kind: "mixture", features: 36 }, condition: classes },
};

const adam = { beta1: 0.9, beta2: 0.99, epsilon: 1e-8, weightDecay: 0, clip: 100 };

export async function figuresOf(input: object): Promise<Figures> {
  const config = resolveModel(input);
  const specs = modelParameters(config);
  const pixelcnn = pixelcnnIn(config)!;
  const values = initialise(specs, randomFrom(3));
  const first = createHash("sha256");
  for (const { data } of values.values()) first.update(data);
  const parameters = new Map([...values].filter(([name]) => !name.startsWith("encoder.")));
  const model: ExactModel<PixelcnnConfig> = { config: pixelcnn, parameters };
  const { digest } = await enginePredictor(model);
  return {
    parameters: linesOf(specs),
    firstValues: first.digest("hex"),
    digest: hex(digest),
    packed: createPlan(model).data.length,
    calls: await kernelCalls(model),
    nodes: {
      gradient: nodesOf(gradientGraph(config, 2, 1)),
      step: nodesOf(stepGraph(config, 4, adam, { splitInner: 2 })),
      // An auto-encoder's is its decoder's, a model of its own.
      ...(config === pixelcnn ? { likelihood: nodesOf(likelihoodGraph(pixelcnn, 2)) } : {}),
    },
  };
}

function linesOf(specs: readonly ParameterSpec[]): string[] {
  const lines: { layer: string; specs: string[] }[] = [];
  for (const { name, shape, bound, decays } of specs) {
    const layer = name.split(".")[0]!;
    if (lines.at(-1)?.layer !== layer) lines.push({ layer, specs: [] });
    lines.at(-1)!.specs.push(`${name.slice(layer.length)} [${shape}] ${bound}${decays ? " decays" : ""}`);
  }
  return lines.map((line) => `${line.layer}: ${line.specs.join("; ")}`);
}

function nodesOf({ nodes }: Graph): Record<string, string> {
  const found = new Map<string, Map<string, number>>();
  for (const { op, output } of nodes) {
    const outputs = found.get(op) ?? new Map<string, number>();
    const type = `${output.dtype}[${output.shape}]`;
    found.set(op, outputs.set(type, (outputs.get(type) ?? 0) + 1));
  }
  const sorted = <T>(map: Map<string, T>): [string, T][] => [...map].sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(
    sorted(found).map(([op, outputs]) => [
      op,
      sorted(outputs)
        .map(([type, n]) => `${n} ${type}`)
        .join(", "),
    ]),
  );
}

/** Calls of the kernel while one image is drawn and scored, by an engine whose kernel counts them. */
async function kernelCalls(model: ExactModel<PixelcnnConfig>): Promise<Record<string, string>> {
  const counts = new Map<string, { calls: number; lines: number }>();
  const { Instance } = WebAssembly;
  // Each function of the kernel takes the number of lines that it goes through third.
  const counted =
    (name: string, call: (...given: number[]) => unknown) =>
    (...given: number[]) => {
      const count = counts.get(name) ?? { calls: 0, lines: 0 };
      counts.set(name, { calls: count.calls + 1, lines: count.lines + given[2]! });
      return call(...given);
    };
  class CountingInstance {
    readonly exports: WebAssembly.Exports;
    constructor(module: WebAssembly.Module, imports?: WebAssembly.Imports) {
      const functions = Object.entries(new Instance(module, imports).exports as Record<string, () => unknown>);
      this.exports = Object.fromEntries(functions.map(([name, call]) => [name, counted(name, call)]));
    }
  }
  WebAssembly.Instance = CountingInstance;
  try {
    const engine = createEngine(model);
    const during = async (work: (engine: Engine) => Promise<unknown>): Promise<string> => {
      counts.clear();
      await work(engine);
      return [...counts].map(([name, { calls, lines }]) => `${name} ${calls}, ${lines} lines`).join("; ");
    };
    const { height, width, channels, condition } = model.config;
    const one = { count: 1, height, width };
    const conditions = condition?.kind === "class" ? 1 : new Float32Array(engine.conditionSize).fill(0.5);
    const calls: Record<string, string> = {
      sample: await during(() => engine.sample(one)),
      score: await during(() =>
        engine.score({ images: { height, width, pixels: new Uint8Array(height * width * channels) } }),
      ),
    };
    if (condition !== null) {
      calls["with a condition"] = await during(() => engine.sample({ ...one, conditions }));
      calls.guided = await during(() => engine.sample({ ...one, conditions, guidance: 1 }));
    }
    return calls;
  } finally {
    WebAssembly.Instance = Instance;
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const found: Record<string, Figures> = {};
  for (const [name, input] of Object.entries(CONFIGS)) found[name] = await figuresOf(input);
  writeFileSync(golden, `${JSON.stringify(found, null, 2)}\n`);
}
