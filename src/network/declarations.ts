/**
 * The parameters that a network's steps declare: name, shape and first values of each, worked out from the term that
 * owns it.
 */

import { fail } from "../errors.ts";
import { sizeOf } from "../tensor.ts";
import { bias, matrix, type ParameterSpec } from "./parameters.ts";
import {
  type FeatureMap,
  featuresBefore,
  featuresOf,
  groupsSeen,
  type Network,
  type Read,
  type Term,
  type Weights,
  widthOf,
} from "./steps.ts";

/** A parameter's name for one group: `{c}` is its number. */
export const nameFor = (name: string, group: number): string => name.replace("{c}", String(group));

/** Whether a term has a matrix per group rather than one for all. */
export const isGrouped = ({ name }: Weights): boolean => name.includes("{c}");

const isList = (start: Weights["start"]): start is readonly number[] => Array.isArray(start);

/** A spec, the name without group and part that {@link Network.order} lists it by, and its part. */
interface Declared {
  readonly base: string;
  readonly part: number;
  readonly spec: ParameterSpec;
}

/** Every parameter of the network: those of m(h), then the steps', in the network's order. */
export function networkParameters(network: Network): ParameterSpec[] {
  const { map: layers = [], linear } = network.condition ?? {};
  const map = [...layers, ...(linear ? [linear] : [])].map(({ name, shape, fan, gain }) =>
    matrix(name, shape, fan ?? sizeOf(shape), gain),
  );
  const declared = network.steps.flatMap((step) =>
    step.step === "sum" ? step.terms.flatMap((term) => declaredBy(term, step.out, network)) : [],
  );
  const names = [...map, ...declared.map(({ spec }) => spec)].map(({ name }) => name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) fail("internal", `expected one term to declare the parameter ${twice} but received two`);
  const sorted = network.order.flatMap((entry) => {
    const bases = typeof entry === "string" ? [entry] : entry;
    const parts = Math.max(0, ...declared.filter(({ base }) => bases.includes(base)).map(({ part }) => part + 1));
    return Array.from({ length: parts }, (_, part) =>
      bases.flatMap((base) => declared.filter((d) => d.base === base && d.part === part)),
    ).flat();
  });
  return [...map, ...[...new Set([...sorted, ...declared])].map(({ spec }) => spec)];
}

/** The parameters of one term of a sum, part after part, and of a part group after group. */
function declaredBy(term: Term, out: FeatureMap, { channels, condition, levels, input, outputs }: Network): Declared[] {
  if (term.term === "plus") return [];
  const { by } = term;
  const { name, axes = [], gain } = by;
  const parts = out.parts.length > 0 ? out.parts : [null];
  const startOf = (part: string | null): number | readonly number[] =>
    isList(by.start) ? by.start : (by.start?.[part ?? ""] ?? 0);
  const each = (make: (suffix: string, start: number | readonly number[]) => readonly ParameterSpec[]): Declared[] =>
    parts.flatMap((suffix, part) =>
      make(suffix === null ? "" : `_${suffix}`, startOf(suffix)).map((spec) => ({
        base: name,
        part,
        spec,
      })),
    );
  /** In the flat vector parts lie side by side. */
  const joined = (group = name): { joined?: string } => (out.parts.length > 0 ? { joined: group } : {});
  const { features } = out;
  /** Parameters per group: of the features of a part that it sees, and of its own. None where it sees nothing. */
  const eachGroup = (make: (group: string, seen: number, own: number) => ParameterSpec, read: Read): Declared[] =>
    each((suffix) =>
      Array.from({ length: out.groups }, (_, c) => c).flatMap((c) => {
        const seen = featuresBefore(read.map, groupsSeen(read, read.at[0]!, c)[1]);
        const group = nameFor(name, c);
        const own = featuresOf(out, c);
        return seen === 0 ? [] : [{ ...make(`${group}${suffix}`, seen, own), ...joined(group) }];
      }),
    );

  if (term.term === "bias")
    return each((suffix, start) => [
      { ...bias(`${name}${suffix}`, [...axes, features / sizeOf(axes)], start), ...joined() },
    ]);
  if (term.term === "condition") {
    const width = condition!.width;
    return each((suffix) => [{ ...matrix(`${name}${suffix}`, [width, features], by.fan ?? width, gain), ...joined() }]);
  }
  if (term.term === "position")
    return each((suffix) => [{ ...matrix(`${name}${suffix}`, [...axes, features], by.fan ?? 1, gain), ...joined() }]);
  if (term.term === "embed") {
    const fan = by.fan ?? term.at.length * channels;
    if (isGrouped(by)) return eachGroup((group, seen, own) => matrix(group, [seen, levels, own], fan, gain), term);
    const shape = [term.at.length, channels, levels, features];
    return each((suffix) => [{ ...matrix(`${name}${suffix}`, shape, fan, gain), ...joined() }]);
  }

  const { map, at } = term;
  const inputs = widthOf(map);
  if (at.length !== sizeOf(axes))
    fail("internal", `expected axes of ${at.length} offsets for the parameter ${name} but received [${axes}]`);
  const fan = by.fan ?? at.length * inputs;
  const weights = (group: string, shape: number[]): ParameterSpec => ({
    ...matrix(group, shape, fan, gain),
    ...(map !== input && out !== outputs ? { hidden: true } : {}),
  });
  if (!isGrouped(by))
    return each((suffix) => [{ ...weights(`${name}${suffix}`, [...axes, inputs, features]), ...joined() }]);
  return eachGroup((group, seen, own) => weights(group, [seen * Math.max(1, map.parts.length), own]), term);
}
