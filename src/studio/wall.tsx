/** A wall of images that grow pixel by pixel as the engine draws them. */

import { useEffect, useRef } from "preact/hooks";
import { paint, type Shape } from "./pixels.tsx";

/** Images that are being drawn: `mask` [count, H, W] is 1 where a pixel is there. */
export class Growing {
  readonly pixels: Uint8Array;
  readonly mask: Uint8Array;
  readonly #rows: Uint16Array;
  readonly shape: Shape;
  readonly count: number;
  #shown = 0;
  #rate = 0;

  constructor(shape: Shape, count: number, given?: { readonly pixels: Uint8Array; readonly mask: Uint8Array }) {
    const { height, width, channels } = shape;
    this.shape = shape;
    this.count = count;
    this.pixels = new Uint8Array(count * height * width * channels);
    this.mask = new Uint8Array(count * height * width);
    this.#rows = new Uint16Array(count);
    if (given)
      for (let i = 0; i < count; i++) {
        this.pixels.set(given.pixels, i * given.pixels.length);
        this.mask.set(given.mask, i * given.mask.length);
      }
  }

  /** Takes one row of `count` images from `first` on. */
  add(first: number, count: number, row: number, levels: Uint8Array): void {
    const { height, width, channels } = this.shape;
    const each = width * channels;
    for (let i = 0; i < count; i++) {
      const at = ((first + i) * height + row) * each;
      this.pixels.set(levels.subarray(i * each, (i + 1) * each), at);
      this.#rows[first + i] = row + 1;
    }
  }

  image(index: number): Uint8Array {
    const each = this.pixels.length / this.count;
    return this.pixels.subarray(index * each, (index + 1) * each);
  }

  maskOf(index: number): Uint8Array {
    const each = this.mask.length / this.count;
    return this.mask.subarray(index * each, (index + 1) * each);
  }

  /**
   * Shows more pixels of what is there: at most as many as `seconds` allow, in about a second and a quarter for a whole
   * image. Says whether all are shown.
   */
  show(seconds: number): boolean {
    const { height, width } = this.shape;
    this.#rate = (height * width) / 1.25;
    const next = Math.min(height * width, this.#shown + Math.max(1, Math.round(seconds * this.#rate)));
    let least = height * width;
    for (let i = 0; i < this.count; i++) {
      const end = Math.min(next, this.#rows[i]! * width);
      const mask = this.maskOf(i);
      mask.fill(1, Math.min(this.#shown, end), end);
      least = Math.min(least, end);
    }
    this.#shown = least;
    return least === height * width;
  }
}

interface WallProps {
  readonly images: Growing;
  /** Whether the images appear at once. */
  readonly still: boolean;
  readonly label: (index: number) => string;
  readonly onPick?: (index: number) => void;
  /** Default: a square or so. */
  readonly columns?: number;
}

export function Wall({ images, still, label, onPick, columns: given }: WallProps) {
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const canvases = [...box.current!.querySelectorAll("canvas")];
    let frame = 0;
    let before = performance.now();
    const step = (now: number): void => {
      const done = images.show(still ? Number.POSITIVE_INFINITY : (now - before) / 1000);
      before = now;
      for (const [i, canvas] of canvases.entries()) paint(canvas, images.image(i), images.shape, images.maskOf(i));
      if (!done) frame = requestAnimationFrame(step);
    };
    frame = requestAnimationFrame(step);
    return () => cancelAnimationFrame(frame);
  }, [images, still]);
  const columns = given ?? Math.ceil(Math.sqrt(images.count));
  return (
    <div class="wall" ref={box} style={{ "--columns": columns }}>
      {Array.from({ length: images.count }, (_, i) =>
        onPick ? (
          <button type="button" key={i} class="cell" aria-label={label(i)} onClick={() => onPick(i)}>
            <canvas class="pixels" />
          </button>
        ) : (
          <div key={i} class="cell" role="img" aria-label={label(i)}>
            <canvas class="pixels" />
          </div>
        ),
      )}
    </div>
  );
}
