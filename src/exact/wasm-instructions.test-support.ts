/**
 * Walks the code section of a WebAssembly module, instruction by instruction, to show what it can and cannot execute.
 * For tests: knows the immediates of the instructions that the AssemblyScript compiler emits and refuses any other.
 */

import { fail } from "../errors.ts";

export interface Instruction {
  /** 0xfc or 0xfd; 0 for a plain one-byte instruction. */
  readonly prefix: number;
  readonly opcode: number;
}

const CODE_SECTION = 10;

/** All instructions of all functions, in order. */
export function listInstructions(bytes: Uint8Array): Instruction[] {
  let at = 8; // behind the magic number and the version
  /** LEB128; signed numbers have the same length, and only the length matters for them. */
  const number = (): number => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++] ?? fail("internal", "expected a number but the module ended");
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
  };
  const numbers = (count: number): void => {
    for (let i = 0; i < count; i++) number();
  };

  /** Steps over the immediates of a one-byte instruction. */
  const plain = (opcode: number): void => {
    if (opcode >= 0x02 && opcode <= 0x04) {
      number(); // block, loop, if: a block type
    } else if (opcode === 0x0c || opcode === 0x0d || opcode === 0x10 || (opcode >= 0x20 && opcode <= 0x24)) {
      number(); // br, br_if, call, variables: an index
    } else if (opcode === 0x0e) {
      numbers(number() + 1); // br_table
    } else if (opcode >= 0x28 && opcode <= 0x3e) {
      numbers(2); // loads and stores: alignment, offset
    } else if (opcode === 0x41 || opcode === 0x42) {
      number(); // integer constants
    } else if (opcode === 0x43 || opcode === 0x44) {
      at += opcode === 0x43 ? 4 : 8;
    } else if (
      !(
        opcode <= 0x01 ||
        opcode === 0x05 ||
        opcode === 0x0b ||
        opcode === 0x0f ||
        opcode === 0x1a ||
        opcode === 0x1b ||
        (opcode >= 0x45 && opcode <= 0xc4)
      )
    ) {
      fail(
        "internal",
        `expected an instruction that the walk knows but received 0x${opcode.toString(16)} at byte ${at}`,
      );
    }
  };
  /** Steps over the immediates of an instruction with the prefix 0xfd. */
  const simd = (opcode: number): void => {
    if (opcode <= 11 || opcode === 92 || opcode === 93) numbers(2);
    else if (opcode === 12 || opcode === 13)
      at += 16; // v128.const, i8x16.shuffle
    else if (opcode >= 21 && opcode <= 34)
      at += 1; // a lane
    else if (opcode >= 84 && opcode <= 91) {
      numbers(2); // lane loads and stores
      at += 1;
    }
  };

  const found: Instruction[] = [];
  while (at < bytes.length) {
    const id = number();
    const end = number() + at;
    if (id !== CODE_SECTION) {
      at = end;
      continue;
    }
    for (let functions = number(); functions > 0; functions--) {
      const bodyEnd = number() + at;
      for (let locals = number(); locals > 0; locals--) numbers(2);
      while (at < bodyEnd) {
        const first = bytes[at++]!;
        const prefixed = first === 0xfd || first === 0xfc;
        const opcode = prefixed ? number() : first;
        found.push({ prefix: prefixed ? first : 0, opcode });
        if (first === 0xfd) simd(opcode);
        else if (!prefixed) plain(opcode);
        else if (opcode > 7)
          fail("internal", `expected no bulk-memory instruction but received 0xfc ${opcode} at byte ${at}`);
      }
      if (at !== bodyEnd) fail("internal", `expected a function to end at byte ${bodyEnd} but the walk is at ${at}`);
    }
  }
  return found;
}
