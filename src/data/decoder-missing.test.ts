/** A system for which the decoder's package brings no binary: said with what to do, not as its own stack. */

import { expect, test, vi } from "vitest";
import { imageCodec } from "./decode.ts";
import { pngFile } from "./image-files.test-support.ts";

vi.mock("sharp", () => {
  throw new Error("Cannot find module '../build/Release/sharp-linux-x64.node'");
});

test("an image needs sharp, a PGM does not", async () => {
  const png = pngFile({ type: "grey", depth: 8, width: 1, height: 1, value: () => 9 });
  await expect(imageCodec.decode(png, "a.png")).rejects.toMatchObject({
    kind: "io",
    message:
      "expected the package sharp, which decodes images, but it cannot be loaded on this system " +
      `(${process.platform}-${process.arch}): npm install --include=optional sharp`,
  });
  const pgm = Buffer.from("P5 1 1 255 \x07", "latin1");
  expect([...(await imageCodec.decode(pgm, "a.pgm")).pixels]).toEqual([7]);
});
