/** Whether an archive keeps its model, and how that is rounded. */

import { WEIGHT_PRECISIONS, type WeightPrecision } from "../../codec/rounded-weights.ts";
import { fail } from "../../errors.ts";

export function innerWeights(args: {
  readonly "with-model"?: boolean | undefined;
  readonly weights?: string | undefined;
  readonly single?: boolean | undefined;
}): boolean | WeightPrecision {
  const { "with-model": withModel, weights, single } = args;
  if (withModel && single)
    fail("usage", "expected no --single with --with-model: each file of one image would hold the whole model");
  if (weights === undefined) return withModel === true;
  if (!withModel) fail("usage", "expected --weights with --with-model alone: other archives hold no weights");
  const found = WEIGHT_PRECISIONS.find((precision) => precision === weights);
  return found ?? fail("usage", `expected ${WEIGHT_PRECISIONS.join(", ")} for --weights but received "${weights}"`);
}
