/**
 * Which earlier pixels a model can see at all. Taps are full rectangles, so what a stack reaches is a product of row
 * and column offsets, and sums of the layers' offsets say which. A dilation that leaps over what came before leaves
 * holes at any depth: a blind spot of the config, not of the network.
 */

import { type ConvolutionalConfig, hasColumn, layersOf, type PixelcnnConfig } from "./config.ts";

/**
 * Offsets of the last layer: `up` rows above, `across` columns to either side, `left` pixels of the own row; each
 * sorted.
 */
export interface Reach {
  readonly up: readonly number[];
  readonly across: readonly number[];
  readonly left: readonly number[];
}

const sums = (reached: ReadonlySet<number>, steps: readonly number[]): Set<number> =>
  new Set([...reached].flatMap((offset) => steps.map((step) => offset + step)));
const upTo = (n: number, dilation: number): number[] => Array.from({ length: n + 1 }, (_, k) => k * dilation);

/** What the last layer reaches. */
export function reachOf(config: ConvolutionalConfig): Reach {
  let [up, across, left] = [new Set<number>(), new Set<number>([0]), new Set<number>()];
  layersOf(config).forEach(({ kernel, dilation }, i) => {
    const reach = (kernel - 1) / 2;
    const rows = upTo(reach, dilation);
    // A state down the columns remembers any row.
    const remembered = config.family === "gated-pixelcnn" && hasColumn(config, i) ? upTo(config.height, 1) : [];
    up = i === 0 ? new Set(upTo(reach, 1).map((n) => n + 1)) : sums(up, [...rows, ...remembered]);
    across = sums(across, [...upTo(reach, dilation), ...upTo(reach, -dilation)]);
    left = i === 0 ? new Set(upTo(reach, 1).slice(1)) : new Set([...sums(left, upTo(reach, dilation)), ...left]);
  });
  const sorted = (set: Set<number>): number[] => [...set].sort((a, b) => a - b);
  return { up: sorted(up), across: sorted(across).filter((n) => n >= 0), left: sorted(left) };
}

/** What a config never sees within its own reach and image, in words; null where it sees all of it. */
export function blindSpotOf(config: PixelcnnConfig): string | null {
  // Recurrent layers leap over nothing.
  if (!("dilations" in config)) return null;
  const { up, across, left } = reachOf(config);
  const missing = (offsets: readonly number[], from: number, size: number): number | undefined => {
    const has = new Set(offsets);
    const last = Math.min(size - 1, offsets.at(-1) ?? 0);
    for (let n = from; n <= last; n++) if (!has.has(n)) return n;
    return undefined;
  };
  const holes = [
    ["row", "above", missing(up, 1, config.height)],
    ["column", "to either side", missing(across, 0, config.width)],
    ["pixel", "to the left in the same row", missing(left, 1, config.width)],
  ] as const;
  const hole = holes.find(([, , offset]) => offset !== undefined);
  return hole
    ? `no output ever sees the ${hole[0]} ${hole[2]} ${hole[1]}: a dilation leaps over what the layers before it reach`
    : null;
}
