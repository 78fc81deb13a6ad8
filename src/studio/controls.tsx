/** The studio's form controls. */

import { useId } from "preact/hooks";

interface RangeProps {
  readonly label: string;
  readonly says: string;
  readonly min: number;
  readonly max: number;
  readonly step: number;
  readonly value: number;
  readonly onInput: (value: number) => void;
}

export function Range({ label, says, value, onInput, ...range }: RangeProps) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>
        {label} <output>{range.step >= 1 ? value : value.toFixed(2)}</output> <small>{says}</small>
      </label>
      <input
        id={id}
        type="range"
        {...range}
        value={value}
        onInput={(event) => onInput(event.currentTarget.valueAsNumber)}
      />
    </div>
  );
}

interface ChoicesProps<T> {
  readonly label: string;
  readonly options: readonly { readonly value: T; readonly text: string }[];
  readonly value: T;
  readonly onPick: (value: T) => void;
}

export function Choices<T>({ label, options, value, onPick }: ChoicesProps<T>) {
  return (
    <fieldset class="choices">
      <legend>{label}</legend>
      {options.map((option) => (
        <button
          type="button"
          key={option.text}
          class="chip"
          aria-pressed={option.value === value}
          onClick={() => onPick(option.value)}
        >
          {option.text}
        </button>
      ))}
    </fieldset>
  );
}

interface ConditionProps {
  readonly classes: readonly string[];
  readonly value: number | null;
  readonly onPick: (value: number | null) => void;
}

export function ConditionChoice({ classes, value, onPick }: ConditionProps) {
  const options = [
    { value: null as number | null, text: "any" },
    ...classes.map((text, i) => ({ value: i as number | null, text })),
  ];
  return <Choices label="Class" options={options} value={value} onPick={onPick} />;
}

interface SeedProps {
  readonly value: number;
  readonly onInput: (value: number) => void;
  readonly onEnter: (value: number) => void;
}

export function Seed({ value, onInput, onEnter }: SeedProps) {
  const id = useId();
  return (
    <div class="field seed">
      <label for={id}>Seed</label>
      <input
        id={id}
        type="number"
        min={0}
        max={Number.MAX_SAFE_INTEGER}
        step={1}
        value={value}
        onInput={(event) => {
          const typed = event.currentTarget.valueAsNumber;
          if (Number.isSafeInteger(typed) && typed >= 0) onInput(typed);
        }}
        onKeyDown={(event) => event.key === "Enter" && onEnter(value)}
      />
      <button type="button" class="button" onClick={() => onEnter(value)}>
        Draw this seed
      </button>
    </div>
  );
}

interface ToggleProps {
  readonly label: string;
  readonly value: boolean;
  readonly onChange: (value: boolean) => void;
}

export function Toggle({ label, value, onChange }: ToggleProps) {
  return (
    <label class="toggle">
      <input type="checkbox" checked={value} onChange={(event) => onChange(event.currentTarget.checked)} />
      {label}
    </label>
  );
}

interface FilesProps {
  readonly label: string;
  readonly accept: string;
  readonly multiple?: boolean;
  readonly onFiles: (files: File[]) => void;
}

/** A button that asks for files. */
export function Files({ label, accept, multiple = false, onFiles }: FilesProps) {
  return (
    <label class="button">
      {label}
      <input
        type="file"
        class="hidden"
        accept={accept}
        multiple={multiple}
        onChange={(event) => {
          const files = [...(event.currentTarget.files ?? [])];
          event.currentTarget.value = "";
          if (files.length > 0) onFiles(files);
        }}
      />
    </label>
  );
}
