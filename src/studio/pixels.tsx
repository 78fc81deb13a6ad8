/** Canvases of levels. */

import { useEffect, useRef } from "preact/hooks";
import { toImageData } from "../pictures/image-data.ts";

export interface Shape {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly levels: number;
}

/** Levels as the page's ImageData; `mask` [H, W] is 0 where a pixel is unknown, which is left transparent. */
export function imageDataOf(pixels: Uint8Array, shape: Shape, mask?: Uint8Array): ImageData {
  const { data, width, height } = toImageData({ ...shape, pixels });
  if (mask) for (let p = 0; p < mask.length; p++) if (!mask[p]) data[4 * p + 3] = 0;
  return new ImageData(data, width, height);
}

export function paint(canvas: HTMLCanvasElement, pixels: Uint8Array, shape: Shape, mask?: Uint8Array): void {
  canvas.width = shape.width;
  canvas.height = shape.height;
  canvas.getContext("2d")!.putImageData(imageDataOf(pixels, shape, mask), 0, 0);
}

interface PixelsProps {
  readonly pixels: Uint8Array;
  readonly shape: Shape;
  readonly mask?: Uint8Array | undefined;
  /** What a screen reader says. */
  readonly label: string;
  readonly class?: string;
}

export function Pixels({ pixels, shape, mask, label, class: name = "" }: PixelsProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => paint(canvas.current!, pixels, shape, mask), [pixels, shape, mask]);
  return <canvas ref={canvas} class={`pixels ${name}`} role="img" aria-label={label} />;
}

/** Saves bytes as a file. */
export function download(name: string, bytes: Uint8Array | string, type: string): void {
  const part = typeof bytes === "string" ? bytes : new Uint8Array(bytes);
  const url = URL.createObjectURL(new Blob([part], { type }));
  Object.assign(document.createElement("a"), { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** An image as a PNG of the given enlargement. */
export async function pngOf(pixels: Uint8Array, shape: Shape, scale: number): Promise<Uint8Array> {
  const small = new OffscreenCanvas(shape.width, shape.height);
  small.getContext("2d")!.putImageData(imageDataOf(pixels, shape), 0, 0);
  const large = new OffscreenCanvas(shape.width * scale, shape.height * scale);
  const context = large.getContext("2d")!;
  context.imageSmoothingEnabled = false;
  context.drawImage(small, 0, 0, large.width, large.height);
  return new Uint8Array(await (await large.convertToBlob({ type: "image/png" })).arrayBuffer());
}
