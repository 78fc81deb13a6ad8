/** The heads, by the name that a config gives them. */

import { fail, show } from "../../errors.ts";
import type { HeadConfig } from "../config.ts";
import { categorical } from "./categorical.ts";
import type { Head } from "./head.ts";
import { mixture } from "./mixture.ts";

type Kind = HeadConfig["head"]["kind"];

const HEADS: { readonly [K in Kind]: Head<HeadConfig & { readonly head: { readonly kind: K } }> } = {
  categorical,
  mixture,
};

export function headOf({ head: { kind } }: HeadConfig): Head {
  return (
    (HEADS[kind] as Head | undefined) ??
    fail("model", `expected a head of ${Object.keys(HEADS).map(show).join(" or ")} but received ${show(kind)}`)
  );
}
