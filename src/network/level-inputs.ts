/** What a network reads of a level, as a table: docs/model.md, Input. Free of graphs: the exact engine reads it too. */

/**
 * The highest `bits` bits of each level in Gray code, of which neighbours differ in one: [levels, bits], -1 for 0 and 1
 * for 1.
 */
export function grayBits(levels: number, bits: number): Float32Array {
  const highest = Math.ceil(Math.log2(levels)) - 1;
  return Float32Array.from({ length: levels * bits }, (_, i) => {
    const level = Math.floor(i / bits);
    return ((level ^ (level >> 1)) >> (highest - (i % bits))) & 1 ? 1 : -1;
  });
}

/** What a network reads of each level: it scaled, and its bits behind it, [levels, 1 + bits]. */
export function levelInputs(levels: number, bits: number): Float32Array {
  const scale = Math.fround(2 / (levels - 1));
  const gray = grayBits(levels, bits);
  return Float32Array.from({ length: levels * (1 + bits) }, (_, i) => {
    const [level, e] = [Math.floor(i / (1 + bits)), i % (1 + bits)];
    return e === 0 ? Math.fround(level * scale) - 1 : gray[level * bits + e - 1]!;
  });
}
