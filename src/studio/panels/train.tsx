/** Training in the page: a set, a network, a curve, and samples that get better. */

import type { Remote } from "comlink";
import { zipSync } from "fflate";
import { useEffect, useRef, useState } from "preact/hooks";
import { Chart, COLOURS } from "../chart.tsx";
import { across, type ModelInfo, type SetInfo, startTrainer, type TrainingView } from "../client.ts";
import { Choices, Files } from "../controls.tsx";
import { type DroppedFile, filesOf } from "../drops.ts";
import type { PageSet } from "../page-sets.ts";
import { download, Pixels } from "../pixels.tsx";
import { useStudio } from "../studio.ts";
import type { TrainHost } from "../train-host.ts";

const NETWORKS = [
  { value: 12, text: "small", depth: 4 },
  { value: 24, text: "medium", depth: 6 },
  { value: 36, text: "large", depth: 8 },
] as const;

/** One trainer for the page: a panel that is left goes on training. */
let trainer: Remote<TrainHost> | null = null;
const theTrainer = (): Remote<TrainHost> => {
  trainer ??= startTrainer();
  return trainer;
};

type State = "idle" | "starting" | "training" | "stopping" | "stopped";

export function TrainPanel(_: { model: ModelInfo }) {
  const { report, open, go, failed, served } = useStudio();
  const named = useNamedSets(served);
  const [set, setSet] = useState<SetInfo | null>(null);
  /** Sets that are being read; the one that was chosen last will be shown. */
  const [reading, setReading] = useState(0);
  const [choice, setChoice] = useState<string>("shapes");
  const [side, setSide] = useState(16);
  const [levels, setLevels] = useState(4);
  const [features, setFeatures] = useState(12);
  const [device, setDevice] = useState<"cpu" | "webgpu">("cpu");
  const [gpu, setGpu] = useState(false);
  const [ran, setRan] = useState<string | null>(null);
  const [state, setState] = useState<State>("idle");
  const [losses, setLosses] = useState<{ readonly x: readonly number[]; readonly y: readonly number[] }>({
    x: [],
    y: [],
  });
  const [figures, setFigures] = useState("");
  const [view, setView] = useState<TrainingView | null>(null);
  const busy = state === "starting" || state === "training" || state === "stopping";
  const started = useRef(false);

  const choose = async (wish: PageSet): Promise<void> => {
    report(null);
    // No training on the set before, while another is read.
    setSet(null);
    setReading((now) => now + 1);
    try {
      setSet(await theTrainer().open(wish));
      setView(null);
      setLosses({ x: [], y: [] });
      setState("idle");
    } catch (error) {
      failed(error);
    } finally {
      setReading((now) => now - 1);
    }
  };

  // Once, when the panel opens.
  useEffect(() => {
    if (started.current) return;
    started.current = true;
    void choose({ kind: "shapes" });
    const adapter = (navigator as { gpu?: { requestAdapter(): Promise<unknown> } }).gpu?.requestAdapter();
    void adapter?.then((found) => setGpu(found !== null)).catch(() => undefined);
    return () => void trainer?.stop();
  }, []);

  const take = async (files: readonly DroppedFile[]): Promise<void> => {
    setChoice("yours");
    const dropped = await Promise.all(
      files.map(async ({ path, file }) => ({ name: path, bytes: new Uint8Array(await file.arrayBuffer()) })),
    );
    const [first] = dropped;
    if (!first) return;
    const isIdx =
      /idx|ubyte/i.test(first.name) || (first.bytes[0] === 0 && first.bytes[1] === 0 && first.bytes[2] === 8);
    if (isIdx) await choose({ kind: "idx", file: first });
    else if (dropped.length === 1) await choose({ kind: "sheet", file: first, size: side });
    else await choose({ kind: "files", files: dropped, size: side });
  };

  const train = async (again: boolean): Promise<void> => {
    report(null);
    setState("starting");
    if (!again) {
      setLosses({ x: [], y: [] });
      setView(null);
    }
    const { depth } = NETWORKS.find(({ value }) => value === features)!;
    try {
      await theTrainer().train(
        { levels, features, depth, batch: 16, rate: 3e-3, device },
        again,
        across((on: string, parameters: number) => {
          setRan(`${on === "webgpu" ? "WebGPU" : "WebAssembly"}, ${parameters} weights`);
          setState("training");
        }),
        across(({ step, loss, seconds, imagesPerSecond }) => {
          setLosses((now) => ({ x: [...now.x, step], y: [...now.y, loss] }));
          setFigures(
            `step ${step}, ${loss.toFixed(2)} nats, ${imagesPerSecond.toFixed(0)} images a second, ` +
              `${seconds.toFixed(0)} s`,
          );
        }),
        across((now: TrainingView) => setView(now)),
      );
    } catch (error) {
      failed(error);
    } finally {
      setState("stopped");
    }
  };

  const files = async () => theTrainer().files();

  return (
    <section class="panel" aria-labelledby="train-title">
      <div class="controls">
        <h2 id="train-title">Train</h2>
        <p class="lead">A network learns your images here, in this page. Nothing is uploaded.</p>
        <Choices
          label="Images"
          options={[
            { value: "shapes", text: "shapes" },
            { value: "glyphs", text: "letters" },
            ...named.map((name) => ({ value: `set ${name}`, text: name })),
            { value: "yours", text: "yours" },
          ]}
          value={choice}
          onPick={(kind) => {
            if (busy) return;
            setChoice(kind);
            if (kind === "shapes" || kind === "glyphs") void choose({ kind });
            const name = named.find((one) => kind === `set ${one}`);
            if (name) void choose({ kind: "named", name, address: addressOf(`api/sets/${name}`) });
          }}
        />
        {choice === "yours" && (
          <>
            {/* biome-ignore lint/a11y/noStaticElementInteractions: the button inside does the same */}
            <div
              class="drop small"
              onDragOver={(event) => event.preventDefault()}
              onDrop={async (event) => {
                event.preventDefault();
                event.stopPropagation();
                if (event.dataTransfer) await take(await filesOf(event.dataTransfer));
              }}
            >
              <p>Images, a folder, a sheet of tiles, or an IDX file</p>
              <Files
                label="Choose files …"
                accept="image/*,.gz,.idx3-ubyte"
                multiple
                onFiles={(list) => void take(list.map((file) => ({ path: file.name, file })))}
              />
            </div>
            <Choices
              label="Size of an image or tile"
              options={[8, 16, 24, 32].map((value) => ({ value, text: String(value) }))}
              value={side}
              onPick={setSide}
            />
          </>
        )}
        <Choices
          label="Levels of a channel"
          options={[2, 4, 8, 16].map((value) => ({ value, text: String(value) }))}
          value={levels}
          onPick={(value) => !busy && setLevels(value)}
        />
        <Choices label="Network" options={NETWORKS} value={features} onPick={(value) => !busy && setFeatures(value)} />
        {gpu && (
          <Choices
            label="Runs on"
            options={[
              { value: "cpu" as const, text: "WebAssembly" },
              { value: "webgpu" as const, text: "WebGPU" },
            ]}
            value={device}
            onPick={(value) => !busy && setDevice(value)}
          />
        )}
        <div class="row">
          <button type="button" class="button main" disabled={busy || !set} onClick={() => void train(false)}>
            {state === "stopped" ? "Train anew" : "Train"}
          </button>
          <button
            type="button"
            class="button"
            disabled={!busy || state === "stopping"}
            onClick={() => {
              setState("stopping");
              void theTrainer().stop();
            }}
          >
            Stop
          </button>
          {state === "stopped" && view && (
            <button type="button" class="button" onClick={() => void train(true)}>
              Go on
            </button>
          )}
        </div>
        <p class="figures" aria-live="polite">
          {state === "starting" ? "Loading the training runtime …" : figures || " "}
        </p>
        {ran && <p class="hint">Runs on {ran}.</p>}
        {state === "training" && (
          <p class="hint">It trains until you stop it. Then you can download the model, play with it, or go on.</p>
        )}
        {state === "stopped" && view && (
          <div class="row">
            <button
              type="button"
              class="button"
              onClick={async () => {
                const { "config.json": config, "model.safetensors": weights } = await files();
                const name = "page-model";
                const zip = zipSync({
                  [`${name}/config.json`]: new TextEncoder().encode(config),
                  [`${name}/model.safetensors`]: [weights, { level: 0 }],
                });
                download(`${name}.zip`, zip, "application/zip");
              }}
            >
              Download the model
            </button>
            <button
              type="button"
              class="button"
              onClick={async () => {
                const { "config.json": config, "model.safetensors": weights } = await files();
                const model = {
                  "config.json": new File([config], "config.json"),
                  "model.safetensors": new File([new Uint8Array(weights)], "model.safetensors"),
                };
                if (await open(model, "the model of this page")) go("play");
              }}
            >
              Play with it
            </button>
          </div>
        )}
      </div>
      <div class="stage charts">
        {reading > 0 && <p class="waiting">Reading the images …</p>}
        {set && (
          <figure>
            <figcaption>
              <b>{set.count} images</b> of {set.height} × {set.width}: {set.name}
              {set.leftOut.length > 0 && `; left out: ${set.leftOut.slice(0, 3).join("; ")}`}
            </figcaption>
            <Strip set={set} pixels={set.first} levels={256} label="First images of the set" />
          </figure>
        )}
        {view && set && (
          <figure>
            <figcaption>
              <b>Samples</b> after {view.step} steps
            </figcaption>
            <Strip set={set} pixels={view.samples} levels={levels} label="Samples of the network" />
          </figure>
        )}
        <Chart
          title="Loss of each batch, nats an image"
          axis="step"
          lines={
            losses.x.length === 0
              ? []
              : [{ id: "loss", name: "loss", colour: COLOURS[0]!, ...losses, dots: false, joined: true }]
          }
          logX={false}
          logY
          lit={null}
          sync="train"
        />
      </div>
    </section>
  );
}

const addressOf = (path: string): string => new URL(path, document.baseURI).href;

/** Names of the sets that the serving machine has; none of a page of plain files. */
function useNamedSets(served: boolean): readonly string[] {
  const [names, setNames] = useState<readonly string[]>([]);
  useEffect(() => {
    if (!served) return;
    void fetch(addressOf("api/sets"))
      .then(async (response) => setNames(response.ok ? await response.json() : []))
      .catch(() => undefined);
  }, [served]);
  return names;
}

interface StripProps {
  readonly set: SetInfo;
  readonly pixels: Uint8Array;
  readonly levels: number;
  readonly label: string;
}

function Strip({ set: { height, width, channels }, pixels, levels, label }: StripProps) {
  const each = height * width * channels;
  return (
    <div class="strip">
      {Array.from({ length: pixels.length / each }, (_, i) => (
        <Pixels
          key={`${label} ${i + 1}`}
          pixels={pixels.subarray(i * each, (i + 1) * each)}
          shape={{ height, width, channels, levels }}
          label={`${label}: ${i + 1}`}
        />
      ))}
    </div>
  );
}
