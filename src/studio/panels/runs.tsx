/** The runs of this machine, served by `pixelcnn studio`: live curves, samples, settings and test figures. */

import { useCallback, useEffect, useMemo, useState } from "preact/hooks";
import { smoothed } from "../../runs/log-entries.ts";
import { counted } from "../../words.ts";
import { Chart, COLOURS, type Line } from "../chart.tsx";
import type { ModelInfo } from "../client.ts";
import { Choices, Range, Toggle } from "../controls.tsx";
import { type Curve, emptyCurve, grow, type Run } from "../run-data.ts";
import { useStudio } from "../studio.ts";
import { Figures, Pictures, Settings } from "./run-tables.tsx";

type Axis = "step" | "images" | "minutes";

interface Shown {
  readonly hidden: readonly string[];
  readonly names: Readonly<Record<string, string>>;
}

const STORE = "pixelcnn-studio-runs";

/** What was hidden and renamed, kept by the browser: the folders stay as they are. */
function remembered(): Shown {
  try {
    return { hidden: [], names: {}, ...(JSON.parse(localStorage.getItem(STORE) ?? "{}") as Partial<Shown>) };
  } catch {
    return { hidden: [], names: {} };
  }
}

export function RunsPanel(_: { model: ModelInfo }) {
  const { report, open, go } = useStudio();
  const [runs, setRuns] = useState<readonly Run[] | null>(null);
  const [curves, setCurves] = useState<ReadonlyMap<string, Curve>>(new Map());
  const [chosen, setChosen] = useState<readonly string[] | null>(null);
  const [lit, setLit] = useState<string | null>(null);
  const [shown, setShown] = useState<Shown>(remembered);
  const [axis, setAxis] = useState<Axis>("step");
  const [logX, setLogX] = useState(false);
  const [logY, setLogY] = useState(false);
  const [smoothing, setSmoothing] = useState(0.6);
  const [live, setLive] = useState(false);

  const load = useCallback(async (): Promise<readonly Run[]> => {
    const response = await fetch("api/runs");
    if (!response.ok) throw new Error(`the server answered ${response.status}`);
    const list = (await response.json()) as Run[];
    setRuns(list);
    setChosen((now) => now ?? list.slice(0, 6).map(({ id }) => id));
    return list;
  }, []);

  useEffect(() => {
    const events = new EventSource("api/events");
    load().catch((error) => report(`cannot read the runs: ${(error as Error).message}`));
    events.onopen = () => setLive(true);
    events.onerror = () => setLive(false);
    events.addEventListener("runs", (event) => {
      const ids = JSON.parse((event as MessageEvent<string>).data) as string[];
      if (ids.length === 0) void load().catch(() => setLive(false));
      else
        setCurves(
          (now) => new Map([...now].map(([id, curve]) => [id, ids.includes(id) ? { ...curve, stale: true } : curve])),
        );
    });
    return () => events.close();
  }, [load, report]);

  useEffect(() => localStorage.setItem(STORE, JSON.stringify(shown)), [shown]);

  // Reads what is new of the chosen logs.
  useEffect(() => {
    let over = false;
    const read = async (): Promise<void> => {
      for (const id of chosen ?? []) {
        let curve = curves.get(id) ?? emptyCurve;
        if (!curve.stale) continue;
        for (;;) {
          const response = await fetch(`api/runs/${id}/log?from=${curve.next}`);
          if (!response.ok || over) break;
          const { text, next } = (await response.json()) as { text: string; next: number };
          const before = curve.next;
          curve = grow(curve, text, next);
          if (next === before) break;
        }
        if (over) return;
        const read = { ...curve, stale: false };
        setCurves((now) => new Map([...now, [id, read]]));
      }
    };
    void read().catch(() => setLive(false));
    return () => {
      over = true;
    };
  }, [chosen, curves]);

  const listed = useMemo(() => (runs ?? []).filter(({ id }) => !shown.hidden.includes(id)), [runs, shown.hidden]);
  const nameOf = (run: Run): string => shown.names[run.id] ?? run.name;
  const visible = listed.filter(({ id }) => chosen?.includes(id));
  // By identity: a run keeps its colour while the order of the list changes.
  const places = useMemo(() => (runs ?? []).map(({ id }) => id).sort(), [runs]);
  const colourOf = (id: string): string => COLOURS[places.indexOf(id) % COLOURS.length]!;

  const lines = useMemo((): { train: Line[]; test: Line[] } => {
    const make = (kind: "steps" | "tests"): Line[] =>
      visible.flatMap((run) => {
        const curve = curves.get(run.id);
        const points = curve?.[kind] ?? [];
        if (points.length === 0) return [];
        const values = points.map(({ value }) => value);
        return [
          {
            id: run.id,
            name: nameOf(run),
            colour: colourOf(run.id),
            x: points.map((point) => point[axis]),
            y: kind === "steps" ? smoothed(values, smoothing) : values,
            lit: lit === null || lit === run.id,
            dots: kind === "tests",
          },
        ];
      });
    return { train: make("steps"), test: make("tests") };
  }, [visible, curves, axis, smoothing, lit, shown.names]);

  const table = visible.map((run) => ({ run, name: nameOf(run), curve: curves.get(run.id) ?? emptyCurve }));
  const unit = table.find(({ curve }) => curve.unit !== "")?.curve.unit || "loss";

  return (
    <section class="panel runs" aria-labelledby="runs-title">
      <div class="controls">
        <h2 id="runs-title">Runs</h2>
        <p class="lead">
          {runs === null
            ? "Looking for runs …"
            : runs.length === 0
              ? "There is no run in these folders; “pixelcnn train mnist --out runs/digits” begins one."
              : `${counted(runs.length, "run")}; ${live ? "curves grow while a run trains" : "not connected"}.`}
        </p>
        <ul class="run-list">
          {listed.map((run) => (
            <li
              key={run.id}
              class={lit === run.id ? "lit" : ""}
              onMouseEnter={() => setLit(run.id)}
              onMouseLeave={() => setLit(null)}
            >
              <label>
                <input
                  type="checkbox"
                  checked={chosen?.includes(run.id) ?? false}
                  onChange={(event) =>
                    setChosen((now) =>
                      event.currentTarget.checked
                        ? [...(now ?? []), run.id]
                        : (now ?? []).filter((id) => id !== run.id),
                    )
                  }
                />
                <i style={{ background: colourOf(run.id) }} />
                <span>{nameOf(run)}</span>
                <small>{[run.family, run.data].filter(Boolean).join(", ")}</small>
              </label>
              <span class="tools">
                <button
                  type="button"
                  onClick={() => {
                    const name = prompt("Name in this page", nameOf(run));
                    if (name) setShown((now) => ({ ...now, names: { ...now.names, [run.id]: name } }));
                  }}
                >
                  Rename
                </button>
                <button type="button" onClick={() => setShown((now) => ({ ...now, hidden: [...now.hidden, run.id] }))}>
                  Hide
                </button>
                {run.weights && (
                  <button
                    type="button"
                    onClick={async () => {
                      const files = await modelOf(run.id).catch((error: Error) => report(error.message));
                      if (files && (await open(files, nameOf(run)))) go("play");
                    }}
                  >
                    Open
                  </button>
                )}
              </span>
            </li>
          ))}
        </ul>
        {shown.hidden.length > 0 && (
          <button type="button" class="button quiet" onClick={() => setShown((now) => ({ ...now, hidden: [] }))}>
            Show {shown.hidden.length} hidden
          </button>
        )}
        <Choices
          label="Along the axis"
          options={(["step", "images", "minutes"] as const).map((value) => ({
            value,
            text: value === "step" ? "steps" : value,
          }))}
          value={axis}
          onPick={setAxis}
        />
        <div class="row">
          <Toggle label="Log x" value={logX} onChange={setLogX} />
          <Toggle label="Log y" value={logY} onChange={setLogY} />
        </div>
        <Range
          label="Smoothing"
          says="of the training loss"
          min={0}
          max={0.99}
          step={0.01}
          value={smoothing}
          onInput={setSmoothing}
        />
      </div>
      <div class="stage charts">
        <Chart title={`Training loss, ${unit}`} axis={axis} lines={lines.train} logX={logX} logY={logY} sync="runs" />
        <Chart title={`Test, ${unit}`} axis={axis} lines={lines.test} logX={logX} logY={logY} sync="runs" />
        <Figures rows={table} />
        <Settings rows={table.map(({ run, name }) => ({ run, name }))} />
        <Pictures runs={visible} nameOf={nameOf} />
      </div>
    </section>
  );
}

/** The two files of a run's model. */
async function modelOf(id: string): Promise<Record<string, File>> {
  const files: Record<string, File> = {};
  for (const name of ["config.json", "model.safetensors"]) {
    const response = await fetch(`api/runs/${id}/${name}`);
    if (!response.ok) throw new Error(`cannot read ${name} of the run: the server answered ${response.status}`);
    files[name] = new File([await response.arrayBuffer()], name);
  }
  return files;
}
