/**
 * For tests: docs/model.md and docs/conditioning.md as loops in float64, nothing shared with the graph or with
 * network/. Slow and, one hopes, obviously right.
 */

import type { ParameterMap } from "../network/parameters.ts";
import type { GatedConfig } from "./config.ts";

type Map3 = number[][][];

/** A class, weights over the classes, a vector, or a map [h0, w0, Cm]; null for none. */
export type NaiveCondition = number | readonly number[] | null;

/**
 * What m(h) begins with, and its features; null where it plays no part. A vector is a map of one place, without a last
 * number that says so.
 */
function beginOf(condition: GatedConfig["condition"], h: readonly number[]): { s: Map3; M: number } | null {
  if (condition?.kind === "vector" && condition.features !== undefined)
    return { s: [[h.map((v) => Math.fround(v * (condition.scale ?? 1)))]], M: condition.features };
  if (condition?.kind !== "map") return null;
  const { height: h0, width: w0, channels: Cm, features: M } = condition;
  const place = (at: number): number[] => [...h.slice(at * Cm, (at + 1) * Cm), 1];
  return { s: Array.from({ length: h0 }, (_, i) => Array.from({ length: w0 }, (_, j) => place(i * w0 + j))), M };
}

/** s = m(h) [H][W][M]: each number of the map scattered where docs/conditioning.md gathers it. */
function naiveMap(
  { height: H, width: W, condition }: GatedConfig,
  parameters: ParameterMap,
  h: readonly number[],
): Map3 | null {
  const begin = beginOf(condition, h);
  if (begin === null) return null;
  let { s } = begin;
  const { M } = begin;
  for (let k = 1; s.length < H || s[0]!.length < W; k++) {
    const { shape, data } = parameters.get(`map.layer${k}.W`)!;
    if (shape.join() !== [4, 4, s[0]![0]!.length, M].join()) throw new Error(`map.layer${k}.W is [${shape}]`);
    const next: Map3 = Array.from({ length: 2 * s.length }, () =>
      Array.from({ length: 2 * s[0]!.length }, () => Array.from({ length: M }, () => 0)),
    );
    s.forEach((row, i) => {
      row.forEach((features, j) => {
        for (let ky = 0; ky < 4; ky++)
          for (let kx = 0; kx < 4; kx++) {
            const out = next[2 * i + ky - 1]?.[2 * j + kx - 1];
            features.forEach((v, f) => {
              for (let o = 0; out && o < M; o++) out[o]! += v * data[((ky * 4 + kx) * features.length + f) * M + o]!;
            });
          }
      });
    });
    s = next.map((row) => row.map((features) => features.map((v) => Math.max(0, v))));
  }
  const line = parameters.get("map.linear.W");
  if (!line) return s;
  const [code] = begin.s[0]!;
  const L = line.shape.at(-1)!;
  return s
    .slice(0, H)
    .map((row, i) =>
      row
        .slice(0, W)
        .map((features, j) => [
          ...features,
          ...Array.from(
            { length: L },
            (_, l) =>
              code!.reduce((sum, v, n) => sum + v * line.data[((n * H + i) * W + j) * L + l]!, 0) /
              Math.sqrt(code!.length),
          ),
        ]),
    );
}

/**
 * Logits [H W C][K] of one image of levels [H, W, C]. `round`: the input is scaled in float32 by docs/model.md; a graph
 * in float64 scales in float64.
 */
export function naiveLogits(
  config: GatedConfig,
  parameters: ParameterMap,
  pixels: Uint8Array,
  h: NaiveCondition = null,
  round: (x: number) => number = Math.fround,
): number[][] {
  const { height: H, width: W, channels: C, levels: K, features: F, depth: L, skip: S } = config;
  const R = config.head.features;

  /** Element [..., i, o] of a parameter, its leading axes joined into rows. */
  const at = (name: string, row: number, o: number): number => {
    const p = parameters.get(name);
    if (!p) throw new Error(`no parameter ${name}`);
    return p.data[row * p.shape.at(-1)! + o]!;
  };
  /** Sum over i of x[i] W[firstRow + i, o]. */
  const times = (x: readonly number[], name: string, firstRow: number, o: number): number =>
    x.reduce((sum, v, i) => sum + v * at(name, firstRow + i, o), 0);
  const vector = (n: number, f: (i: number) => number): number[] => Array.from({ length: n }, (_, i) => f(i));
  const everywhere = (f: (i: number, j: number) => number[]): Map3 =>
    Array.from({ length: H }, (_, i) => Array.from({ length: W }, (_, j) => f(i, j)));
  /** Features at a position; outside the image all are 0. */
  const read = (map: Map3, i: number, j: number): number[] => map[i]?.[j] ?? map[0]![0]!.map(() => 0);
  /** The first groups of x: 0 .. count - 1 of C. */
  const groups = (x: readonly number[], count: number): number[] => x.slice(0, (count * x.length) / C);
  /** A 1x1 product in which output group c sees input groups <= c. */
  const grouped = (x: readonly number[], outputs: number, name: string, b: number[]): number[] =>
    vector(outputs, (o) => {
      const c = Math.floor(o / (outputs / C));
      return b[o]! + times(groups(x, c + 1), `${name}${c}.W`, 0, o % (outputs / C));
    });
  const biases = (name: string, n: number): number[] => vector(n, (o) => Number(parameters.get(name)!.data[o]));
  const logistic = (g: number): number => 1 / (1 + Math.exp(-g));

  const x = everywhere((i, j) => vector(C, (c) => round(round(pixels[(i * W + j) * C + c]! * round(2 / (K - 1))) - 1)));
  const mapped = h !== null && typeof h !== "number" ? naiveMap(config, parameters, h) : null;
  let v = x;
  let horizontal = x;
  let s = S > 0 ? everywhere(() => biases("skip.b", S)) : null;

  for (let l = 1; l <= L; l++) {
    const n = l === 1 ? config.firstKernel : config.kernels[(l - 2) % config.kernels.length]!;
    const d = l === 1 ? 1 : config.dilations[(l - 2) % config.dilations.length]!;
    const r = (n - 1) / 2;
    const up = (n + 1) / 2;
    const inputs = l === 1 ? C : F;
    const conditioned = (stack: string, half: string, o: number, i: number, j: number): number => {
      const name = `layer${l}.${stack}.V_${half}`;
      if (h === null) return 0;
      if (mapped) return times(mapped[i]![j]!, name, 0, o);
      return typeof h === "number" ? at(name, h, o) : times(h, name, 0, o);
    };

    const p: Record<string, Map3> = {};
    for (const half of ["f", "g"]) {
      p[half] = everywhere((i, j) =>
        vector(F, (o) => {
          let sum = at(`layer${l}.vertical.b_${half}`, 0, o) + conditioned("vertical", half, o, i, j);
          for (let k = 0; k < up; k++) {
            for (let m = 0; m < n; m++) {
              const row = l === 1 ? i - up + k : i - (up - 1 - k) * d;
              sum += times(read(v, row, j + (m - r) * d), `layer${l}.vertical.W_${half}`, (k * n + m) * inputs, o);
            }
          }
          return sum;
        }),
      );
    }
    const q: Record<string, Map3> = {};
    for (const half of ["f", "g"]) {
      q[half] = everywhere((i, j) =>
        vector(F, (o) => {
          let sum = at(`layer${l}.horizontal.b_${half}`, 0, o) + conditioned("horizontal", half, o, i, j);
          for (let m = 0; m < r; m++)
            sum += times(read(horizontal, i, j - (r - m) * d), `layer${l}.horizontal.W_${half}`, m * inputs, o);
          sum += times([...p.f![i]![j]!, ...p.g![i]![j]!], `layer${l}.link.W_${half}`, 0, o);
          const c = Math.floor(o / (F / C));
          const seen = groups(horizontal[i]![j]!, l === 1 ? c : c + 1);
          return sum + times(seen, `layer${l}.centre${c}.W_${half}`, 0, o % (F / C));
        }),
      );
    }
    const gated = (a: Record<string, Map3>): Map3 =>
      everywhere((i, j) => vector(F, (o) => Math.tanh(a.f![i]![j]![o]!) * logistic(a.g![i]![j]![o]!)));
    const y = gated(q);
    if (s) {
      const before = s;
      s = everywhere((i, j) => grouped(y[i]![j]!, S, `layer${l}.skip`, before[i]![j]!));
    }
    if (l < L || S === 0) {
      const before = horizontal;
      horizontal = everywhere((i, j) => {
        const residual = grouped(y[i]![j]!, F, `layer${l}.residual`, biases(`layer${l}.residual.b`, F));
        return l === 1 ? residual : residual.map((value, o) => value + before[i]![j]![o]!);
      });
    }
    v = gated(p);
  }

  const relu = (list: readonly number[]): number[] => list.map((value) => Math.max(0, value));
  const logits: number[][] = [];
  for (let i = 0; i < H; i++) {
    for (let j = 0; j < W; j++) {
      const a = relu((s ?? horizontal)[i]![j]!);
      const b = relu(grouped(a, R, "head.hidden", biases("head.hidden.b", R)));
      for (let c = 0; c < C; c++)
        logits.push(vector(K, (k) => at("head.logits.b", c, k) + times(groups(b, c + 1), `head.logits${c}.W`, 0, k)));
    }
  }
  return logits;
}

/** log p of one image in nats, from its logits. */
export function naiveLogProbability(logits: readonly number[][], pixels: Uint8Array): number {
  return logits.reduce((sum, list, i) => {
    const most = Math.max(...list);
    return sum + list[pixels[i]!]! - most - Math.log(list.reduce((total, v) => total + Math.exp(v - most), 0));
  }, 0);
}
