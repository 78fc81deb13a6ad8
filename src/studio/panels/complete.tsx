/** Completion: what is erased, the model draws; several times. */

import { useEffect, useRef, useState } from "preact/hooks";
import type { ModelInfo } from "../client.ts";
import { Choices, Files, Range } from "../controls.tsx";
import { fitImage } from "../fit-image.ts";
import { paint } from "../pixels.tsx";
import { useReveal } from "../reveal.ts";
import { useStudio } from "../studio.ts";
import { Growing, Wall } from "../wall.tsx";

/** Completions that are drawn together. */
const COUNT = 9;

type Tool = "draw" | "erase" | "line";

interface Sheet {
  readonly pixels: Uint8Array;
  /** 1 where a pixel is known. */
  readonly mask: Uint8Array;
}

export function CompletePanel({ model }: { model: ModelInfo }) {
  const { client, report, picked, failed } = useStudio();
  const { height, width, channels, levels } = model;
  const [sheet, setSheet] = useState<Sheet>(() => startSheet(model, picked?.pixels));
  const [tool, setTool] = useState<Tool>("line");
  const [colour, setColour] = useState("#ffffff");
  const [brush, setBrush] = useState(1);
  const [note, setNote] = useState<string | null>(null);
  const [images, setImages] = useState<Growing | null>(null);
  const [busy, setBusy] = useState(false);
  const [seed, setSeed] = useState(1);
  const canvas = useRef<HTMLCanvasElement>(null);
  const [stage, reveal] = useReveal<HTMLDivElement>();
  const last = useRef<readonly [number, number] | null>(null);
  const condition = picked?.condition ?? null;

  useEffect(() => paint(canvas.current!, sheet.pixels, model, sheet.mask), [sheet, model]);

  useEffect(() => {
    if (picked) return;
    // A digit to begin with: nobody should face an empty sheet.
    const growing = new Growing(model, 1);
    client
      .draw({ count: 1, seed: 7, temperature: 1, guidance: 0, condition: null }, (first, count, row, drawn) =>
        growing.add(first, count, row, drawn),
      )
      .then((pixels) => setSheet((now) => (now.mask.some((known) => known === 1) ? now : startSheet(model, pixels))))
      .catch(failed);
  }, [client, model, picked, failed]);

  const placeOf = (event: PointerEvent): [number, number] => {
    const box = canvas.current!.getBoundingClientRect();
    const at = (value: number, size: number): number => Math.min(size - 1, Math.max(0, Math.floor(value * size)));
    return [at((event.clientY - box.top) / box.height, height), at((event.clientX - box.left) / box.width, width)];
  };

  const stroke = ([row, column]: readonly [number, number]): void => {
    setSheet((now) => {
      const [pixels, mask] = [now.pixels.slice(), now.mask.slice()];
      const value = levelsOfColour(colour, channels, levels);
      const set = (y: number, x: number): void => {
        if (y < 0 || y >= height || x < 0 || x >= width) return;
        const p = y * width + x;
        mask[p] = tool === "draw" ? 1 : 0;
        // What is erased is only hidden: to keep more rows brings it back.
        if (tool === "draw") pixels.set(value, p * channels);
      };
      if (tool === "line") for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) y >= row && set(y, x);
      else {
        const from = last.current ?? [row, column];
        const steps = Math.max(1, Math.abs(row - from[0]), Math.abs(column - from[1]));
        for (let s = 0; s <= steps; s++) {
          const y = Math.round(from[0] + ((row - from[0]) * s) / steps);
          const x = Math.round(from[1] + ((column - from[1]) * s) / steps);
          for (let dy = -brush; dy <= brush; dy++)
            for (let dx = -brush; dx <= brush; dx++) if (dy * dy + dx * dx <= brush * brush + 0.5) set(y + dy, x + dx);
        }
      }
      return { pixels, mask };
    });
    last.current = [row, column];
  };

  const complete = async (next: number): Promise<void> => {
    const growing = new Growing(model, COUNT, sheet);
    setSeed(next);
    setImages(growing);
    setBusy(true);
    reveal();
    report(null);
    try {
      await client.draw(
        { count: COUNT, seed: next, temperature: 1, guidance: 0, condition, given: sheet },
        (first, count, row, drawn) => growing.add(first, count, row, drawn),
      );
    } catch (error) {
      failed(error);
    } finally {
      setBusy(false);
    }
  };

  const take = async ([file]: File[]): Promise<void> => {
    try {
      const fitted = await fitImage(file!, model);
      setSheet(startSheet(model, fitted.pixels));
      setNote(fitted.note);
      setTool("line");
    } catch (error) {
      report(`${file!.name}: ${(error as Error).message}`);
    }
  };

  return (
    <section class="panel" aria-labelledby="complete-title">
      <div class="controls">
        <h2 id="complete-title">Complete</h2>
        <p class="lead">
          Erase a part of the image, or paint half of one on an empty sheet. The model fills in the hatched pixels.
        </p>
        {note && <p class="hint fitted">{note}</p>}
        <div class="sheet">
          <canvas
            ref={canvas}
            class="pixels editor"
            role="img"
            aria-label="The image to complete; hatched pixels are unknown"
            onPointerDown={(event) => {
              canvas.current!.setPointerCapture(event.pointerId);
              last.current = null;
              stroke(placeOf(event));
            }}
            onPointerMove={(event) => event.buttons > 0 && stroke(placeOf(event))}
          />
        </div>
        <Choices
          label="Tool"
          options={[
            { value: "line" as Tool, text: "Erase below a row" },
            { value: "erase" as Tool, text: "Erase with a brush" },
            { value: "draw" as Tool, text: "Paint" },
          ]}
          value={tool}
          onPick={setTool}
        />
        {tool !== "line" && (
          <Range label="Brush" says="pixels to each side" min={0} max={5} step={1} value={brush} onInput={setBrush} />
        )}
        {tool === "draw" && (
          <label class="field">
            Colour <input type="color" value={colour} onInput={(event) => setColour(event.currentTarget.value)} />
          </label>
        )}
        {tool === "line" && (
          <Range
            label="Rows kept"
            says="or click the image where it shall end"
            min={0}
            max={height}
            step={1}
            value={rowsKept(sheet, model)}
            onInput={(rows) =>
              setSheet((now) => ({ ...now, mask: now.mask.map((_, p) => (p < rows * width ? 1 : 0)) }))
            }
          />
        )}
        <div class="row">
          <button type="button" class="button main" disabled={busy} onClick={() => void complete(seed + 1)}>
            Complete it
          </button>
          <Files label="Open an image …" accept="image/*" onFiles={(files) => void take(files)} />
          <button
            type="button"
            class="button quiet"
            onClick={() => {
              setSheet(startSheet(model));
              setTool("draw");
            }}
          >
            Empty sheet
          </button>
        </div>
        <p class="hint">
          The model fills gaps from the top left to the bottom right. What you keep below a gap stays as it is, but the
          gap is filled without looking at it.
        </p>
      </div>
      <div class="stage" ref={stage}>
        {images ? (
          <Wall images={images} still={false} label={(i) => `Completion ${i + 1}`} />
        ) : (
          <p class="waiting">Completions appear here.</p>
        )}
      </div>
    </section>
  );
}

/** An image with its lower half unknown, or an empty sheet. */
function startSheet({ height, width, channels }: ModelInfo, pixels?: Uint8Array): Sheet {
  if (!pixels) return { pixels: new Uint8Array(height * width * channels), mask: new Uint8Array(height * width) };
  const half = Math.floor(height / 2) * width;
  return { pixels, mask: Uint8Array.from({ length: height * width }, (_, p) => (p < half ? 1 : 0)) };
}

function rowsKept({ mask }: Sheet, { height, width }: ModelInfo): number {
  const gap = mask.indexOf(0);
  return gap < 0 ? height : Math.floor(gap / width);
}

/** "#rrggbb" as levels. */
function levelsOfColour(colour: string, channels: number, levels: number): Uint8Array {
  const rgb = [1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16)) as [number, number, number];
  const level = (value: number): number => Math.floor((value * levels) / 256);
  if (channels === 1) return Uint8Array.of(level(Math.round((299 * rgb[0] + 587 * rgb[1] + 114 * rgb[2]) / 1000)));
  return Uint8Array.from([...rgb, 255].slice(0, channels), level);
}
