/**
 * For tests: drafts of options that come next, as lists of steps. No model is made of them yet; they show
 * that the step language can say each one. F features, C channels, K levels.
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
  /** Kernel of the layers behind it. */
  readonly kernel: number;
  /** Hidden features of the head. */
  readonly hidden: number;
  /** Numbers of a condition, one vector per image; null for none. */
  readonly condition: number | null;
}

const begin = ({ channels, levels, condition: width }: DraftSettings): NetworkBuilder =>
  buildNetwork({ channels, levels, condition: width === null ? null : { width, perPixel: false, map: [] } });

const layersOf = ({ depth }: DraftSettings): string[] => Array.from({ length: depth }, (_, i) => `layer${i + 1}`);

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
}

export const rowRecurrent = (settings: DraftSettings): Network => gated(settings, { rowRecurrent: true });
export const withPositions = (settings: DraftSettings): Network => gated(settings, { position: true });
export const withEmbeddedLevels = (settings: DraftSettings): Network => gated(settings, { embeds: true });
export const withMlp = (settings: DraftSettings): Network => gated(settings, { mlp: true });

/** The Gated PixelCNN of models/gated-pixelcnn.ts, and its options. */
function gated(settings: DraftSettings, options: GatedOptions): Network {
  const { features: F, firstKernel, kernel, hidden } = settings;
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
      const inner = net.sum(`${l}.inner`, { features: 2 * F }, [
        bias(`${l}.mlp.in.b`),
        here(y, "B", `${l}.mlp.in{c}.W`),
      ]);
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
  return categoricalHead(net, skips!, settings);
}

/**
 * Vertical features down their column: a row step, since it reads only its own row of features and itself in the row
 * above.
 */
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

const hiddenOf = (net: NetworkBuilder, x: FeatureMap, { hidden }: DraftSettings): FeatureMap =>
  net.relu(
    "head.b",
    net.sum("head.hidden", { features: hidden }, [
      bias("head.hidden.b"),
      here(net.relu("head.a", x), "B", "head.hidden{c}.W"),
    ]),
  );
