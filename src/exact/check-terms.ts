/** Which sums the exact engine can compute. */

import { fail } from "../errors.ts";
import type { Term } from "../network/steps.ts";
import type { Sum } from "./homes.ts";

/**
 * Terms that the engine has, in an order that it keeps: what begins the sum, what its row begins with, what comes pixel
 * by pixel.
 */
export function checkTerms({ out, terms }: Sum): void {
  if (terms.some((t: Term) => t.term === "embed"))
    fail("internal", `expected no embed term in ${out.name}: the exact engine does not have it yet`);
  if (terms.filter((t) => t.term === "plus").length > 1)
    fail("internal", `expected at most one map to begin the sum ${out.name}`);
  // A condition's row, or a position's, and another map's pixel would both have to be where the product starts.
  const kinds = terms.map(({ term }) => term);
  if (kinds.includes("plus") && (kinds.includes("condition") || kinds.includes("position")))
    fail("internal", `expected a condition or a map to begin the sum ${out.name}, received both`);
  const begin = terms.findIndex((t) => t.term === "read");
  if (begin >= 0 && terms.slice(begin).some((t) => t.term !== "read"))
    fail("internal", `expected bias, condition and map to begin the sum ${out.name}`);
  if (begin < 0) fail("internal", `expected a product in the sum ${out.name}`);
}
