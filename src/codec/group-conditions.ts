/**
 * The conditions of a group's images as bytes, and whether a model takes them. The conditions of one group are all of
 * one kind, classes or numbers; images without a condition have groups of their own. Byte by byte in
 * docs/file-format.md.
 */

import { fail } from "../errors.ts";
import { type ByteReader, ByteWriter } from "./bytes.ts";
import type { Condition, PixelSize, Predictor } from "./predictor.ts";

/** One per image; undefined where the group's images have none. */
export type GroupConditions = readonly Condition[] | undefined;

/**
 * Two bits of a group's mode: none; a varint per image, its class; as many numbers per image; classes of few bits, or
 * one condition's numbers for all.
 */
export const [NONE, CLASSES, NUMBERS, PACKED] = [0, 1, 2, 3] as const;
export type ConditionsMode = 0 | 1 | 2 | 3;

/** Numbers of all images together that a few bytes may stand for, where one condition is that of all. */
const MOST_SHARED = 2 ** 24;
const MOST_NUMBERS = 2 ** 24;
const MOST_CLASSES = 2 ** 32;
const MOST_BITS = 32;

/** What the conditions of one group have in common. */
export function conditionKind(condition: Condition | undefined): "none" | "class" | "numbers" {
  return condition === undefined ? "none" : typeof condition === "number" ? "class" : "numbers";
}

/** The one of two that takes fewer bytes, in doubt the plain one. */
export function conditionsMode(conditions: GroupConditions): ConditionsMode {
  if (conditions === undefined) return NONE;
  if (areNumbers(conditions)) return isShared(conditions) ? PACKED : NUMBERS;
  const classes = conditions as readonly number[];
  const plain = lengthOf((writer) => classes.forEach((index) => void writer.varint(index)));
  return lengthOf((writer) => writePacked(writer, classes)) < plain ? PACKED : CLASSES;
}

const areNumbers = (conditions: readonly Condition[]): conditions is readonly Float32Array[] =>
  typeof conditions[0] !== "number";

function isShared(conditions: readonly Float32Array[]): boolean {
  const [first] = conditions as [Float32Array];
  if (conditions.length === 1 || conditions.length * first.length > MOST_SHARED) return false;
  return conditions.every((other) => other === first || first.every((value, i) => Object.is(value, other[i])));
}

export function writeConditions(writer: ByteWriter, conditions: GroupConditions): void {
  if (conditions === undefined) return;
  const mode = conditionsMode(conditions);
  if (areNumbers(conditions)) {
    writer.varint(conditions[0]!.length);
    for (const numbers of mode === PACKED ? conditions.slice(0, 1) : conditions)
      for (const value of numbers) writer.float32(value);
  } else if (mode === PACKED) writePacked(writer, conditions as readonly number[]);
  else for (const index of conditions as readonly number[]) writer.varint(index);
}

/** Bytes of a group that are its conditions. */
export function conditionsLength(conditions: GroupConditions): number {
  return lengthOf((writer) => writeConditions(writer, conditions));
}

function lengthOf(write: (writer: ByteWriter) => void): number {
  const writer = new ByteWriter();
  write(writer);
  return writer.length;
}

/**
 * No numbers; the least class; how many bits; what each class is more than the least, in so many bits, lowest bit
 * first.
 */
function writePacked(writer: ByteWriter, classes: readonly number[]): void {
  const [least, most] = rangeOf(classes);
  const bits = bitsOf(most - least);
  const packed = new Uint8Array(Math.ceil((classes.length * bits) / 8));
  for (const [i, index] of classes.entries()) {
    for (let bit = 0; bit < bits; bit++) {
      const at = i * bits + bit;
      packed[at >>> 3]! |= (Math.floor((index - least) / 2 ** bit) & 1) << (at & 7);
    }
  }
  writer.varint(0).varint(least).byte(bits).raw(packed);
}

function readPacked(reader: ByteReader, count: number): number[] {
  const least = readClass(reader);
  const at = reader.offset;
  const bits = reader.byte("the bits of a class");
  if (bits > MOST_BITS) reader.fail(at, "the bits of a class", `at most ${MOST_BITS}`, String(bits));
  const packed = reader.raw(Math.ceil((count * bits) / 8), "the classes");
  const bitAt = (place: number): number => (packed[place >>> 3]! >>> (place & 7)) & 1;
  const classes = Array.from({ length: count }, (_, i) => {
    let more = 0;
    for (let bit = 0; bit < bits; bit++) more += bitAt(i * bits + bit) * 2 ** bit;
    return least + more;
  });
  for (let place = count * bits; place < 8 * packed.length; place++)
    if (bitAt(place) !== 0) reader.fail(at, "the classes", "zeros in the bits left over at the end", "others");
  // One string for the same classes.
  const [lowest, most] = rangeOf(classes);
  if (lowest !== least || bitsOf(most - least) !== bits || most >= MOST_CLASSES)
    reader.fail(at, "the classes", `some from ${least} on that need ${bits} bits`, `${lowest} to ${most}`);
  return classes;
}

function rangeOf(classes: readonly number[]): [least: number, most: number] {
  return [classes.reduce((a, b) => Math.min(a, b)), classes.reduce((a, b) => Math.max(a, b))];
}

function bitsOf(value: number): number {
  return 32 - Math.clz32(value);
}

function readClass(reader: ByteReader): number {
  return reader.varint("a class", 0, MOST_CLASSES - 1);
}

function readNumbers(reader: ByteReader, size: number): Float32Array {
  return Float32Array.from({ length: size }, () => reader.float32("a number of a condition"));
}

export function readConditions(reader: ByteReader, mode: ConditionsMode, count: number): GroupConditions {
  if (mode === NONE) return undefined;
  if (mode === CLASSES) {
    reader.need(count, "the conditions");
    return Array.from({ length: count }, () => readClass(reader));
  }
  const at = reader.offset;
  const size = reader.varint("the size of a condition", mode === PACKED ? 0 : 1, MOST_NUMBERS);
  if (mode === NUMBERS) {
    reader.need(4 * size * count, "the conditions");
    return Array.from({ length: count }, () => readNumbers(reader, size));
  }
  if (size === 0) return readPacked(reader, count);
  if (count * size > MOST_SHARED)
    reader.fail(at, "the condition of all images", `at most ${MOST_SHARED} numbers in all`, `${count} x ${size}`);
  reader.need(4 * size, "the condition of all images");
  return new Array<Condition>(count).fill(readNumbers(reader, size));
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
    if (mapSize)
      fail(kind, `expected a map of ${conditionSize} numbers for ${what} but ${found} the class ${condition}`);
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
      `expected ${mapSize.height} x ${mapSize.width} pixels, which the model's map fixes, for ${what} but ${found} ` +
        `${height} x ${width}`,
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
