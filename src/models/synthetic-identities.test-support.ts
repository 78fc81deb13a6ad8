/**
 * For tests: faces of people who do not exist, drawn from a seed. What makes a person (shape of the head, tones, eyes,
 * brows, nose, mouth, hair) depends on the seed and the person alone; place, size, turn, light, expression and noise
 * differ from image to image.
 */

import { type Dataset, datasetFromArrays } from "../data/dataset.ts";
import { randomFrom } from "../random.ts";

export interface SyntheticIdentities {
  readonly people: number;
  readonly imagesEach: number;
  /** Number of the first person: sets with different people do not overlap. Default 0. */
  readonly firstPerson?: number;
  readonly height?: number;
  readonly width?: number;
  /** 1, grey (default), or 3, where skin, hair and eyes have colours. */
  readonly channels?: 1 | 3;
  /** Default 256. */
  readonly levels?: number;
  readonly seed?: number;
  /** "train" or "test"; default "all". */
  readonly split?: string;
}

type Colour = readonly [number, number, number];

/** 1 well inside (signed distance below 0), 0 well outside, with an edge about one pixel wide. */
const inside = (distance: number, edge: number): number => Math.min(1, Math.max(0, 0.5 - distance / edge));

/** Images of people in the order of people; the label of an image is its person, from 0. */
export function syntheticIdentities({
  people,
  imagesEach,
  firstPerson = 0,
  height = 24,
  width = 20,
  channels = 1,
  levels = 256,
  seed = 1,
  split = "all",
}: SyntheticIdentities): Dataset {
  const size = height * width * channels;
  const pixels = new Uint8Array(people * imagesEach * size);
  const labels = Int32Array.from({ length: people * imagesEach }, (_, i) => Math.floor(i / imagesEach));
  for (let i = 0; i < labels.length; i++) {
    const face = faceOf(seed, firstPerson + labels[i]!, i % imagesEach);
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++) {
        // The image is 2 high; rows and columns have the same scale.
        const colour = face((2 * x + 1 - width) / height, (2 * y + 1 - height) / height, 4 / height);
        for (let c = 0; c < channels; c++) {
          const tone = channels === 1 ? 0.3 * colour[0] + 0.5 * colour[1] + 0.2 * colour[2] : colour[c]!;
          const level = Math.floor(Math.min(1, Math.max(0, tone)) * (levels - 1) + 0.5);
          pixels[i * size + (y * width + x) * channels + c] = level;
        }
      }
  }
  const names = Array.from({ length: people }, (_, i) => `person${firstPerson + i}`);
  const nameOf = (index: number): string => `${names[labels[index]!]}/${index % imagesEach}`;
  return datasetFromArrays(
    { name: "synthetic-identities", split, height, width, channels, levels, classes: names, nameOf },
    pixels,
    labels,
  );
}

/** The colour of a face at (x, y), both about -1 .. 1, with edges `edge` wide. */
function faceOf(seed: number, person: number, image: number): (x: number, y: number, edge: number) => Colour {
  const who = randomFrom(seed, person);
  const now = randomFrom(seed, person, image + 1);
  const between = (random: typeof who, low: number, high: number): number => low + (high - low) * random.uniform();
  const tint = (tone: number, warmth: number): Colour => [tone * (1 + warmth), tone, tone * (1 - warmth)];

  const head = { width: between(who, 0.48, 0.68), height: between(who, 0.68, 0.86) };
  const skin = tint(between(who, 0.4, 0.85), between(who, 0.05, 0.25));
  const hair = tint(between(who, 0.02, 0.75), between(who, -0.1, 0.3));
  const hairline = between(who, -0.65, -0.25);
  const sideHair = between(who, 0, 0.3);
  const eyes = { apart: between(who, 0.18, 0.32), height: between(who, -0.22, 0), size: between(who, 0.06, 0.12) };
  const iris = tint(between(who, 0.05, 0.4), between(who, -0.3, 0.3));
  const brow = { above: between(who, 0.1, 0.2), thick: between(who, 0.02, 0.07) };
  const nose = { length: between(who, 0.18, 0.36), width: between(who, 0.04, 0.1) };
  const mouth = { width: between(who, 0.12, 0.3), height: between(who, 0.36, 0.52), thick: between(who, 0.025, 0.08) };
  const beard = who.uniform() < 0.35 ? between(who, 0.3, 0.7) : 0;
  const glasses = who.uniform() < 0.3;

  const shift = { x: between(now, -0.12, 0.12), y: between(now, -0.1, 0.1) };
  const scale = between(now, 0.9, 1.1);
  const turn = between(now, -0.15, 0.15);
  const light = between(now, 0.8, 1.2);
  const side = between(now, -0.25, 0.25);
  const smile = between(now, -0.1, 0.25);
  const open = between(now, 0.6, 1);
  const background = between(now, 0.2, 0.6);

  return (px, py, edge) => {
    const [cx, cy] = [(px - shift.x) / scale, (py - shift.y) / scale];
    const x = Math.cos(turn) * cx + Math.sin(turn) * cy;
    const y = Math.cos(turn) * cy - Math.sin(turn) * cx;
    let colour: Colour = [background, background, background];
    const paint = (amount: number, over: Colour): void => {
      colour = [0, 1, 2].map((c) => colour[c]! + amount * (over[c]! - colour[c]!)) as unknown as Colour;
    };
    const ellipse = (ex: number, ey: number, rx: number, ry: number): number =>
      inside((Math.hypot((x - ex) / rx, (y - ey) / ry) - 1) * Math.min(rx, ry), edge);

    paint(ellipse(0, -0.06, head.width + 0.08 + sideHair * 0.4, head.height + 0.08), hair);
    paint(ellipse(0, 0, head.width, head.height) * inside(hairline + 0.4 * x * x - y, edge), skin);
    if (beard > 0) paint(beard * ellipse(0, 0.1, head.width, head.height - 0.1) * inside(0.3 - y, 2 * edge), hair);
    for (const sign of [-1, 1]) {
      const ex = sign * eyes.apart;
      paint(ellipse(ex, eyes.height, eyes.size * 1.5, eyes.size * open), [0.95, 0.95, 0.95]);
      paint(ellipse(ex, eyes.height, eyes.size * 0.8, eyes.size * 0.8 * open), iris);
      paint(ellipse(ex, eyes.height - brow.above, eyes.size * 1.9, brow.thick), hair);
      const ring = Math.abs(Math.hypot(x - ex, y - eyes.height) - 0.16) - 0.02;
      if (glasses) paint(inside(ring, edge), [0.05, 0.05, 0.05]);
    }
    paint(0.4 * ellipse(0, eyes.height + nose.length, nose.width, nose.length / 2), [
      skin[0] * 0.6,
      skin[1] * 0.5,
      skin[2] * 0.5,
    ]);
    const curve = mouth.height - smile * 4 * x * x;
    const lips = inside(Math.abs(y - curve) - mouth.thick, edge) * inside(Math.abs(x) - mouth.width, edge);
    paint(lips, [0.5, 0.15, 0.2]);

    const lit = light * (1 + side * x);
    const noise = 0.04 * (now.uniform() - 0.5);
    return [colour[0] * lit + noise, colour[1] * lit + noise, colour[2] * lit + noise];
  };
}
