/**
 * Weights and biases packed for the kernel, in panels of eight outputs: [panel][input][PANEL]. docs/determinism.md
 * fixes the order of each sum.
 */

import { PANEL } from "./descriptions.ts";

/** One product's packed numbers: offsets count float32 numbers of {@link Packer.data}. */
export interface PackedProduct {
  readonly weights: number;
  /** -1 for none. */
  readonly bias: number;
  readonly inputs: number;
  /** Padded with zeros to a multiple of PANEL. */
  readonly outputs: number;
}

/** A rectangle of a parameter and where it goes in a product; a bias is one row. */
export interface Block {
  readonly from: Float32Array;
  /** Row length of `from`; all its rows are taken. */
  readonly columns: number;
  /** Columns `first .. first + count - 1` are taken. */
  readonly first: number;
  readonly count: number;
  /** Place of its corner. */
  readonly input: number;
  readonly output: number;
}

export const padded = (size: number): number => Math.ceil(size / PANEL) * PANEL;

/** Collects packed numbers. */
export function createPacker() {
  const chunks: Float32Array[] = [];
  let length = 0;
  const append = (chunk: Float32Array): number => {
    chunks.push(chunk);
    length += chunk.length; // always a multiple of PANEL, so every chunk is aligned
    return length - chunk.length;
  };
  return {
    /**
     * A product whose sum begins here has `biases`, zeros where none is given; one that goes on from another has null.
     */
    pack(inputs: number, outputs: number, weights: readonly Block[], biases: readonly Block[] | null): PackedProduct {
      const panels = new Float32Array(inputs * outputs);
      for (const block of weights) place(panels, inputs, block);
      const bias = new Float32Array(outputs);
      for (const block of biases ?? []) place(bias, 1, block);
      return { weights: append(panels), bias: biases === null ? -1 : append(bias), inputs, outputs };
    },
    /** Numbers as they are, a multiple of PANEL of them: where they begin. */
    append,
    /** All that was packed, one behind another. */
    data(): Float32Array {
      const data = new Float32Array(length);
      let at = 0;
      for (const chunk of chunks) {
        data.set(chunk, at);
        at += chunk.length;
      }
      return data;
    },
  };
}
export type Packer = ReturnType<typeof createPacker>;

/** Copies a block into panels of `inputs` inputs. */
function place(panels: Float32Array, inputs: number, { from, columns, first, count, input, output }: Block): void {
  for (let row = 0; row < from.length / columns; row++) {
    for (let i = 0; i < count; i++) {
      const o = output + i;
      panels[(Math.floor(o / PANEL) * inputs + input + row) * PANEL + (o % PANEL)] = from[row * columns + first + i]!;
    }
  }
}
