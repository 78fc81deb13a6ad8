/** An image file as one image of the model's size and levels: fitted inside, in the middle. */

import { fromImageData } from "../pictures/image-data.ts";
import type { ModelInfo } from "./client.ts";

export async function fitImage(file: Blob, { height, width, channels, levels }: ModelInfo): Promise<Uint8Array> {
  const bitmap = await createImageBitmap(file).catch(() => {
    throw new Error("this file is no image that the browser can read");
  });
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true })!;
  const scale = Math.min(width / bitmap.width, height / bitmap.height);
  const [w, h] = [Math.max(1, Math.round(bitmap.width * scale)), Math.max(1, Math.round(bitmap.height * scale))];
  context.imageSmoothingQuality = "high";
  if (channels < 4) {
    context.fillStyle = "black";
    context.fillRect(0, 0, width, height);
  }
  context.drawImage(bitmap, Math.floor((width - w) / 2), Math.floor((height - h) / 2), w, h);
  return fromImageData(context.getImageData(0, 0, width, height), { channels, levels }).pixels;
}
