/**
 * When each step can run while an image becomes known sub-pixel by sub-pixel. It follows from what a step reads, as a
 * fixed point:
 *
 * - **row**: it reads only rows above, or what has read only those: a whole row at once, before the row's first pixel;
 * - **pixel**: it reads the pixels to the left, and at the centre the channel groups before its own: pixel by pixel;
 * - **finished**: it reads all of its own row: when that row ends. Only the rows below may read it; anything else would
 *   be a leak.
 */

import { fail } from "../errors.ts";
import { type FeatureMap, type Network, type Offset, type Read, readOf, readsOf, type Term } from "./steps.ts";

export const WHEN = ["row", "pixel", "finished"] as const;
export type When = (typeof WHEN)[number];

export interface Schedule {
  /** When a map's features at a pixel are known. */
  of(map: FeatureMap): When;
  /** When a term can be added. */
  term(term: Term): When;
}

const later = (a: When, b: When): When => (WHEN.indexOf(a) >= WHEN.indexOf(b) ? a : b);

/** Works out when each step runs; throws for a network whose outputs would see their own pixel or later ones. */
export function schedule(network: Network): Schedule {
  const { input, steps, outputs } = network;
  const when = new Map<string, When>(steps.map(({ out }) => [out.name, "row"]));
  const at = (map: FeatureMap): When => (map === input ? "pixel" : (when.get(map.name) ?? unmade(map)));

  const offset = ({ map, mask }: Read, [down, right]: Offset): When => {
    if (down > 0) return fail("internal", `expected offsets of rows above but ${map.name} is read ${down} rows below`);
    const known = at(map);
    if (down < 0 || known === "row") return "row";
    if (known === "finished" || right > 0) return "finished";
    if (right < 0) return "pixel";
    // The levels of its own group are what the pixel predicts; a map's own group was made without them.
    return mask === "A" || (mask !== "all" && map !== input) ? "pixel" : "finished";
  };
  const read = (r: Read): When => r.at.map((at) => offset(r, at)).reduce(later, "row");
  const term = (t: Term): When => {
    const r = readOf(t);
    return r === null ? "row" : read(r);
  };

  for (let changed = true; changed; ) {
    changed = false;
    for (const step of steps) {
      const before = when.get(step.out.name)!;
      const now = readsOf(step).map(read).reduce(later, before);
      if (now !== before) changed = true;
      when.set(step.out.name, now);
    }
  }

  if (outputs.groups !== network.channels)
    fail("internal", `expected outputs in ${network.channels} groups, one a channel, but received ${outputs.groups}`);
  if (at(outputs) === "finished")
    fail("internal", `expected outputs before their pixel but ${leak(network, at, offset)}`);
  for (const { out } of steps)
    if (at(out) === "pixel" && out.groups !== network.channels)
      fail(
        "internal",
        `expected one group a channel for ${out.name}, which runs pixel by pixel, but received ${out.groups}`,
      );
  return { of: at, term };
}

const unmade = (map: FeatureMap): never =>
  fail("internal", `expected a step that makes the map ${map.name} but found none`);

/**
 * The step that needs the whole of its own row, and how the outputs come to read it: the shortest way back from them.
 */
function leak(
  { steps, outputs }: Network,
  at: (map: FeatureMap) => When,
  offset: (read: Read, at: Offset) => When,
): string {
  const ways: FeatureMap[][] = [[outputs]];
  const met = new Set([outputs.name]);
  for (const way of ways) {
    const [map, ...rest] = way as [FeatureMap, ...FeatureMap[]];
    for (const read of readsOf(steps.find(({ out }) => out.name === map.name)!))
      for (const place of read.at) {
        if (offset(read, place) !== "finished") continue;
        if (at(read.map) !== "finished") {
          const through =
            rest.length === 0
              ? ""
              : `, and the outputs read that row by way of ${rest.map(({ name }) => name).join(", ")}`;
          return `${map.name} reads ${read.map.name} at [${place.join(", ")}], ${MASKS[read.mask]}${through}: a leak`;
        }
        if (!met.has(read.map.name)) ways.push([read.map, ...way]);
        met.add(read.map.name);
      }
  }
  return "they need the whole of their own row: a leak";
}

const MASKS: Readonly<Record<Read["mask"], string>> = {
  all: "all groups",
  own: "the own group",
  A: "the groups before its own",
  B: "the groups up to its own",
};
