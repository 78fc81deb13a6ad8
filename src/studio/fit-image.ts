/** An image file as one image of the model's size and levels: fitted inside, in the middle; what changed is said. */

import { evenTable } from "../codec/level-table.ts";
import { lostWith } from "../data/picture.ts";
import { fromImageData } from "../pictures/image-data.ts";
import type { ModelInfo } from "./client.ts";

export interface FittedImage {
  /** Levels of the model, [H, W, C]. */
  readonly pixels: Uint8Array;
  /** What is not as it was in the file; null where all of it is. */
  readonly note: string | null;
}

export async function fitImage(file: Blob, { height, width, channels, levels }: ModelInfo): Promise<FittedImage> {
  const bitmap = await createImageBitmap(file).catch(() => {
    throw new Error("this file is no image that the browser can read");
  });
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true })!;
  const scale = Math.min(width / bitmap.width, height / bitmap.height);
  const [w, h] = [Math.max(1, Math.round(bitmap.width * scale)), Math.max(1, Math.round(bitmap.height * scale))];
  const [left, top] = [Math.floor((width - w) / 2), Math.floor((height - h) / 2)];
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, left, top, w, h);
  const inside = context.getImageData(left, top, w, h);
  const lost = lostWith({ height: h, width: w, channels: 4, pixels: Uint8Array.from(inside.data) }, channels);
  if (channels < 4) {
    context.clearRect(0, 0, width, height);
    context.fillStyle = "black";
    context.fillRect(0, 0, width, height);
    context.drawImage(bitmap, left, top, w, h);
  }
  const even = new Set(evenTable(levels));
  const changes = [
    ...(w === bitmap.width && h === bitmap.height ? [] : [`scaled from ${bitmap.width}x${bitmap.height} to ${w}x${h}`]),
    ...(w === width && h === height ? [] : ["a margin was added"]),
    ...(lost === "colour" ? ["colour became grey"] : lost === "transparency" ? ["transparency became black"] : []),
    ...(lost === null && !inside.data.every((v) => even.has(v)) ? [`values were taken to ${levels} levels`] : []),
  ];
  return {
    pixels: fromImageData(context.getImageData(0, 0, width, height), { channels, levels }).pixels,
    note: changes.length === 0 ? null : `${changes.join(", ")}.`.replace(/^./, (letter) => letter.toUpperCase()),
  };
}
