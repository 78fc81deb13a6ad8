/**
 * For tests: drafts of the networks that come next, as lists of steps. No model is made of them yet; they show that the
 * step language can say each one. F features, C channels, K levels.
 */

import {
  above,
  bias,
  buildNetwork,
  condition,
  embed,
  type FeatureMap,
  here,
  left,
  type Network,
  type NetworkBuilder,
  type Offset,
  plus,
  position,
  type Term,
  taps,
} from "./steps.ts";

export interface DraftSettings {
  /** Size of the image; only a position map asks. */
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly levels: number;
  readonly features: number;
  readonly depth: number;
  /** Kernel of the first convolution. */
  readonly firstKernel: number;
  /** Kernel of the layers behind it: convolutions, or the Row LSTM's two. */
  readonly kernel: number;
  /** Hidden features of the head. */
  readonly hidden: number;
  /** Numbers of a condition, one vector per image; null for none. */
  readonly condition: number | null;
}

const begin = ({ channels, levels, condition: width }: DraftSettings): NetworkBuilder =>
  buildNetwork({ channels, levels, condition: width === null ? null : { width, perPixel: false, map: [] } });

const layersOf = ({ depth }: DraftSettings): string[] => Array.from({ length: depth }, (_, i) => `layer${i + 1}`);

/** Parts of an LSTM cell: the output, forget and input gates, and the content. Forget gates begin open. */
const GATES = ["o", "f", "i", "g"];
const gateBias = (name: string): Term => bias(name, [], { f: 1 });

/** Row LSTM (arXiv 1601.06759, sections 3.1 and 3.3). */
export function rowLstm(settings: DraftSettings): Network {
  const { features: F, kernel: k } = settings;
  const net = begin(settings);
  const m = (k - 1) / 2;
  let x = firstConvolution(net, settings);
  for (const l of layersOf(settings)) {
    const state = net.declare(`${l}.state`, { features: F });
    const gates = net.sum(`${l}.gates`, { features: F, parts: GATES }, [
      gateBias(`${l}.b`),
      condition(`${l}.V`),
      // State-to-state: k x 1 over the row above, which is finished, so without a mask.
      taps(state, above(1, k, 1, 1), `${l}.state.W`, { axes: [k] }),
      // Input-to-state: k x 1, mask B.
      taps(x, left(m), `${l}.input.W`, { axes: [m] }),
      here(x, "B", `${l}.input{c}.W`),
    ]);
    net.cell(state, gates, [-1, 0]);
    x = residual(net, l, x, state);
  }
  return categoricalHead(net, x, settings);
}

/** Diagonal BiLSTM (arXiv 1601.06759, sections 3.2 and 3.3): what its skewed rows read, above and beside, said in place. */
export function diagonalBilstm(settings: DraftSettings): Network {
  const { features: F } = settings;
  const net = begin(settings);
  let x = firstConvolution(net, settings);
  for (const [i, l] of layersOf(settings).entries()) {
    const fromLeft = net.declare(`${l}.left`, { features: F });
    const leftGates = net.sum(`${l}.leftGates`, { features: F, parts: GATES }, [
      gateBias(`${l}.left.b`),
      condition(`${l}.left.V`),
      taps(fromLeft, [[-1, 0]], `${l}.left.above.W`),
      taps(fromLeft, [[0, -1]], `${l}.left.beside.W`),
      here(x, "B", `${l}.left.input{c}.W`),
    ]);
    net.cell(fromLeft, leftGates, [0, -1]);

    // From right to left a pixel knows its whole row, and only rows below may know: neither masks nor groups.
    const fromRight = net.declare(`${l}.right`, { features: F, groups: 1 });
    const rightGates = net.sum(`${l}.rightGates`, { features: F, groups: 1, parts: GATES }, [
      gateBias(`${l}.right.b`),
      condition(`${l}.right.V`),
      taps(fromRight, [[-1, 0]], `${l}.right.above.W`),
      here(x, "all", `${l}.right.input.W`),
      // Features hide their own pixel, so without its levels the last pixel of a row would stay unseen.
      ...(i === 0 ? [here(net.input, "all", `${l}.right.pixel.W`)] : []),
      taps(fromRight, [[0, 1]], `${l}.right.beside.W`),
    ]);
    net.cell(fromRight, rightGates, [0, 1]);

    const both = net.sum(`${l}.both`, { features: F }, [plus(fromRight, [-1, 0]), plus(fromLeft)]);
    x = residual(net, l, x, both);
  }
  return categoricalHead(net, x, settings);
}

/** n x n, mask A, from the image to the stream of 2F features between the layers. */
function firstConvolution(net: NetworkBuilder, { features: F, firstKernel: n }: DraftSettings): FeatureMap {
  const r = (n - 1) / 2;
  return net.sum("first.x", { features: 2 * F }, [
    bias("first.b"),
    condition("first.V"),
    taps(net.input, above(r, n, 1, 1), "first.above.W", { axes: [r, n] }),
    taps(net.input, left(r), "first.left.W", { axes: [r] }),
    here(net.input, "A", "first.centre{c}.W"),
  ]);
}

/** The state through a 1x1 of mask B, added to the stream. */
const residual = (net: NetworkBuilder, l: string, x: FeatureMap, state: FeatureMap): FeatureMap =>
  net.sum(`${l}.x`, { features: x.features }, [plus(x), bias(`${l}.out.b`), here(state, "B", `${l}.out{c}.W`)]);

/** What the Gated PixelCNN may have besides. */
interface GatedOptions {
  /** From layer 2 on, vertical features run down each column and remember: s(row) = z s(row - 1) + (1 - z) tanh(c). */
  readonly rowRecurrent?: boolean;
  /** A learned map is added to the vertical features of layer 2. */
  readonly position?: boolean;
  /** Layer 1 knows the nearest places by level, not by number. */
  readonly embeds?: boolean;
  /** Two 1x1 steps behind each gate. */
  readonly mlp?: boolean;
  readonly head?: (net: NetworkBuilder, x: FeatureMap, settings: DraftSettings) => Network;
}

export const rowRecurrent = (settings: DraftSettings): Network => gated(settings, { rowRecurrent: true });
export const withPositions = (settings: DraftSettings): Network => gated(settings, { position: true });
export const withEmbeddedLevels = (settings: DraftSettings): Network => gated(settings, { embeds: true });
export const withMlp = (settings: DraftSettings): Network => gated(settings, { mlp: true });
export const withMixture = (settings: DraftSettings): Network => gated(settings, { head: mixtureHead });

/** The Gated PixelCNN of models/gated-pixelcnn.ts, and its options. */
function gated(settings: DraftSettings, options: GatedOptions): Network {
  const { features: F, firstKernel, kernel, hidden } = settings;
  const { head = categoricalHead } = options;
  const net = begin(settings);
  const gates = { features: F, parts: ["f", "g"] };
  let [v, h] = [net.input, net.input];
  let skips: FeatureMap | null = null;

  for (const [i, l] of layersOf(settings).entries()) {
    const [first, n] = [i === 0, i === 0 ? firstKernel : kernel];
    const [up, r] = [(n + 1) / 2, (n - 1) / 2];
    const byLevel = first && options.embeds;

    const p = net.sum(`${l}.p`, { ...gates, groups: 1 }, [
      bias(`${l}.vertical.b`),
      condition(`${l}.vertical.V`),
      ...(options.position && i === 1 ? [position(`${l}.vertical.map`, settings)] : []),
      ...(byLevel
        ? nearByLevel(v, above(up, n, 1, 1), `${l}.vertical`)
        : [taps(v, above(up, n, 1, first ? 1 : 0), `${l}.vertical.W`, { axes: [up, n] })]),
      ...(options.rowRecurrent && !first ? [here(downColumns(net, l, v), "all", `${l}.column.W`)] : []),
    ]);
    const q = net.sum(`${l}.q`, gates, [
      bias(`${l}.horizontal.b`),
      condition(`${l}.horizontal.V`),
      here(p, "all", `${l}.link.W`, { gain: 0.7 }),
      ...(byLevel
        ? [...nearByLevel(h, left(r), `${l}.horizontal`), embed(h, [[0, 0]], "A", `${l}.centre{c}.E`)]
        : [taps(h, left(r), `${l}.horizontal.W`, { axes: [r] }), here(h, first ? "A" : "B", `${l}.centre{c}.W`)]),
    ]);
    let y = net.gate(`${l}.y`, q);
    if (options.mlp) {
      const inner = net.sum(`${l}.inner`, { features: 2 * F }, [bias(`${l}.mlp.in.b`), here(y, "B", `${l}.mlp.in{c}.W`)]);
      const after = here(net.relu(`${l}.innerRelu`, inner), "B", `${l}.mlp.out{c}.W`);
      y = net.sum(`${l}.z`, { features: F }, [plus(y), bias(`${l}.mlp.out.b`), after]);
    }
    const skip = [skips ? plus(skips) : bias("skip.b"), here(y, "B", `${l}.skip{c}.W`)];
    skips = net.sum(`${l}.s`, { features: hidden }, skip);
    if (i + 1 === settings.depth) break;
    const before = first ? [] : [plus(h)];
    h = net.sum(`${l}.h`, { features: F }, [...before, bias(`${l}.residual.b`), here(y, "B", `${l}.residual{c}.W`)]);
    v = net.gate(`${l}.v`, p);
  }
  return head(net, skips!, settings);
}

/** Vertical features down their column: a row step, since it reads only its own row of features and itself in the row above. */
function downColumns(net: NetworkBuilder, l: string, v: FeatureMap): FeatureMap {
  const candidate = net.sum(`${l}.candidate`, { features: v.features, groups: 1, parts: ["z", "c"] }, [
    bias(`${l}.candidate.b`),
    here(v, "all", `${l}.candidate.W`),
  ]);
  return net.blend(net.declare(`${l}.column`, { features: v.features, groups: 1 }), candidate, [-1, 0]);
}

/** The nearest of these places by level, the others by number: in all a dozen, two rows of five and two to the left. */
function nearByLevel(map: FeatureMap, at: readonly Offset[], name: string): Term[] {
  const isNear = ([down, right]: Offset): boolean => down >= -2 && Math.abs(right) <= 2;
  const far = at.filter((offset) => !isNear(offset));
  return [taps(map, far, `${name}.W`, { axes: [far.length] }), embed(map, at.filter(isNear), "all", `${name}.E`)];
}

/** ReLU, 1x1, ReLU, 1x1 to K levels per channel. */
function categoricalHead(net: NetworkBuilder, x: FeatureMap, settings: DraftSettings): Network {
  const { channels: C, levels: K } = settings;
  return net.finish(
    net.sum("head.outputs", { features: C * K }, [
      bias("head.logits.b", [C]),
      here(hiddenOf(net, x, settings), "B", "head.logits{c}.W", { gain: 0 }),
    ]),
  );
}

/** Logistics in a mixture. */
export const COMPONENTS = 2;

/**
 * A discretised logistic mixture (arXiv 1701.05517, sections 2.1 and 2.2): of each channel and component a weight, a mean,
 * a log-scale, and for each channel before it a coefficient that moves the mean by that channel's level.
 */
function mixtureHead(net: NetworkBuilder, x: FeatureMap, settings: DraftSettings): Network {
  const features = Array.from({ length: settings.channels }, (_, c) => COMPONENTS * (3 + c));
  const mixture = net.sum("head.mixture", { features }, [
    bias("head.mixture.b"),
    here(hiddenOf(net, x, settings), "B", "head.mixture{c}.W", { gain: 0 }),
  ]);
  return net.finish(mixture, { logWeights: "logistic mixture" });
}

const hiddenOf = (net: NetworkBuilder, x: FeatureMap, { hidden }: DraftSettings): FeatureMap =>
  net.relu(
    "head.b",
    net.sum("head.hidden", { features: hidden }, [bias("head.hidden.b"), here(net.relu("head.a", x), "B", "head.hidden{c}.W")]),
  );
