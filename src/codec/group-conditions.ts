/**
 * The conditions of a group's images as bytes, and whether a model takes them. The conditions of one group are all of one kind, classes or
 * numbers; images without a condition have groups of their own. Byte by byte in docs/file-format.md.
 */

import { fail } from "../errors.ts";
import { type ByteReader, ByteWriter } from "./bytes.ts";
import type { Condition, PixelSize, Predictor } from "./predictor.ts";

/** One an image; undefined where the group's images have none. */
export type GroupConditions = readonly Condition[] | undefined;

/** Two bits of a group's mode: none; a class an image; as many numbers an image; one class, or its numbers, for all images. */
export const [NONE, CLASSES, NUMBERS, SHARED] = [0, 1, 2, 3] as const;
export type ConditionsMode = 0 | 1 | 2 | 3;

/** Numbers of all images together that a few bytes may stand for, where one condition is that of all. */
const MOST_SHARED = 2 ** 24;
const MOST_NUMBERS = 2 ** 24;
const MOST_CLASSES = 2 ** 32;

/** What the conditions of one group have in common. */
export function conditionKind(condition: Condition | undefined): "none" | "class" | "numbers" {
  return condition === undefined ? "none" : typeof condition === "number" ? "class" : "numbers";
}

export function conditionsMode(conditions: GroupConditions): ConditionsMode {
  if (conditions === undefined) return NONE;
  if (isShared(conditions)) return SHARED;
  return typeof conditions[0] === "number" ? CLASSES : NUMBERS;
}

function isShared(conditions: readonly Condition[]): boolean {
  const [first] = conditions as [Condition];
  const size = typeof first === "number" ? 1 : first.length;
  return conditions.length > 1 && conditions.length * size <= MOST_SHARED && conditions.every((other) => same(first, other));
}

function same(a: Condition, b: Condition): boolean {
  if (typeof a === "number" || typeof b === "number") return a === b;
  return a === b || (a.length === b.length && a.every((value, i) => Object.is(value, b[i])));
}

export function writeConditions(writer: ByteWriter, conditions: GroupConditions): void {
  if (conditions === undefined) return;
  const [first] = conditions as [Condition];
  const shared = conditionsMode(conditions) === SHARED;
  if (typeof first !== "number") writer.varint(first.length);
  else if (shared) writer.varint(0);
  for (const condition of shared ? [first] : conditions) {
    if (typeof condition === "number") writer.varint(condition);
    else for (const value of condition) writer.float32(value);
  }
}

/** Bytes of a group that are its conditions. */
export function conditionsLength(conditions: GroupConditions): number {
  const writer = new ByteWriter();
  writeConditions(writer, conditions);
  return writer.length;
}

export function readConditions(reader: ByteReader, mode: ConditionsMode, count: number): GroupConditions {
  const readClass = (): number => reader.varint("a class", 0, MOST_CLASSES - 1);
  const readNumbers = (size: number): Float32Array =>
    Float32Array.from({ length: size }, () => reader.float32("a number of a condition"));
  if (mode === NONE) return undefined;
  if (mode === CLASSES) {
    reader.need(count, "the conditions");
    return Array.from({ length: count }, readClass);
  }
  const at = reader.offset;
  const size = reader.varint("the size of a condition", mode === SHARED ? 0 : 1, MOST_NUMBERS);
  if (mode === NUMBERS) {
    reader.need(4 * size * count, "the conditions");
    return Array.from({ length: count }, () => readNumbers(size));
  }
  if (count * size > MOST_SHARED)
    reader.fail(at, "the condition of all images", `at most ${MOST_SHARED} numbers in all`, `${count} x ${size}`);
  reader.need(4 * size, "the condition of all images");
  return new Array<Condition>(count).fill(size === 0 ? readClass() : readNumbers(size));
}

/** Throws unless the model takes this condition with an image of this size; `what` is the image. */
export function checkCondition(
  kind: "usage" | "corrupt",
  { conditionSize, mapSize }: Pick<Predictor, "conditionSize" | "mapSize">,
  condition: Condition,
  { height, width }: PixelSize,
  what: string,
): void {
  const found = kind === "usage" ? "received" : "found";
  if (conditionSize === 0) fail(kind, `expected no condition, for a model without one, but ${found} one for ${what}`);
  if (typeof condition === "number") {
    if (mapSize) fail(kind, `expected a map of ${conditionSize} numbers for ${what} but ${found} the class ${condition}`);
    if (!Number.isInteger(condition) || condition < 0 || condition >= conditionSize)
      fail(kind, `expected a class from 0 to ${conditionSize - 1} for ${what} but ${found} ${condition}`);
  } else if (condition.length !== conditionSize) {
    fail(kind, `expected ${conditionSize} numbers for the condition of ${what} but ${found} ${condition.length}`);
  } else {
    const wrong = condition.findIndex((value) => !Number.isFinite(value));
    if (wrong >= 0)
      fail(kind, `expected finite numbers for the condition of ${what} but ${found} ${condition[wrong]} at ${wrong}`);
  }
  if (mapSize && (mapSize.height !== height || mapSize.width !== width))
    fail(
      kind,
      `expected ${mapSize.height} x ${mapSize.width} pixels, which the model's map fixes, for ${what} but ${found} ${height} x ${width}`,
    );
}

/** Throws unless the model takes a group's conditions, which were read from a file. */
export function checkConditions(
  predictor: Predictor,
  { conditions, ...group }: PixelSize & { readonly first: number; readonly conditions: GroupConditions },
): void {
  let before: Condition | undefined;
  for (const [i, condition] of (conditions ?? []).entries()) {
    // One for all images is checked once.
    if (condition !== before) checkCondition("corrupt", predictor, condition, group, `image ${group.first + i}`);
    before = condition;
  }
}
