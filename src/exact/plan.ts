/**
 * A model as the exact engine runs it: its parameters packed, and the calls that work them (lower.ts). Depends on no
 * image size.
 */

import { mapOf } from "../models/condition.ts";
import type { ConditionConfig, PixelcnnConfig } from "../models/config.ts";
import { checkPixelcnn, networkOf } from "../models/networks.ts";
import { networkParameters } from "../network/declarations.ts";
import { levelInputs } from "../network/level-inputs.ts";
import { checkParameters } from "../network/parameters.ts";
import type { Tensor } from "../tensor.ts";
import { type Lowered, lower } from "./lower.ts";
import type { MapLayers } from "./map-features.ts";

/** A model as a file holds it: `config` is checked, and `parameters` must be exactly those that it requires. */
export interface ExactModel<C extends object = object> {
  readonly config: C;
  readonly parameters: ReadonlyMap<string, Tensor> | Readonly<Record<string, Tensor>>;
}

export interface Plan extends Lowered {
  readonly config: PixelcnnConfig;
  readonly channels: number;
  readonly levels: number;
  /** What the model can be conditioned on. */
  readonly condition: ConditionConfig | null;
  /** Numbers that V is multiplied with. */
  readonly conditionWidth: number;
  /** m(h) of a condition that goes through it; null for the others. */
  readonly map: MapLayers | null;
  /** What the network reads of each level, one row a level: [K, E]. */
  readonly inputs: Float32Array;
}

/** Checks the model and packs it. */
export function createPlan({ config: given, parameters }: ExactModel): Plan {
  const config = checkPixelcnn(given);
  const network = networkOf(config);
  const tensors = new Map<string, Tensor>(parameters instanceof Map ? parameters : Object.entries(parameters));
  checkParameters(networkParameters(network), tensors);
  const get = (name: string): Float32Array => tensors.get(name)!.data as Float32Array;
  const from = mapOf(config.condition);
  const map: MapLayers | null = from && {
    from,
    // Copies: a parameter may be a view of a whole file, which a message to a thread would take along.
    weights: network.condition!.map.map(({ name }) => get(name).slice()),
    linear: from.linear === 0 ? null : get(network.condition!.linear!.name).slice(),
    height: config.height,
    width: config.width,
    features: network.condition!.width,
  };
  const { channels, levels, condition } = config;
  return {
    config,
    channels,
    levels,
    condition,
    conditionWidth: network.condition?.width ?? 0,
    map,
    inputs: levelInputs(levels, network.input.features / channels - 1),
    ...lower(network, get),
  };
}
