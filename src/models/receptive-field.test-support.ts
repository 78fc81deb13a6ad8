/** For tests: which sub-pixels each sub-pixel may see, as sets, from the tap lists of docs/model.md alone. */

import type { GatedConfig } from "./config.ts";

type Reach = Set<number>;

/** For each sub-pixel, in order, the sub-pixels that its outputs may depend on. */
export function receptiveField(config: GatedConfig): Reach[] {
  const { height: H, width: W, channels: C, depth: L } = config;
  const positions = Array.from({ length: H * W }, (_, p) => p);
  const groups = Array.from({ length: C }, (_, c) => c);
  const inside = (i: number, j: number): boolean => i >= 0 && i < H && j >= 0 && j < W;
  const union = (...sets: Reach[]): Reach => new Set(sets.flatMap((set) => [...set]));

  // What the features of the vertical stack at a position have seen, and those of the horizontal stack's group c there.
  let v: Reach[] = positions.map((p) => new Set(groups.map((c) => p * C + c)));
  let h: Reach[][] = positions.map((p) => groups.map((c) => new Set([p * C + c])));
  let skip: Reach[][] = positions.map(() => groups.map(() => new Set()));

  for (let l = 1; l <= L; l++) {
    const n = l === 1 ? config.firstKernel : config.kernels[(l - 2) % config.kernels.length]!;
    const d = l === 1 ? 1 : config.dilations[(l - 2) % config.dilations.length]!;
    const r = (n - 1) / 2;
    const up = (n + 1) / 2;
    const p = positions.map((at) => {
      const [i, j] = [Math.floor(at / W), at % W];
      const seen: Reach[] = [];
      for (let k = 0; k < up; k++) {
        for (let m = 0; m < n; m++) {
          const [row, column] = [l === 1 ? i - up + k : i - (up - 1 - k) * d, j + (m - r) * d];
          if (inside(row, column)) seen.push(v[row * W + column]!);
        }
      }
      return union(...seen);
    });
    const y = positions.map((at) => {
      const [i, j] = [Math.floor(at / W), at % W];
      return groups.map((c) => {
        const seen = [p[at]!];
        for (let m = 0; m < r; m++) if (inside(i, j - (r - m) * d)) seen.push(...h[at - (r - m) * d]!);
        for (const e of groups) if (l === 1 ? e < c : e <= c) seen.push(h[at]![e]!);
        return union(...seen);
      });
    });
    const upTo = (sets: Reach[], c: number): Reach => union(...sets.slice(0, c + 1));
    skip = positions.map((at) => groups.map((c) => union(skip[at]![c]!, upTo(y[at]!, c))));
    const before = h;
    h = positions.map((at) => groups.map((c) => (l === 1 ? upTo(y[at]!, c) : union(before[at]![c]!, upTo(y[at]!, c)))));
    v = p;
  }
  // The head: groups <= c twice over.
  const read = config.skip > 0 ? skip : h;
  return positions.flatMap((at) => groups.map((c) => union(...read[at]!.slice(0, c + 1))));
}
