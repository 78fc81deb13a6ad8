/** Below the curves of the runs: figures, settings that differ, and samples over time. */

import { useEffect, useState } from "preact/hooks";
import { writeCsv } from "../../csv.ts";
import { Range } from "../controls.tsx";
import { download } from "../pixels.tsx";
import { type Curve, type Run, settingsOf, testOf } from "../run-data.ts";

interface Row {
  readonly run: Run;
  readonly name: string;
  readonly curve: Curve;
}

const COLUMNS = ["run", "steps", "minutes", "test", "best test", "images/s"] as const;

export function Figures({ rows }: { rows: readonly Row[] }) {
  const [by, setBy] = useState(0);
  const [down, setDown] = useState(false);
  const cells = rows.map(({ name, curve }) => [
    name,
    curve.steps.step.at(-1) ?? null,
    curve.steps.minutes.at(-1) ?? null,
    testOf(curve, "last"),
    testOf(curve, "best"),
    curve.rate,
  ]);
  const sorted = [...cells].sort((a, b) => {
    const [x, y] = [a[by] ?? null, b[by] ?? null];
    if (x === null || y === null) return x === y ? 0 : x === null ? 1 : -1;
    const order = typeof x === "string" || typeof y === "string" ? String(x).localeCompare(String(y)) : x - y;
    return down ? -order : order;
  });
  const text = (value: string | number | null | undefined, column: number): string =>
    value === null || value === undefined
      ? "–"
      : typeof value === "string"
        ? value
        : column === 1
          ? String(value)
          : value.toFixed(column === 2 || column === 5 ? 1 : 3);
  return (
    <div class="figures-table">
      <div class="row">
        <h3>Figures</h3>
        <button
          type="button"
          class="button quiet"
          onClick={() =>
            download(
              "runs.csv",
              writeCsv([[...COLUMNS], ...sorted.map((row) => row.map((value) => value ?? ""))]),
              "text/csv",
            )
          }
        >
          Save as CSV
        </button>
      </div>
      <div class="scroll">
        <table>
          <thead>
            <tr>
              {COLUMNS.map((column, i) => (
                <th key={column} scope="col" aria-sort={i === by ? (down ? "descending" : "ascending") : "none"}>
                  <button
                    type="button"
                    onClick={() => {
                      setDown(i === by && !down);
                      setBy(i);
                    }}
                  >
                    {column}
                  </button>
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {sorted.map((row) => (
              <tr key={String(row[0])}>
                {row.map((value, column) => (
                  <td key={COLUMNS[column]}>{text(value, column)}</td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </div>
  );
}

/** Columns that a person can compare. */
const MOST_COMPARED = 20;

/** Settings in which the chosen runs differ. */
export function Settings({ rows }: { rows: readonly { readonly run: Run; readonly name: string }[] }) {
  const [settings, setSettings] = useState<ReadonlyMap<string, ReadonlyMap<string, string>>>(new Map());
  const ids = rows.map(({ run }) => run.id).join();
  const many = rows.length > MOST_COMPARED;
  // By identity: the rows are made anew with each render.
  useEffect(() => {
    let over = false;
    if (many) return;
    void (async () => {
      const found = new Map<string, ReadonlyMap<string, string>>();
      for (const { run } of rows) {
        const response = await fetch(`api/runs/${run.id}/config.json`);
        if (response.ok) found.set(run.id, settingsOf(await response.json()));
      }
      if (!over) setSettings(found);
    })().catch(() => undefined);
    return () => {
      over = true;
    };
  }, [ids]);
  if (rows.length < 2) return null;
  if (many) return <p class="hint">Choose at most {MOST_COMPARED} runs to compare their settings.</p>;
  const keys = [...new Set([...settings.values()].flatMap((one) => [...one.keys()]))];
  const differ = keys.filter((key) => new Set(rows.map(({ run }) => settings.get(run.id)?.get(key) ?? "–")).size > 1);
  if (differ.length === 0) return null;
  return (
    <div class="settings">
      <h3>Settings that differ</h3>
      <div class="scroll">
        <table>
          <thead>
            <tr>
              <th scope="col">setting</th>
              {rows.map(({ run, name }) => (
                <th key={run.id} scope="col">
                  {name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {differ.map((key) => (
              <tr key={key}>
                <th scope="row">{key}</th>
                {rows.map(({ run }) => (
                  <td key={run.id}>{settings.get(run.id)?.get(key) ?? "–"}</td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </div>
  );
}

/** Samples over time: the last pictures of each run, and a slider back to its first. */
export function Pictures({ runs, nameOf }: { runs: readonly Run[]; nameOf: (run: Run) => string }) {
  const [at, setAt] = useState(1);
  const drawn = runs.filter(({ pictures }) => pictures.length > 0);
  if (drawn.length === 0) return null;
  return (
    <div class="run-pictures">
      <h3>Samples over time</h3>
      <Range
        label="Time"
        says="from the first picture of each run to its last"
        min={0}
        max={1}
        step={0.01}
        value={at}
        onInput={setAt}
      />
      <div class="reaches">
        {drawn.map((run) => {
          const index = Math.round(at * (run.pictures.length - 1));
          return (
            <figure key={run.id}>
              <img
                loading="lazy"
                class="pixels"
                src={`api/runs/${run.id}/pictures/${index}`}
                alt={`Samples of ${nameOf(run)}`}
              />
              <figcaption>
                <b>{nameOf(run)}</b>
                <br />
                {run.pictures[index]}
              </figcaption>
            </figure>
          );
        })}
      </div>
    </div>
  );
}
