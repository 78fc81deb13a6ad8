import fc from "fast-check";
import { expect, test } from "vitest";
import { PixelcnnError } from "../errors.ts";
import { type Npy, readNpy, writeNpy } from "./npy.ts";

const shapes = fc.array(fc.nat(4), { maxLength: 4 });
const kinds = [
  Float32Array,
  Float64Array,
  Int8Array,
  Int16Array,
  Int32Array,
  BigInt64Array,
  Uint8Array,
  Uint16Array,
  Uint32Array,
  BigUint64Array,
] as const;
const arrays = fc
  .tuple(shapes, fc.constantFrom(...kinds), fc.uint8Array({ minLength: 8 * 4 ** 4, maxLength: 8 * 4 ** 4 }))
  .map(
    ([shape, Kind, bytes]): Npy => ({
      shape,
      data: new Kind(
        bytes.buffer,
        0,
        shape.reduce((a, b) => a * b, 1),
      ),
    }),
  );
const bytesOf = ({ data }: Npy): Uint8Array => new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

test("what is written is read back, shape, type and every bit", () => {
  fc.assert(
    fc.property(arrays, fc.nat(7), ({ shape, data }, offset) => {
      const file = writeNpy(shape, data);
      // At any place in memory, aligned or not.
      const inside = new Uint8Array(file.length + offset);
      inside.set(file, offset);
      // A Buffer, as files are read; its slice does not copy.
      const back = readNpy(Buffer.from(inside.buffer, offset), "any.npy");
      expect(back.shape).toEqual(shape);
      expect(back.data.constructor).toBe(data.constructor);
      expect(bytesOf(back)).toEqual(bytesOf({ shape, data }));
    }),
  );
});

test("a file cut anywhere, or with a changed header, is read or refused by name, never anything else", () => {
  fc.assert(
    fc.property(arrays, fc.nat(), fc.nat(127), fc.nat(255), ({ shape, data }, cut, place, value) => {
      const file = writeNpy(shape, data);
      const cutFile = file.subarray(0, cut % file.length);
      expect(() => readNpy(cutFile, "any.npy")).toThrow(PixelcnnError);
      const changed = file.slice();
      changed[place % changed.length] = value;
      try {
        readNpy(changed, "any.npy");
      } catch (error) {
        expect(error).toBeInstanceOf(PixelcnnError);
        expect((error as Error).message).toContain("any.npy");
      }
    }),
  );
});
