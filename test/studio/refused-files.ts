/** Files that the studio does not compress, each with what it says. */

import sharp from "sharp";
import { encodePng } from "../../src/pictures/png.ts";

const twoFrames = Buffer.concat([Buffer.alloc(48, 7), Buffer.alloc(48, 200)]);
const moving = await sharp(twoFrames, { raw: { width: 4, height: 8, channels: 3, pageHeight: 4 } })
  .gif({ loop: 0 })
  .toBuffer();
const colours = encodePng({ height: 1, width: 1, channels: 3, pixels: Uint8Array.of(1, 2, 3) });

export const REFUSED: readonly (readonly [name: string, bytes: Buffer, reason: string])[] = [
  ["red.png", Buffer.from(colours), "it has colours, and this model codes grey"],
  ["broken.png", Buffer.from("no picture"), "it is no image that this browser can read"],
  ["empty.png", Buffer.alloc(0), "it is empty"],
  ["moving.gif", moving, "it has several frames, which an archive of images does not keep"],
  [
    "scan.heic",
    Buffer.from("\0\0\0\x18ftypheic", "latin1"),
    "it is a HEIC image, which is not read: convert it to PNG or JPEG",
  ],
  ["page.pdf", Buffer.from("%PDF-1.7"), "it is a PDF document, which this browser cannot read"],
];
