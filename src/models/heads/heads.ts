/** The heads, by the name that a config gives them. */

import { fail, show } from "../../errors.ts";
import { categorical } from "./categorical.ts";
import type { Head } from "./head.ts";

const HEADS: Readonly<Record<string, Head>> = { categorical };

export function headOf({ head: { kind } }: { readonly head: { readonly kind: string } }): Head {
  return (
    HEADS[kind] ??
    fail("model", `expected a head of ${Object.keys(HEADS).map(show).join(" or ")} but received ${show(kind)}`)
  );
}
