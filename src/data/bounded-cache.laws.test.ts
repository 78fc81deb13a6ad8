import fc from "fast-check";
import { expect, test } from "vitest";
import { boundedCache } from "./bounded-cache.ts";

test("the cache never holds more than its bound, and answers as a list in order of use does", () => {
  const steps = fc.array(
    fc.record({ key: fc.integer({ min: 0, max: 6 }), bytes: fc.integer({ min: 0, max: 12 }), put: fc.boolean() }),
  );
  fc.assert(
    fc.property(steps, fc.integer({ min: 0, max: 30 }), (list, bound) => {
      const cache = boundedCache<number>(bound);
      let model: { key: number; bytes: number; value: number }[] = [];
      for (const [value, { key, bytes, put }] of list.entries()) {
        const entry = model.find((e) => e.key === key);
        model = model.filter((e) => e.key !== key);
        if (put) {
          cache.set(key, value, bytes);
          if (bytes <= bound) model.push({ key, bytes, value });
          const held = (): number => model.reduce((sum, e) => sum + e.bytes, 0);
          while (held() > bound) model.shift();
          expect(cache.bytes).toBe(held());
        } else {
          expect(cache.get(key)).toBe(entry?.value);
          if (entry) model.push(entry);
        }
        expect(cache.bytes).toBeLessThanOrEqual(bound);
      }
    }),
  );
});
