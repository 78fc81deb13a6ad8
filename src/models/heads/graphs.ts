/** What the outputs of each head mean, as graphs, by the name that a config gives the head. */

import type { HeadConfig } from "../config.ts";
import { categoricalGraphs } from "./categorical-graphs.ts";
import type { HeadGraphs } from "./head.ts";
import { mixtureGraphs } from "./mixture-graphs.ts";

type Kind = HeadConfig["head"]["kind"];

const GRAPHS: { readonly [K in Kind]: HeadGraphs<HeadConfig & { readonly head: { readonly kind: K } }> } = {
  categorical: categoricalGraphs,
  mixture: mixtureGraphs,
};

/** A config is checked before: heads.ts refuses an unknown kind. */
export const graphsOf = ({ head: { kind } }: HeadConfig): HeadGraphs => GRAPHS[kind] as HeadGraphs;
