import { expect, test } from "vitest";
import { augment } from "./augment.ts";
import { asSplit, datasetFromArrays } from "./dataset.ts";

const [height, width] = [3, 4];
const pixels = Uint8Array.from({ length: 5 * height * width * 2 }, (_, i) => (i * 37) % 256);
const parts = { name: "numbers", split: "train", height, width, channels: 2, levels: 256, classes: ["a", "b"] };
const plain = datasetFromArrays(parts, pixels, [0, 1, 0, 1, 1]);

/** All images that mirroring and moving by up to `shift` can make of one, as text. */
function allOf(image: Uint8Array, shift: number): Set<string> {
  const at = (y: number, x: number, c: number): number =>
    image[(Math.min(height - 1, Math.max(0, y)) * width + Math.min(width - 1, Math.max(0, x))) * 2 + c]!;
  const made = new Set<string>();
  for (const mirror of [false, true])
    for (let down = -shift; down <= shift; down++)
      for (let across = -shift; across <= shift; across++) {
        const moved: number[] = [];
        for (let y = 0; y < height; y++)
          for (let x = 0; x < width; x++)
            for (const c of [0, 1]) {
              // Moved first, then seen in the mirror: the clamped column counts from the other side.
              const column = Math.min(width - 1, Math.max(0, x - across));
              moved.push(at(y - down, mirror ? width - 1 - column : column, c));
            }
        made.add(moved.join());
      }
  return made;
}

test(
  "each image is a mirrored or moved one of its own, anew each epoch, the same for the same epoch; labels " + "stay",
  async () => {
    const moved = augment(plain, { mirror: true, shift: 1, seed: 1 });
    const size = height * width * 2;
    const seen = new Set<string>();
    for (let epoch = 0; epoch < 40; epoch++) {
      const batch = await moved.batch([0, 1, 2, 3, 4], { epoch });
      expect([...batch.labels]).toEqual([0, 1, 0, 1, 1]);
      expect((await moved.batch([3], { epoch })).pixels).toEqual(batch.pixels.subarray(3 * size, 4 * size));
      for (let i = 0; i < 5; i++)
        expect(allOf(pixels.subarray(i * size, (i + 1) * size), 1)).toContain(
          batch.pixels.subarray(i * size, (i + 1) * size).join(),
        );
      seen.add(batch.pixels.subarray(0, size).join());
    }
    // 18 ways; 40 draws miss few of them.
    expect(seen.size).toBeGreaterThan(12);
  },
);

test("only the train split changes", async () => {
  const tested = asSplit(plain, "test");
  expect(augment(tested, { mirror: true, shift: 2, seed: 1 })).toBe(tested);
  expect(augment(plain, { mirror: false, shift: 0, seed: 1 })).toBe(plain);
});

test("a shift of the whole image is refused", () => {
  expect(() => augment(plain, { mirror: false, shift: 3, seed: 1 })).toThrow(/shift/);
});
