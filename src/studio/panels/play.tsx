/** New images: a wall that grows pixel by pixel. */

import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import type { Condition, ModelInfo } from "../client.ts";
import { Choices, ConditionChoice, Range, Seed, Toggle } from "../controls.tsx";
import { download, Pixels, pngOf } from "../pixels.tsx";
import { useStudio } from "../studio.ts";
import { Growing, Wall } from "../wall.tsx";

const COUNTS = [1, 4, 16, 64];

export function PlayPanel({ model }: { model: ModelInfo }) {
  const { client, report, pick, go, served, failed } = useStudio();
  const [count, setCount] = useState(16);
  const [seed, setSeed] = useState(1);
  const [temperature, setTemperature] = useState(1);
  const [guidance, setGuidance] = useState(0);
  const [condition, setCondition] = useState<Condition | null>(null);
  const [text, setText] = useState("");
  const [still, setStill] = useState(() => matchMedia("(prefers-reduced-motion: reduce)").matches);
  const [images, setImages] = useState<Growing | null>(null);
  const [busy, setBusy] = useState(false);
  const [seconds, setSeconds] = useState<number | null>(null);
  const [shown, setShown] = useState<number | null>(null);

  const draw = useCallback(
    async (wish: { seed: number; count: number; condition: Condition | null }): Promise<void> => {
      const growing = new Growing(model, wish.count);
      setImages(growing);
      setSeconds(null);
      setBusy(true);
      report(null);
      const began = performance.now();
      try {
        const how = { temperature, guidance: wish.condition === null ? 0 : guidance };
        await client.draw({ ...wish, ...how }, (first, of, row, levels) => growing.add(first, of, row, levels));
        setSeconds((performance.now() - began) / 1000);
      } catch (error) {
        failed(error);
      } finally {
        setBusy(false);
      }
    },
    [client, model, temperature, guidance, report, failed],
  );

  const first = useRef(true);
  useEffect(() => {
    if (!first.current) return;
    first.current = false;
    void draw({ seed, count, condition });
  }, [draw, seed, count, condition]);

  const again = (next: number): void => {
    setSeed(next);
    void draw({ seed: next, count, condition });
  };

  return (
    <section class="panel play" aria-labelledby="play-title">
      <div class="controls">
        <h2 id="play-title">Play</h2>
        <p class="lead">Every image is drawn pixel by pixel, each from the pixels before it.</p>
        <div class="row">
          <button type="button" class="button main" disabled={busy} onClick={() => again(seed + 1)}>
            Draw with a new seed
          </button>
          <button type="button" class="button" disabled={!busy} onClick={() => void client.host.stop()}>
            Stop
          </button>
        </div>
        <Choices
          label="Images"
          options={COUNTS.map((n) => ({ value: n, text: String(n) }))}
          value={count}
          onPick={(n) => {
            setCount(n);
            void draw({ seed, count: n, condition });
          }}
        />
        {model.condition === "class" && (
          <ConditionChoice
            classes={model.classes}
            value={condition as number | null}
            onPick={(value) => {
              setCondition(value);
              void draw({ seed, count, condition: value });
            }}
          />
        )}
        {model.text && served && (
          <form
            class="field seed"
            onSubmit={async (event) => {
              event.preventDefault();
              try {
                const vector = text.trim() === "" ? null : await vectorOf(text);
                setCondition(vector);
                void draw({ seed, count, condition: vector });
              } catch (error) {
                report((error as Error).message);
              }
            }}
          >
            <label for="text">Text</label>
            <input
              id="text"
              type="text"
              placeholder="happy cat"
              value={text}
              onInput={(event) => setText(event.currentTarget.value)}
            />
            <button type="submit" class="button">
              Draw this text
            </button>
          </form>
        )}
        {model.text && !served && (
          <p class="hint">Texts need the sentence encoder: start this page with “pixelcnn studio”.</p>
        )}
        <Range
          label="Temperature"
          says={temperature < 1 ? "plainer images" : temperature > 1 ? "wilder images" : "as learnt"}
          min={0.5}
          max={1.5}
          step={0.05}
          value={temperature}
          onInput={setTemperature}
        />
        {condition !== null && (
          <Range
            label="Guidance"
            says={`the ${model.text ? "text" : "class"} counts ${guidance === 0 ? "as" : "for more than"} learnt`}
            min={0}
            max={3}
            step={0.25}
            value={guidance}
            onInput={setGuidance}
          />
        )}
        <Seed value={seed} onInput={setSeed} onEnter={again} />
        <Toggle label="Show images only when they are finished" value={still} onChange={setStill} />
        <p class="figures" aria-live="polite">
          {busy
            ? "Drawing …"
            : seconds === null
              ? " "
              : `${count} ${count === 1 ? "image" : "images"} in ${seconds.toFixed(2)} s`}
        </p>
        <p class="hint">
          The same on the command line:{" "}
          <code>
            pixelcnn sample {model.name} -n {count} --seed {seed}
            {temperature === 1 ? "" : ` --temperature ${temperature}`}
            {typeof condition === "number" ? ` --class "${model.classes[condition]}"` : ""}
            {condition instanceof Float32Array ? ` --text "${text}"` : ""}
            {condition !== null && guidance > 0 ? ` --guidance ${guidance}` : ""}
          </code>
        </p>
      </div>
      <div class="stage">
        {images && (
          <Wall images={images} still={still} label={(i) => `Sample ${i + 1}: enlarge`} onPick={(i) => setShown(i)} />
        )}
        <p class="hint below">Choose an image to enlarge it, save it, complete it or see its bits.</p>
      </div>
      {shown !== null && images && (
        <Enlarged
          model={model}
          pixels={images.image(shown)}
          title={`Sample ${shown + 1} of seed ${seed}`}
          file={`${model.name}-seed${seed}-${shown}.png`}
          onClose={() => setShown(null)}
          onUse={(panel) => {
            pick({ pixels: images.image(shown).slice(), condition });
            go(panel);
          }}
        />
      )}
    </section>
  );
}

/** The vector of a text, by the server's sentence encoder. */
async function vectorOf(text: string): Promise<Float32Array> {
  const response = await fetch(`api/embed?text=${encodeURIComponent(text)}`);
  if (!response.ok) throw new Error(await response.text());
  return Float32Array.from((await response.json()) as number[]);
}

interface EnlargedProps {
  readonly model: ModelInfo;
  readonly pixels: Uint8Array;
  readonly title: string;
  readonly file: string;
  readonly onClose: () => void;
  readonly onUse: (panel: "complete" | "see") => void;
}

function Enlarged({ model, pixels, title, file, onClose, onUse }: EnlargedProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current!.showModal(), []);
  return (
    <dialog ref={dialog} onClose={onClose} aria-labelledby="enlarged-title">
      <h3 id="enlarged-title">{title}</h3>
      <Pixels pixels={pixels} shape={model} label={title} class="large" />
      <div class="row">
        <button
          type="button"
          class="button main"
          onClick={async () => {
            const scale = Math.max(1, Math.round(512 / Math.max(model.height, model.width)));
            download(file, await pngOf(pixels, model, scale), "image/png");
          }}
        >
          Download PNG
        </button>
        <button type="button" class="button" onClick={() => onUse("see")}>
          See its bits
        </button>
        <button type="button" class="button" onClick={() => onUse("complete")}>
          Complete it anew
        </button>
        <button type="button" class="button quiet" onClick={() => dialog.current!.close()}>
          Close
        </button>
      </div>
    </dialog>
  );
}
