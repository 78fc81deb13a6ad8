/** For tests: which sub-pixels each sub-pixel may see, as sets, from the tap lists of the papers alone. */

import type { GatedConfig, PlainConfig } from "./config.ts";

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
      // A state that runs down the column has seen all of it down to the pixel's own row of features.
      if (config.columnEvery && l > 1 && (l - 1) % config.columnEvery === 0)
        for (let row = 0; row <= i; row++) seen.push(v[row * W + j]!);
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

/**
 * The same of the plain PixelCNN: a convolution of mask A over the image, then residual blocks around one of mask B.
 */
export function plainReceptiveField(config: PlainConfig): Reach[] {
  const { height: H, width: W, channels: C, depth: L, firstKernel, kernels, dilations } = config;
  const groups = Array.from({ length: C }, (_, c) => c);
  const everywhere = (at: (i: number, j: number, c: number) => Reach): Reach[][] =>
    Array.from({ length: H * W }, (_, p) => groups.map((c) => at(Math.floor(p / W), p % W, c)));
  const union = (sets: readonly Reach[]): Reach => new Set(sets.flatMap((set) => [...set]));
  /** A 1x1 of mask B: groups up to and with the own one. */
  const upTo = (map: Reach[][]): Reach[][] => map.map((own) => groups.map((c) => union(own.slice(0, c + 1))));
  /** n x n taps, d apart: all groups of the rows above and the left; of the pixel itself groups < c (A) or <= c (B). */
  const masked = (map: Reach[][], n: number, d: number, mask: "A" | "B"): Reach[][] =>
    everywhere((i, j, c) => {
      const seen: Reach[] = map[i * W + j]!.slice(0, mask === "A" ? c : c + 1);
      for (let down = -(n - 1) / 2; down <= 0; down++)
        for (let right = -(n - 1) / 2; right <= (n - 1) / 2; right++) {
          const [row, column] = [i + down * d, j + right * d];
          if ((down < 0 || right < 0) && row >= 0 && column >= 0 && column < W) seen.push(...map[row * W + column]!);
        }
      return union(seen);
    });

  const image = everywhere((i, j, c) => new Set([(i * W + j) * C + c]));
  let x = masked(image, firstKernel, 1, "A");
  for (let l = 2; l <= L; l++) {
    const [n, d] = [kernels[(l - 2) % kernels.length]!, dilations[(l - 2) % dilations.length]!];
    const block = upTo(masked(upTo(x), n, d, "B"));
    x = x.map((own, p) => groups.map((c) => union([own[c]!, block[p]![c]!])));
  }
  // The head: groups <= c twice over.
  return upTo(upTo(x)).flat();
}
