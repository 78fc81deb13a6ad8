/** What the model expects: bits of every pixel, the distribution under the pointer, and what each family can see. */

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { RAMP } from "../../pictures/heatmap.ts";
import type { Look, ModelInfo } from "../client.ts";
import { Files } from "../controls.tsx";
import { fitImage } from "../fit-image.ts";
import { paint } from "../pixels.tsx";
import { ReachView } from "../reach-view.tsx";
import { useStudio } from "../studio.ts";

interface Place {
  readonly row: number;
  readonly column: number;
}

export function SeePanel({ model }: { model: ModelInfo }) {
  const { client, report, picked, failed } = useStudio();
  const { height, width } = model;
  const [pixels, setPixels] = useState<Uint8Array | null>(picked?.pixels ?? null);
  const [look, setLook] = useState<{ pixels: Uint8Array; look: Look } | null>(null);
  const [place, setPlace] = useState<Place>({ row: Math.floor(height / 2), column: Math.floor(width / 2) });
  const [seed, setSeed] = useState(3);
  const [note, setNote] = useState<string | null>(null);
  const condition = picked?.condition ?? null;

  useEffect(() => {
    if (pixels !== null) return;
    client
      .draw({ count: 1, seed, temperature: 1, guidance: 0, condition: null }, () => {})
      .then(setPixels)
      .catch(failed);
  }, [client, pixels, seed, failed]);

  useEffect(() => {
    if (!pixels) return;
    client.host
      .look(pixels, condition)
      .then((found) => setLook({ pixels, look: found }))
      .catch(failed);
  }, [client, pixels, condition, failed]);

  return (
    <section class="panel see" aria-labelledby="see-title">
      <div class="controls">
        <h2 id="see-title">See</h2>
        <p class="lead">
          Before each pixel, the model says how likely each level is. What it expected costs few bits, what surprised it
          costs many. Click a pixel, or move with the arrow keys, to see what it expected there.
        </p>
        <div class="row">
          <button
            type="button"
            class="button main"
            onClick={() => {
              setSeed(seed + 1);
              setPixels(null);
              setNote(null);
            }}
          >
            Another sample
          </button>
          <Files
            label="Open an image …"
            accept="image/*"
            onFiles={async ([file]) => {
              try {
                const fitted = await fitImage(file!, model);
                setPixels(fitted.pixels);
                setNote(fitted.note);
              } catch (error) {
                report(`${file!.name}: ${(error as Error).message}`);
              }
            }}
          />
        </div>
        {note && <p class="hint fitted">{note}</p>}
      </div>
      <div class="stage">
        {look ? (
          <>
            <div class="pair">
              <figure>
                <Grid
                  model={model}
                  draw={(canvas) => paint(canvas, look.pixels, model)}
                  source={look}
                  place={place}
                  onPlace={setPlace}
                  label="The image. Arrow keys move the chosen pixel"
                />
                <figcaption>The image</figcaption>
              </figure>
              <figure>
                <Grid
                  model={model}
                  draw={(canvas) => paintBits(canvas, look.look.bits, model)}
                  source={look}
                  place={place}
                  onPlace={setPlace}
                  label="Bits of each pixel. Arrow keys move the chosen pixel"
                />
                <figcaption>Its bits: the darker, the more surprising</figcaption>
              </figure>
            </div>
            <Distributions model={model} {...look} place={place} />
          </>
        ) : (
          <p class="waiting">Looking …</p>
        )}
      </div>
      <div class="controls more">{look && <Figures model={model} {...look} place={place} />}</div>
      <ReachView row={(place.row + 0.5) / height} column={(place.column + 0.5) / width} />
    </section>
  );
}

const bitsOfPixel = (bits: Float64Array, pixel: number, channels: number): number =>
  bits.subarray(pixel * channels, (pixel + 1) * channels).reduce((a, b) => a + b, 0);

function paintBits(canvas: HTMLCanvasElement, bits: Float64Array, { height, width, channels }: ModelInfo): void {
  const each = Float64Array.from({ length: height * width }, (_, p) => bitsOfPixel(bits, p, channels));
  const darkest = Math.max(0.01, [...each].sort((a, b) => a - b)[Math.floor(0.995 * (each.length - 1))]!);
  const data = new Uint8ClampedArray(height * width * 4);
  for (const [p, b] of each.entries()) data.set([...RAMP[Math.min(255, Math.round((255 * b) / darkest))]!, 255], 4 * p);
  canvas.width = width;
  canvas.height = height;
  canvas.getContext("2d")!.putImageData(new ImageData(data, width, height), 0, 0);
}

interface GridProps {
  readonly model: ModelInfo;
  readonly draw: (canvas: HTMLCanvasElement) => void;
  /** What is drawn; drawn anew when it changes. */
  readonly source: object;
  readonly place: Place;
  readonly onPlace: (place: Place) => void;
  readonly label: string;
}

/** A canvas with one chosen pixel, by pointer or arrow keys. */
function Grid({ model: { height, width }, draw, source, place, onPlace, label }: GridProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  // By `source`: `draw` is made anew with each render.
  useEffect(() => draw(canvas.current!), [source]);
  const move = (row: number, column: number): void =>
    onPlace({
      row: Math.min(height - 1, Math.max(0, row)),
      column: Math.min(width - 1, Math.max(0, column)),
    });
  const onPointer = (event: PointerEvent): void => {
    const box = canvas.current!.getBoundingClientRect();
    move(
      Math.floor(((event.clientY - box.top) / box.height) * height),
      Math.floor(((event.clientX - box.left) / box.width) * width),
    );
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    const steps: Record<string, [number, number]> = {
      ArrowUp: [-1, 0],
      ArrowDown: [1, 0],
      ArrowLeft: [0, -1],
      ArrowRight: [0, 1],
    };
    const step = steps[event.key];
    if (!step) return;
    event.preventDefault();
    move(place.row + step[0], place.column + step[1]);
  };
  return (
    <div
      class="grid"
      role="application"
      // biome-ignore lint/a11y/noNoninteractiveTabindex: the arrow keys move the chosen pixel
      tabIndex={0}
      aria-label={label}
      onKeyDown={onKeyDown}
      onPointerMove={onPointer}
      onPointerDown={onPointer}
    >
      <canvas ref={canvas} class="pixels" />
      <span
        class="chosen"
        style={{
          top: `${(100 * place.row) / height}%`,
          left: `${(100 * place.column) / width}%`,
          height: `${100 / height}%`,
          width: `${100 / width}%`,
        }}
      />
    </div>
  );
}

interface LookedProps {
  readonly model: ModelInfo;
  readonly pixels: Uint8Array;
  readonly look: Look;
  readonly place: Place;
}

function Figures({ model: { height, width, channels }, look: { bits }, place }: LookedProps) {
  const total = useMemo(() => bits.reduce((a, b) => a + b, 0), [bits]);
  const pixel = place.row * width + place.column;
  const before = bits.subarray(0, pixel * channels).reduce((a, b) => a + b, 0);
  const rows = [
    ["Whole image", `${total.toFixed(1)} bits`],
    ["Bits per dimension", (total / (height * width * channels)).toFixed(4)],
    ["In nats", (total * Math.log(2)).toFixed(2)],
    ["Before the chosen pixel", `${before.toFixed(1)} bits`],
    [`Row ${place.row + 1}, column ${place.column + 1}`, `${bitsOfPixel(bits, pixel, channels).toFixed(3)} bits`],
  ];
  return (
    <dl class="table">
      {rows.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

const CHANNELS: Readonly<Record<number, readonly string[]>> = {
  1: ["level"],
  3: ["red", "green", "blue"],
  4: ["red", "green", "blue", "alpha"],
};

/** The distribution of each sub-pixel at the chosen place, as bars. */
function Distributions({ model, pixels, look: { probabilities }, place }: LookedProps) {
  const { width, channels, levels } = model;
  const names = CHANNELS[channels] ?? Array.from({ length: channels }, (_, c) => `channel ${c + 1}`);
  return (
    <div class="distributions">
      {names.map((name, c) => {
        const at = (place.row * width + place.column) * channels + c;
        const each = probabilities.subarray(at * levels, (at + 1) * levels);
        return <Bars key={name} name={name} each={each} level={pixels[at]!} />;
      })}
    </div>
  );
}

function Bars({ name, each, level }: { name: string; each: Float32Array; level: number }) {
  const most = Math.max(...each);
  const likeliest = each.indexOf(most);
  const percent = (p: number): string => `${(100 * p).toFixed(p < 0.1 ? 2 : 1)} %`;
  return (
    <figure class="bars">
      <div class="scale" aria-hidden="true">
        <span>probability, from 0 to {percent(most)}</span>
      </div>
      <svg
        viewBox={`0 0 ${each.length} 40`}
        preserveAspectRatio="none"
        role="img"
        aria-label={
          `Probability of each ${name}: the likeliest is ${likeliest} with ${percent(most)}; ` +
          `the image has ${level} with ${percent(each[level]!)}`
        }
      >
        <title>{`Probability of each ${name}`}</title>
        {[...each].map((p, v) => {
          const height = (40 * p) / most;
          return (
            <rect key={v} class={v === level ? "is" : ""} x={v + 0.05} width={0.9} y={40 - height} height={height} />
          );
        })}
        <line class="is" x1={level + 0.5} x2={level + 0.5} y1={0} y2={40} />
      </svg>
      <div class="scale" aria-hidden="true">
        <span>0</span>
        <span>{name}</span>
        <span>{each.length - 1}</span>
      </div>
      <figcaption>
        {name}: likeliest {likeliest} ({percent(most)}), here <b>{level}</b> ({percent(each[level]!)})
      </figcaption>
    </figure>
  );
}
