/**
 * Where each map of a network lives in the exact engine: in which buffer of rows, and at which numbers of a pixel's
 * line. Three things save work and memory: sums of the same inputs lie side by side and are one product; a ReLU that
 * alone reads a sum is part of it; and maps that are used up at once share a buffer. Widths only: addresses are in
 * layout.ts.
 */

import { type Schedule, schedule } from "../network/schedule.ts";
import { type FeatureMap, type Network, type Read, readOf, readsOf, type Step, type Term } from "../network/steps.ts";
import { padded } from "./pack.ts";

export type Sum = Extract<Step, { step: "sum" }>;
export type Cell = Extract<Step, { step: "cell" }>;
export type ReadTerm = Extract<Term, { term: "read" }>;

/** Rows of lines that are kept: as many as will be asked for again. */
export interface Buffer {
  /** Numbers of a line. */
  readonly width: number;
  /** Row i lies in slot i % slots. */
  readonly slots: number;
  /** Columns of zeros beside the image. */
  readonly left: number;
  readonly right: number;
}

export interface Home {
  /** Index of the buffer. */
  readonly buffer: number;
  /** Numbers from one group to the next. */
  readonly group: number;
  /** Where the map begins within a group. */
  readonly offset: number;
  /** Numbers of each part, padded. */
  readonly part: number;
}

export interface Homes {
  readonly schedule: Schedule;
  readonly buffers: readonly Buffer[];
  of(map: FeatureMap): Home;
  /** The memory of an LSTM cell. */
  memoryOf(step: Cell): Home;
  /** Sums that are one product, by the first of them; those behind it are in no other entry. */
  readonly merged: ReadonlyMap<Step, readonly Sum[]>;
  /** Sums whose result goes through ReLU as it is stored, and the steps that this makes needless. */
  readonly fused: ReadonlySet<Step>;
}

/** Finds a home for every map. */
export function findHomes(network: Network): Homes {
  const { steps, input, channels: C } = network;
  const when = schedule(network);
  const { sums: fusedSums, relus } = fusedRelus(network);
  const merged = mergedSums(network, when, new Set(fusedSums.keys()));
  const follower: ReadonlySet<Step> = new Set([...merged.values()].flatMap((sums) => sums.slice(1) as Step[]));

  // Which maps lie side by side in one buffer, in the order of their makers.
  const tenants: FeatureMap[][] = [[input]];
  for (const step of steps) {
    if (follower.has(step) || (step.step === "relu" && relus.has(step))) continue;
    tenants.push((merged.get(step) ?? [step]).map(({ out }) => out));
    if (step.step === "cell") tenants.push([memoryMap(step)]);
  }
  // A fused ReLU's map is its sum's.
  const alias = new Map([...relus].map((relu) => [relu.out.name, relu.of]));
  const homeMap = (map: FeatureMap): FeatureMap => alias.get(map.name) ?? map;

  const needs = neighbourhoods(network, homeMap);
  const specs = tenants.map((maps): Buffer => {
    const all = maps.map((map) => needs.get(map.name) ?? { above: 0, left: 0, right: 0 });
    const most = (key: "above" | "left" | "right"): number => Math.max(...all.map((n) => n[key]));
    const width =
      maps[0] === input ? input.features : maps[0]!.groups * maps.reduce((sum, map) => sum + groupWidth(map), 0);
    return { width, slots: most("above") + 1, left: most("left"), right: most("right") };
  });
  const { index, buffers } = share(network, when, tenants, specs, homeMap);

  const homes = new Map<string, Home>();
  tenants.forEach((maps, t) => {
    let offset = 0;
    const group = maps[0] === input ? input.features / C : maps.reduce((sum, map) => sum + groupWidth(map), 0);
    for (const map of maps) {
      homes.set(map.name, { buffer: index[t]!, group, offset, part: map === input ? group : partWidth(map) });
      offset += groupWidth(map);
    }
  });
  return {
    memoryOf: (step) => homes.get(memoryMap(step).name)!,
    schedule: when,
    buffers,
    merged,
    fused: new Set<Step>([...fusedSums.keys(), ...relus]),
    of: (map) => homes.get(homeMap(map).name)!,
  };
}

/** A map of its own for a cell's memory, which no step reads but the cell itself. */
const memoryMap = ({ out }: Cell): FeatureMap => ({ ...out, name: `${out.name}, memory` });

const partWidth = ({ features, groups, shares }: FeatureMap): number =>
  padded(shares ? Math.max(...shares) : features / groups);
const groupWidth = (map: FeatureMap): number => Math.max(1, map.parts.length) * partWidth(map);

/** Sums that only a ReLU reads, and these ReLUs. */
function fusedRelus({ steps, outputs }: Network): {
  sums: Map<Step, Step>;
  relus: Set<Extract<Step, { step: "relu" }>>;
} {
  const sums = new Map<Step, Step>();
  const relus = new Set<Extract<Step, { step: "relu" }>>();
  for (const step of steps) {
    if (step.step !== "sum" || step.out === outputs) continue;
    const readers = steps.filter((reader) => readsOf(reader).some(({ map }) => map === step.out));
    const [reader] = readers;
    if (readers.length !== 1 || reader?.step !== "relu") continue;
    sums.set(step, reader);
    relus.add(reader);
  }
  return { sums, relus };
}

/**
 * Sums that run pixel by pixel on the very same inputs: neighbours in the list, such as a residual connection and a
 * skip connection.
 */
function mergedSums({ steps }: Network, when: Schedule, fused: ReadonlySet<Step>): Map<Step, Sum[]> {
  const merged = new Map<Step, Sum[]>();
  /** The list that a map's maker leads or follows. */
  const listOf = (map: FeatureMap): Sum[] | undefined =>
    [...merged.values()].find((sums) => sums.some(({ out }) => out === map));
  const plain = (sum: Sum): boolean =>
    when.of(sum.out) === "pixel" &&
    !fused.has(sum) &&
    sum.terms.every((t) => t.term === "bias" || t.term === "plus" || (t.term === "read" && when.term(t) === "pixel"));
  const plusOf = ({ terms }: Sum): Extract<Term, { term: "plus" }> | undefined => terms.find((t) => t.term === "plus");
  for (const [i, step] of steps.entries()) {
    const next = steps[i + 1];
    if (step.step !== "sum" || next?.step !== "sum" || !plain(step) || !plain(next) || listOf(step.out)) continue;
    const [a, b] = [plusOf(step), plusOf(next)];
    const before = a && listOf(a.map)?.map(({ out }) => out);
    const side = before?.[0] === a?.map && before?.[1] === b?.map;
    if (sameReads(step, next) && side) merged.set(step, [step, next]);
  }
  return merged;
}

function sameReads(a: Sum, b: Sum): boolean {
  const reads = ({ terms }: Sum): string =>
    JSON.stringify(
      terms.flatMap((t) => (t.term === "read" ? [[t.map.name, t.at, t.mask, t.by.name.includes("{c}")]] : [])),
    );
  return a.out.groups === b.out.groups && reads(a) === reads(b);
}

interface Need {
  readonly above: number;
  readonly left: number;
  readonly right: number;
}

/** How far from its own pixel each map is read. */
function neighbourhoods({ steps }: Network, homeMap: (map: FeatureMap) => FeatureMap): Map<string, Need> {
  const needs = new Map<string, Need>();
  for (const { map, at } of steps.flatMap((step): Read[] => readsOf(step))) {
    const { name } = homeMap(map);
    const need = needs.get(name) ?? { above: 0, left: 0, right: 0 };
    const far = (sign: number, axis: 0 | 1): number => Math.max(0, ...at.map((offset) => sign * offset[axis]));
    needs.set(name, {
      above: Math.max(need.above, far(-1, 0)),
      left: Math.max(need.left, far(-1, 1)),
      right: Math.max(need.right, far(1, 1)),
    });
  }
  for (const step of steps) {
    if (step.step !== "cell") continue;
    const [down, right] = step.from;
    needs.set(memoryMap(step).name, { above: -down, left: Math.max(0, -right), right: Math.max(0, right) });
  }
  return needs;
}

/**
 * Gives buffers of one width in turn to maps that are used up in the walk that makes them, before the next takes their
 * place.
 */
function share(
  { steps, channels: C, outputs }: Network,
  when: Schedule,
  tenants: readonly (readonly FeatureMap[])[],
  specs: readonly Buffer[],
  homeMap: (map: FeatureMap) => FeatureMap,
): { index: number[]; buffers: Buffer[] } {
  /**
   * First and last step of a map's life; null where it outlives its walk, or several groups read it one after another.
   */
  const life = (map: FeatureMap): readonly [number, number] | null => {
    const at = when.of(map);
    const made = steps.findIndex(({ out }) => out === map);
    const step = steps[made];
    if (made < 0 || map === outputs || (at === "pixel" && C > 1) || at === "finished") return null;
    // The part of a sum that its row begins with waits there for the pixels.
    if (
      at === "pixel" &&
      step!.step === "sum" &&
      step!.terms.some((t) => t.term !== "bias" && t.term !== "plus" && when.term(t) === "row")
    )
      return null;
    let last = made;
    for (const [i, reader] of steps.entries()) {
      if (reader.step !== "sum") {
        if (homeMap(reader.of) !== map) continue;
        if (reader.out !== map && homeMap(reader.out) !== map && when.of(reader.out) !== at) return null;
        last = Math.max(last, i);
        continue;
      }
      for (const term of reader.terms) {
        const read = readOf(term);
        if (!read || homeMap(read.map) !== map) continue;
        if (when.term(term) !== at) return null;
        last = Math.max(last, i);
      }
    }
    return [made, last];
  };
  const buffers: Buffer[] = [];
  const free: { buffer: number; until: number }[] = [];
  const index = tenants.map((maps, t) => {
    const spec = specs[t]!;
    const lifetime =
      maps.length === 1 && spec.slots === 1 && spec.left === 0 && spec.right === 0 ? life(maps[0]!) : null;
    if (lifetime === null) return buffers.push(spec) - 1;
    const [from, until] = lifetime;
    const found = free.find((f) => f.until < from && buffers[f.buffer]!.width === spec.width && f.until >= 0);
    if (found) {
      found.until = until;
      return found.buffer;
    }
    free.push({ buffer: buffers.push(spec) - 1, until });
    return buffers.length - 1;
  });
  return { index, buffers };
}
