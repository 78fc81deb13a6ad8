/** The shell: the model on top, the panels below. */

import { useCallback, useEffect, useMemo, useState } from "preact/hooks";
import { failureOf, type ModelInfo, startClient } from "./client.ts";
import { filesOf, isModel } from "./drops.ts";
import { CompletePanel } from "./panels/complete.tsx";
import { CompressPanel } from "./panels/compress.tsx";
import { LatentsPanel } from "./panels/latents.tsx";
import { PlayPanel } from "./panels/play.tsx";
import { RunsPanel } from "./panels/runs.tsx";
import { SeePanel } from "./panels/see.tsx";
import { TrainPanel } from "./panels/train.tsx";
import { type PanelName, type Picked, Studio } from "./studio.ts";

const PANELS = {
  play: { title: "Play", panel: PlayPanel },
  complete: { title: "Complete", panel: CompletePanel },
  see: { title: "See", panel: SeePanel },
  compress: { title: "Compress", panel: CompressPanel },
  latents: { title: "Latents", panel: LatentsPanel },
  train: { title: "Train", panel: TrainPanel },
  runs: { title: "Runs", panel: RunsPanel },
} as const satisfies Record<PanelName, object>;

/** Of a shipped model, for a person. */
const SHIPPED: Readonly<Record<string, string>> = {
  mnist: "Digits, 256 greys",
  "mnist-binary": "Digits, black and white",
  "fashion-mnist": "Clothes, 256 greys",
  emoji: "Emoji, in colour",
};

function panelOfAddress(): PanelName {
  const name = location.hash.replace(/^#\/?/, "");
  return name in PANELS ? (name as PanelName) : "play";
}

const isServed = async (): Promise<boolean> => {
  const response = await fetch("api/runs").catch(() => null);
  return response?.ok === true && /json/.test(response.headers.get("content-type") ?? "");
};

export function App() {
  const client = useMemo(startClient, []);
  const [names, setNames] = useState<readonly string[]>([]);
  const [model, setModel] = useState<ModelInfo | null>(null);
  const [opens, setOpens] = useState(0);
  const [opening, setOpening] = useState<string | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const failed = useCallback((error: unknown): void => {
    const failure = failureOf(error);
    if (failure) setProblem(failure.message);
  }, []);
  const [panel, setPanel] = useState<PanelName>(panelOfAddress);
  const [picked, setPicked] = useState<Picked | null>(null);
  const [archive, setArchive] = useState<File | null>(null);
  const [served, setServed] = useState(false);

  const open = useCallback(
    async (source: string | Record<string, File>, name: string): Promise<ModelInfo | null> => {
      setOpening(name);
      setProblem(null);
      try {
        const opened = await client.host.open(source);
        setPicked(null);
        setModel(opened);
        setOpens((n) => n + 1);
        return opened;
      } catch (error) {
        failed(error);
        return null;
      } finally {
        setOpening(null);
      }
    },
    [client, failed],
  );

  useEffect(() => {
    void client.host.names().then(setNames);
    void open("mnist-binary", "mnist-binary");
    // Only `pixelcnn studio` lists runs; a page of plain files has none.
    void isServed().then(setServed);
    const onHash = (): void => setPanel(panelOfAddress());
    addEventListener("hashchange", onHash);
    return () => removeEventListener("hashchange", onHash);
  }, [client, open]);

  const go = (name: PanelName): void => {
    location.hash = `/${name}`;
  };

  const onDrop = async (event: DragEvent): Promise<void> => {
    event.preventDefault();
    if (!event.dataTransfer) return;
    const files = await filesOf(event.dataTransfer);
    if (isModel(files)) await open(Object.fromEntries(files.map(({ path, file }) => [path, file])), "your model");
    else if (files.some(({ path }) => path.endsWith(".pxc"))) {
      setArchive(files.find(({ path }) => path.endsWith(".pxc"))!.file);
      go("compress");
    }
  };

  const panels = (Object.keys(PANELS) as PanelName[]).filter((name) => name !== "runs" || served);
  const Panel = PANELS[panel].panel;
  return (
    <Studio.Provider
      value={{
        served,
        client,
        model,
        picked,
        pick: setPicked,
        go,
        open,
        report: setProblem,
        failed,
        archive,
        names,
        opening,
      }}
    >
      {/* biome-ignore lint/a11y/noStaticElementInteractions: a drop has a button for the keyboard beside it */}
      <div class="page" onDragOver={(event) => event.preventDefault()} onDrop={(event) => void onDrop(event)}>
        <header class="top">
          <h1>
            pixelcnn <span>studio</span>
          </h1>
          <ModelPicker names={names} model={model} opening={opening} open={open} />
          <nav aria-label="Panels">
            {panels.map((name) => (
              <a key={name} href={`#/${name}`} aria-current={name === panel ? "page" : undefined}>
                {PANELS[name].title}
              </a>
            ))}
          </nav>
        </header>
        {problem !== null && (
          <div class="problem" role="alert">
            <p>{problem}</p>
            <button type="button" onClick={() => setProblem(null)}>
              Close
            </button>
          </div>
        )}
        <main>
          {model ? (
            // Anew with every model that is opened: two of one's own may have one name.
            <Panel key={opens} model={model} />
          ) : (
            <p class="waiting">{opening ? `Opening ${opening} …` : "Choose a model to begin."}</p>
          )}
        </main>
        <footer>
          <p>
            Everything runs in this page: no image and no model leaves it. The same seed draws the same image, bit for
            bit, as <code>pixelcnn sample</code> on the command line.
          </p>
        </footer>
      </div>
    </Studio.Provider>
  );
}

interface PickerProps {
  readonly names: readonly string[];
  readonly model: ModelInfo | null;
  readonly opening: string | null;
  readonly open: (source: string | Record<string, File>, name: string) => Promise<ModelInfo | null>;
}

function ModelPicker({ names, model, opening, open }: PickerProps) {
  const own = model !== null && !names.includes(model.name);
  return (
    <div class="picker">
      <label>
        <span class="hidden">Model</span>
        <select
          value={own ? "own" : (model?.name ?? "")}
          disabled={opening !== null}
          onChange={(event) => void open(event.currentTarget.value, event.currentTarget.value)}
        >
          {names.map((name) => (
            <option key={name} value={name}>
              {SHIPPED[name] ? `${name}: ${SHIPPED[name]}` : name}
            </option>
          ))}
          {own && <option value="own">Your model</option>}
        </select>
      </label>
      <label class="button quiet" title="config.json and model.safetensors of a run or model folder">
        Open a model …
        <input
          type="file"
          class="hidden"
          multiple
          accept=".json,.safetensors"
          onChange={(event) => {
            const files = [...(event.currentTarget.files ?? [])];
            if (files.length > 0) void open(Object.fromEntries(files.map((file) => [file.name, file])), "your model");
            event.currentTarget.value = "";
          }}
        />
      </label>
      {model && (
        <p class="about" aria-live="polite">
          {opening ? `Opening ${opening} …` : describe(model)}
        </p>
      )}
    </div>
  );
}

function describe({ family, height, width, channels, levels, parameters }: ModelInfo): string {
  const colours = channels === 1 ? `${levels} ${levels === 2 ? "levels" : "greys"}` : `${channels} channels`;
  const weights = `${Math.round(parameters / 1000)} thousand weights`;
  return `${family.replace(/^an? /, "")}, ${height} × ${width}, ${colours}, ${weights}`;
}
