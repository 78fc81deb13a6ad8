/**
 * One decoded image and what its pixels really use. Conversions between grey, colour and alpha are integer arithmetic
 * of ours, so that grey stays exactly itself. Resizing is not here: that is sharp's, in folder.ts.
 */

export interface Picture {
  readonly height: number;
  readonly width: number;
  /** 1 grey, 3 red green blue, 4 with alpha. */
  readonly channels: 1 | 3 | 4;
  /** [height, width, channels], 0..255 */
  readonly pixels: Uint8Array;
}

/** Whether any pixel's red, green and blue differ. */
export function usesColour({ channels, pixels }: Picture): boolean {
  if (channels === 1) return false;
  for (let i = 0; i < pixels.length; i += channels) {
    if (pixels[i] !== pixels[i + 1] || pixels[i] !== pixels[i + 2]) return true;
  }
  return false;
}

/** Whether any pixel is not fully opaque. */
export function usesAlpha({ channels, pixels }: Picture): boolean {
  if (channels !== 4) return false;
  for (let i = 3; i < pixels.length; i += 4) if (pixels[i] !== 255) return true;
  return false;
}

/** The fewest channels that hold all that the pixels use. */
export const channelsUsed = (picture: Picture): 1 | 3 | 4 => (usesAlpha(picture) ? 4 : usesColour(picture) ? 3 : 1);

/** What of a picture so many channels do not hold; null where they hold all of it. */
export function lostWith(picture: Picture, channels: number): "transparency" | "colour" | null {
  if (channels < 4 && usesAlpha(picture)) return "transparency";
  return channels < 3 && usesColour(picture) ? "colour" : null;
}

/**
 * The image with this many channels. Colour becomes grey as luma (Rec. 601, rounded); alpha that has no channel to go
 * to is laid over white, as a page would show it; grey becomes three equal channels; what had no alpha becomes opaque.
 */
export function toChannels(picture: Picture, channels: 1 | 3 | 4): Picture {
  if (picture.channels === channels) return picture;
  const { height, width, pixels } = picture;
  const from = picture.channels;
  const out = new Uint8Array(height * width * channels);
  for (let i = 0, at = 0; i < pixels.length; i += from, at += channels) {
    const alpha = from === 4 ? pixels[i + 3]! : 255;
    const over = (v: number): number => (channels === 4 ? v : Math.round((v * alpha + 255 * (255 - alpha)) / 255));
    const r = over(pixels[i]!);
    const g = from === 1 ? r : over(pixels[i + 1]!);
    const b = from === 1 ? r : over(pixels[i + 2]!);
    if (channels === 1) {
      out[at] = Math.floor((299 * r + 587 * g + 114 * b + 500) / 1000);
    } else {
      out[at] = r;
      out[at + 1] = g;
      out[at + 2] = b;
      if (channels === 4) out[at + 3] = alpha;
    }
  }
  return { height, width, channels, pixels: out };
}

/** The image in the middle of a larger one; the margin is 0: black, and transparent where there is alpha. */
export function padTo(picture: Picture, height: number, width: number): Picture {
  if (picture.height === height && picture.width === width) return picture;
  const { channels, pixels } = picture;
  const out = new Uint8Array(height * width * channels);
  const top = Math.floor((height - picture.height) / 2);
  const left = Math.floor((width - picture.width) / 2);
  for (let y = 0; y < picture.height; y++) {
    const row = pixels.subarray(y * picture.width * channels, (y + 1) * picture.width * channels);
    out.set(row, ((top + y) * width + left) * channels);
  }
  return { height, width, channels, pixels: out };
}
