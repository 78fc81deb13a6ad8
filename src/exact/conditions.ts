/**
 * What a caller gives as conditions, checked and turned into the numbers of docs/conditioning.md: one block of D for
 * each image.
 */

import { checkInteger, fail, PixelcnnError, show } from "../errors.ts";
import { conditionNumbers, conditionNumbersOf } from "../models/condition.ts";
import type { ConditionConfig } from "../models/config.ts";
import type { Plan } from "./plan.ts";

/**
 * Of a class condition: an index, or a weight for each class (a mixture). Of a vector: its numbers (an index stands for
 * the one-hot vector). Of a map: its numbers, [h0, w0, channels].
 */
export type Condition = number | Float32Array;

/** One for all images, or one per image; null, absent, or null in the list: without. */
export type Conditions = Condition | readonly (Condition | null)[] | null | undefined;

/** [count, D]; undefined where no image has a condition. */
export function numbersOfConditions(
  { condition, map }: Plan,
  conditions: Conditions,
  { count, height, width }: { readonly count: number; readonly height: number; readonly width: number },
): Float32Array | undefined {
  if (conditions === undefined || conditions === null) return undefined;
  if (condition === null) return fail("usage", "expected no conditions: the model has none");
  const each: readonly (Condition | null)[] = Array.isArray(conditions)
    ? conditions
    : new Array(count).fill(conditions);
  if (each.length !== count) fail("usage", `expected ${count} conditions, one an image, but received ${each.length}`);
  if (each.every((value) => value === null)) return undefined;
  if (map !== null && (height !== map.height || width !== map.width)) {
    fail(
      "usage",
      `expected images of ${map.height}x${map.width} pixels, since its condition goes through m(h), which fixes the ` +
        `size, but received ${height}x${width}`,
    );
  }
  const D = conditionNumbersOf(condition);
  const numbers = new Float32Array(count * D);
  for (const [image, value] of each.entries()) numbers.set(numbersOf(condition, value, image), image * D);
  return numbers;
}

function numbersOf(condition: ConditionConfig, value: Condition | null, image: number): Float32Array {
  if (value !== null && typeof value !== "number" && !(value instanceof Float32Array))
    fail(
      "usage",
      `expected a number, a Float32Array or null for the condition of image ${image} but received ${show(value)}`,
    );
  if (condition.kind === "vector" && typeof value === "number") {
    const numbers = new Float32Array(condition.size);
    numbers[checkInteger(`the class of image ${image}`, value, 0, condition.size - 1)] = condition.scale ?? 1;
    return numbers;
  }
  try {
    return conditionNumbers(condition, value);
  } catch (error) {
    if (!(error instanceof PixelcnnError)) throw error;
    throw new PixelcnnError(error.kind, `image ${image}: ${error.message}`);
  }
}

/** Numbers in a condition given as numbers: weights of classes, a vector, a map; 0 where there is none. */
export function conditionSizeOf(condition: ConditionConfig | null): number {
  if (condition === null) return 0;
  return condition.kind === "map"
    ? condition.height * condition.width * condition.channels
    : conditionNumbersOf(condition);
}
