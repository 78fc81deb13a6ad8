/**
 * Draws docs/pictures/blind-spot.png: what one pixel sees of the image, in the plain PixelCNN (left panel) and in the
 * Gated PixelCNN (right panel). The two have the same kernels and depth. Which pixels are seen is the dependency
 * lowering's word: no weights, no numbers.
 *   node scripts/draw-blind-spot.ts
 */

import { writeFileSync } from "node:fs";
import { encode } from "fast-png";
import type { PixelcnnConfig } from "../src/models/config.ts";
import { networkOf } from "../src/models/networks.ts";
import { resolvePixelcnn } from "../src/models/schema.ts";
import { contains, dependencies } from "../src/network/dependencies.ts";

const SIZE = 28;
const [ROW, COLUMN] = [14, 14];
/** Deep enough that every edge of the image is within reach. */
const layers = {
  height: SIZE,
  width: SIZE,
  channels: 1,
  levels: 2,
  depth: 12,
  firstKernel: 7,
  kernels: [3],
  dilations: [1],
};
const panels: PixelcnnConfig[] = [
  resolvePixelcnn({ family: "pixelcnn", ...layers }),
  resolvePixelcnn({ family: "gated-pixelcnn", ...layers }),
];

type Colour = readonly [red: number, green: number, blue: number];
/**
 * Of Okabe and Ito's palette, which the colour-blind can tell apart; their lightness differs too, so they survive a
 * grey printer.
 */
const COLOURS = {
  itself: [0, 0, 0],
  seen: [86, 180, 233],
  blindSpot: [213, 94, 0],
  later: [232, 232, 232],
  paper: [255, 255, 255],
} as const satisfies Record<string, Colour>;
type What = keyof typeof COLOURS;

const CELL = 10;
/** Of each cell, the line of paper below it and to its right. */
const LINE = 1;
const GAP = 30;
const MARGIN = 10;

/** What each pixel is to the one in the middle. */
function seenFrom(config: PixelcnnConfig): What[] {
  const at = ROW * SIZE + COLUMN;
  const seen = dependencies(networkOf(config), { height: SIZE, width: SIZE })[at]!;
  return Array.from({ length: SIZE * SIZE }, (_, pixel): What => {
    if (pixel === at) return "itself";
    if (pixel > at) return "later";
    return contains(seen, pixel) ? "seen" : "blindSpot";
  });
}

const width = 2 * MARGIN + panels.length * SIZE * CELL + (panels.length - 1) * GAP;
const height = 2 * MARGIN + SIZE * CELL;
const data = new Uint8Array(3 * width * height).fill(COLOURS.paper[0]);
panels.forEach((config, panel) => {
  const what = seenFrom(config);
  const count = (kind: What): number => what.filter((each) => each === kind).length;
  console.log(
    `${config.family}: sees ${count("seen")} of ${ROW * SIZE + COLUMN} earlier pixels, blind to ${count("blindSpot")}`,
  );
  for (const [pixel, kind] of what.entries()) {
    const top = MARGIN + Math.floor(pixel / SIZE) * CELL;
    const left = MARGIN + panel * (SIZE * CELL + GAP) + (pixel % SIZE) * CELL;
    for (let y = 0; y < CELL - LINE; y++)
      for (let x = 0; x < CELL - LINE; x++) data.set(COLOURS[kind], 3 * ((top + y) * width + left + x));
  }
});
writeFileSync(
  new URL("../docs/pictures/blind-spot.png", import.meta.url),
  encode({ width, height, data, channels: 3, depth: 8 }),
);
