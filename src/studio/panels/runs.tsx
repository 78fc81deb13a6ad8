/** The runs of this machine, served by `pixelcnn studio`: live curves, samples, settings and test figures. */

import { useCallback, useEffect, useMemo, useRef, useState } from "preact/hooks";
import { type LogCurve, NO_POINTS } from "../../runs/log-curve.ts";
import { smoothed } from "../../runs/log-entries.ts";
import { counted } from "../../words.ts";
import { Chart, COLOURS, type Line } from "../chart.tsx";
import type { ModelInfo } from "../client.ts";
import { Choices, Range, Toggle } from "../controls.tsx";
import { type Curve, emptyCurve, type Run } from "../run-data.ts";
import { useStudio } from "../studio.ts";
import { Figures, Pictures, Settings } from "./run-tables.tsx";

type Axis = "step" | "images" | "minutes";

interface Shown {
  readonly hidden: readonly string[];
  readonly names: Readonly<Record<string, string>>;
}

const STORE = "pixelcnn-studio-runs";
/** Curves that are asked for together at first, then as many as are there four times: after each lot all is drawn. */
const TOGETHER = 100;

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
  const reading = useRef(false);

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

  // Reads the curves of the chosen runs that are new or have grown, some together.
  useEffect(() => {
    const stale = (chosen ?? [])
      .filter((id) => (curves.get(id) ?? emptyCurve).stale)
      .slice(0, Math.max(TOGETHER, 4 * curves.size));
    if (stale.length === 0 || reading.current) return;
    reading.current = true;
    const read = async (id: string): Promise<[string, Curve]> => {
      const response = await fetch(`api/runs/${id}/curve`);
      const found = response.ok ? ((await response.json()) as LogCurve) : (curves.get(id) ?? emptyCurve);
      return [id, { ...found, stale: false }];
    };
    void Promise.all(stale.map(read))
      .then((found) => setCurves((now) => new Map([...now, ...found])))
      .catch(() => setLive(false))
      .finally(() => {
        reading.current = false;
      });
  }, [chosen, curves]);

  const listed = useMemo(() => (runs ?? []).filter(({ id }) => !shown.hidden.includes(id)), [runs, shown.hidden]);
  const nameOf = (run: Run): string => shown.names[run.id] ?? run.name;
  const visible = useMemo(() => {
    const asked = new Set(chosen);
    return listed.filter(({ id }) => asked.has(id));
  }, [listed, chosen]);
  // By identity: a run keeps its colour while the order of the list changes.
  const places = useMemo(
    () =>
      new Map(
        (runs ?? [])
          .map(({ id }) => id)
          .sort()
          .map((id, i) => [id, i]),
      ),
    [runs],
  );
  const colourOf = (id: string): string => COLOURS[places.get(id)! % COLOURS.length]!;

  const lines = useMemo((): { train: Line[]; test: Line[] } => {
    const make = (kind: "steps" | "tests" | "onMore"): Line[] =>
      visible.flatMap((run) => {
        const points = curves.get(run.id)?.[kind] ?? NO_POINTS;
        if (points.value.length === 0) return [];
        return [
          {
            id: run.id,
            name: nameOf(run),
            colour: colourOf(run.id),
            x: points[axis],
            y: kind === "steps" ? smoothed(points.value, smoothing) : points.value,
            dots: kind !== "steps",
            joined: kind !== "onMore",
          },
        ];
      });
    return { train: make("steps"), test: [...make("tests"), ...make("onMore")] };
  }, [visible, curves, axis, smoothing, shown.names]);

  const chart = { axis, logX, logY, lit, sync: "runs" };
  const table = visible.map((run) => ({ run, name: nameOf(run), curve: curves.get(run.id) ?? emptyCurve }));
  const units = new Set(table.flatMap(({ curve }) => curve.unit || []));
  const unit = units.size > 1 ? "each run in its own unit" : ([...units][0] ?? "loss");

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
        {listed.length > 1 && (
          <div class="row">
            <button type="button" class="button quiet" onClick={() => setChosen(listed.map(({ id }) => id))}>
              Choose all
            </button>
            <button type="button" class="button quiet" onClick={() => setChosen([])}>
              Choose none
            </button>
          </div>
        )}
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
          label="Horizontal axis"
          options={(["step", "images", "minutes"] as const).map((value) => ({
            value,
            text: value === "step" ? "steps" : value,
          }))}
          value={axis}
          onPick={setAxis}
        />
        <div class="row wide">
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
        <Chart title={`Training loss, ${unit}`} lines={lines.train} {...chart} />
        <Chart
          title={`Test, ${unit}`}
          lines={lines.test}
          {...chart}
          note={
            lines.test.some(({ joined }) => !joined)
              ? "A ring is a test on more images than the others of its run, such as the one at its end. " +
                "Other images may be harder or easier, so no line leads to it."
              : undefined
          }
        />
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
