/** Latents of an auto-encoder: what an image becomes, sliders, and the way between two images. */

import { useEffect, useState } from "preact/hooks";
import { randomFrom } from "../../random.ts";
import type { ModelInfo } from "../client.ts";
import { Files, Range } from "../controls.tsx";
import { fitImage } from "../fit-image.ts";
import { Pixels } from "../pixels.tsx";
import { useReveal } from "../reveal.ts";
import { useStudio } from "../studio.ts";
import { Growing, Wall } from "../wall.tsx";

/** Images of a row: the way between two codes, or samples of one. */
const STEPS = 8;
/** Sliders that are shown. */
const SLIDERS = 12;

export function LatentsPanel({ model }: { model: ModelInfo }) {
  const { client, failed } = useStudio();
  const [ends, setEnds] = useState<readonly Uint8Array[]>([]);
  const [note, setNote] = useState<string | null>(null);
  const [codes, setCodes] = useState<readonly Float32Array[]>([]);
  const [own, setOwn] = useState<Float32Array | null>(null);
  const [rows, setRows] = useState<
    readonly { readonly key: number; readonly title: string; readonly images: Growing }[]
  >([]);
  const [busy, setBusy] = useState(false);
  const [stage, reveal] = useReveal<HTMLDivElement>();

  useEffect(() => {
    if (!model.latents || ends.length > 0) return;
    // Two samples of codes drawn at random to begin with; images of one's own take their places.
    const random = randomFrom(1, 0);
    const normal = (): number =>
      Math.sqrt(-2 * Math.log(1 - random.uniform())) * Math.cos(2 * Math.PI * random.uniform());
    const codes = [0, 1].map(() => Float32Array.from({ length: model.conditionSize }, normal));
    client
      .draw({ count: 2, seed: 5, temperature: 1, guidance: 0, condition: codes }, () => {})
      .then((pixels) => take([pixels.slice(0, pixels.length / 2), pixels.slice(pixels.length / 2)]))
      .catch(failed);
  }, [client, model]);

  const take = async (images: readonly Uint8Array[]): Promise<void> => {
    setEnds(images);
    const all = new Uint8Array(images.length * images[0]!.length);
    for (const [i, image] of images.entries()) all.set(image, i * image.length);
    const found = await client.host.latents(all);
    setCodes(found);
    setOwn(found[0]!.slice());
  };

  const draw = async (title: string, conditions: readonly Float32Array[]): Promise<void> => {
    const images = new Growing(model, conditions.length);
    setRows((now) => [{ key: (now[0]?.key ?? 0) + 1, title, images }, ...now].slice(0, 6));
    setBusy(true);
    reveal();
    try {
      const how = { count: conditions.length, seed: 1, temperature: 1, guidance: 0 };
      await client.draw({ ...how, condition: conditions }, (...row) => images.add(...row));
    } catch (error) {
      failed(error);
    } finally {
      setBusy(false);
    }
  };

  if (!model.latents)
    return (
      <section class="panel">
        <div class="controls">
          <h2>Latents</h2>
          <p class="lead">
            This model has none. Open an auto-encoder: <code>pixelcnn train mnist --preset mnist-autoencoder</code>{" "}
            makes one.
          </p>
        </div>
      </section>
    );

  const open = async (place: number, [file]: File[]): Promise<void> => {
    try {
      const image = await fitImage(file!, model);
      setNote(image.note);
      await take(ends.map((end, i) => (i === place ? image.pixels : end)));
    } catch (error) {
      failed(error);
    }
  };

  const [from, to] = codes;
  return (
    <section class="panel latents" aria-labelledby="latents-title">
      <div class="controls">
        <h2 id="latents-title">Latents</h2>
        <p class="lead">
          The encoder turns an image into {model.conditionSize} numbers; the decoder draws images that have them.
        </p>
        {note && <p class="hint fitted">{note}</p>}
        <div class="pair">
          {ends.map((pixels, i) => (
            <figure key={i === 0 ? "from" : "to"}>
              <Pixels pixels={pixels} shape={model} label={i === 0 ? "The first image" : "The second image"} />
              <figcaption>{i === 0 ? "First image" : "Second image"}</figcaption>
              <Files label="Change …" accept="image/*" onFiles={(files) => void open(i, files)} />
            </figure>
          ))}
        </div>
        <div class="row">
          <button
            type="button"
            class="button"
            disabled={busy || !from}
            onClick={() => void draw("Reconstructions of the first image", new Array(STEPS).fill(from!))}
          >
            Reconstruct the first
          </button>
          <button
            type="button"
            class="button"
            disabled={busy || !to}
            onClick={() => void draw("From the first image to the second", walk(from!, to!))}
          >
            Walk from first to second
          </button>
          <button
            type="button"
            class="button"
            disabled={busy || !own}
            onClick={() => void draw("By the sliders", new Array(STEPS).fill(own!))}
          >
            Draw by the sliders
          </button>
        </div>
      </div>
      <div class="stage charts" ref={stage}>
        {rows.map(({ key, title, images }) => (
          <figure key={key}>
            <figcaption>{title}</figcaption>
            <Wall images={images} still={false} columns={STEPS / 2} label={(i) => `${title}: ${i + 1}`} />
          </figure>
        ))}
        {rows.length === 0 && <p class="waiting">What the decoder draws appears here.</p>}
      </div>
      <div class="controls more">
        {own && <p class="hint">The sliders begin at the first image's numbers.</p>}
        {own &&
          [...own]
            .slice(0, SLIDERS)
            .map((value, i) => (
              <Range
                key={i}
                label={`Latent ${i + 1}`}
                says=""
                min={Math.min(-3, Math.floor(value))}
                max={Math.max(3, Math.ceil(value))}
                step={0.05}
                value={value}
                onInput={(now) => setOwn((all) => all && Float32Array.from(all, (v, k) => (k === i ? now : v)))}
              />
            ))}
        {own && own.length > SLIDERS && (
          <p class="hint">
            The first {SLIDERS} of {own.length} have sliders.
          </p>
        )}
      </div>
    </section>
  );
}

/** Codes on the straight line between two. */
const walk = (from: Float32Array, to: Float32Array): Float32Array[] =>
  Array.from({ length: STEPS }, (_, k) => from.map((v, i) => v + ((to[i]! - v) * k) / (STEPS - 1)));
