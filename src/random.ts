/**
 * Seeded randomness: xoroshiro128+ (pure-rand), passed in and saved, never global. A stream is named by integers,
 * `randomFrom(seed, epoch, index)`, so that any draw can be made again alone: image 17 of epoch 3 does not depend on
 * who was drawn before it. Only integer arithmetic: the same bits on every machine.
 */

import { xoroshiro128plusFromState } from "pure-rand/generator/xoroshiro128plus";

export interface Random {
  /** 32 random bits as an unsigned integer, 0 .. 2^32 - 1. */
  bits(): number;
  /** Uniform in [0, 1) with 53 bits. */
  uniform(): number;
  /** Uniform integer in 0 .. n - 1, without bias; n from 1 to 2^32. */
  below(n: number): number;
  /** A uniformly random order of 0 .. n - 1. */
  permutation(n: number): Uint32Array;
  /** Four 32-bit integers from which {@link restoreRandom} goes on exactly here. */
  state(): readonly number[];
}

/** One round of the murmur3 finaliser: each input bit changes half of the output's. */
function mix(h: number): number {
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** The stream named by these integers (each taken modulo 2^32, with its high part mixed in). */
export function randomFrom(...names: readonly number[]): Random {
  const state = [0x9e3779b9, 0x243f6a88, 0xb7e15162, 0x71374491];
  for (const name of names) {
    const low = name >>> 0;
    const high = Math.floor(name / 2 ** 32) >>> 0;
    for (let i = 0; i < 4; i++) state[i] = mix((state[i]! + Math.imul(i + 1, 0x9e3779b1)) ^ mix(low + mix(high + i)));
  }
  return restoreRandom(state);
}

/** A stream that goes on from a saved state. */
export function restoreRandom(state: readonly number[]): Random {
  const generator = xoroshiro128plusFromState(state.map((n) => n | 0));
  const bits = (): number => generator.next() >>> 0;
  const below = (n: number): number => {
    const limit = 2 ** 32 - (2 ** 32 % n);
    for (;;) {
      const x = bits();
      if (x < limit) return x % n;
    }
  };
  return {
    bits,
    below,
    uniform: () => ((bits() >>> 5) * 2 ** 26 + (bits() >>> 6)) / 2 ** 53,
    permutation(n) {
      const order = Uint32Array.from({ length: n }, (_, i) => i);
      for (let i = n - 1; i > 0; i--) {
        const j = below(i + 1);
        const t = order[i]!;
        order[i] = order[j]!;
        order[j] = t;
      }
      return order;
    },
    state: () => generator.getState().map((n) => n >>> 0),
  };
}
