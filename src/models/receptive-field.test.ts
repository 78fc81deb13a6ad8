import { expect, test } from "vitest";
import { blindSpotOf, reachOf } from "./receptive-field.ts";
import { resolvePixelcnn } from "./schema.ts";

const image = { height: 28, width: 28, channels: 1, levels: 2 };

test("a first kernel of 7 and dilations 1, 2, 4 leave no hole", () => {
  const config = resolvePixelcnn({ ...image, dilations: [1, 2, 4] });
  expect(blindSpotOf(config)).toBeNull();
  // 4 rows, then 1 + 2 + 4 + 1 + 2 + 4 + 1; 3 columns to a side, then the same.
  expect(reachOf(config).up).toEqual(Array.from({ length: 19 }, (_, i) => i + 1));
  expect(reachOf(config).left.at(-1)).toBe(18);
});

test(
  "a first kernel of 3 and only even dilations never see every other pixel of the row, and are told apart in " +
    "words",
  () => {
    const config = resolvePixelcnn({ ...image, firstKernel: 3, dilations: [2] });
    expect(blindSpotOf(config)).toBe(
      "no output ever sees the pixel 2 to the left in the same row: a dilation leaps over what the layers before it " +
        "reach",
    );
  },
);

test("a hole beyond the image is none", () => {
  expect(blindSpotOf(resolvePixelcnn({ ...image, width: 2, height: 2, firstKernel: 3, dilations: [2] }))).toBeNull();
});
