/**
 * A run's config out of a preset or a file, `--set key=value`, the budget's flags, and what the data say.
 * Every key is checked against the schema before the data are opened; an unknown one names the nearest.
 */

import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { z } from "zod";
import { readNpy } from "../data/npy.ts";
import { fail, parseJson } from "../errors.ts";
import { codesKind, modelSchema } from "../models/families.ts";
import { parseStrict } from "../models/schema.ts";
import { didYouMean } from "../nearest.ts";
import {
  conditionSourceSchema,
  dataSchema,
  draftSchema,
  type RunDraft,
  type TrainConfig,
  trainSchema,
} from "../train/config.ts";
import type { ConditionWish } from "./condition-source.ts";
import { PRESETS, type Preset, type PresetName, presetNames } from "./presets.ts";
import { readOrFail } from "./run-folder.ts";

/** Dotted names of every field of a schema, the objects inside it too. */
function keysOf(schema: unknown, prefix: string): string[] {
  if (schema instanceof z.ZodObject) {
    return Object.entries(schema.shape).flatMap(([name, field]) => {
      const key = prefix ? `${prefix}.${name}` : name;
      return [key, ...keysOf(field, key)];
    });
  }
  if (schema instanceof z.ZodUnion) return schema.options.flatMap((option: unknown) => keysOf(option, prefix));
  if (
    schema instanceof z.ZodDefault ||
    schema instanceof z.ZodPrefault ||
    schema instanceof z.ZodNullable ||
    schema instanceof z.ZodOptional
  ) {
    return keysOf(schema.unwrap(), prefix);
  }
  return [];
}

/** Every key that --set and a config file may hold. */
export const configKeys: readonly string[] = [
  ...keysOf(dataSchema, "data"),
  ...new Set(keysOf(modelSchema, "model")),
  ...new Set(keysOf(conditionSourceSchema, "condition")),
  ...keysOf(trainSchema, "train"),
];

type Tree = Record<string, unknown>;
const isTree = (value: unknown): value is Tree => typeof value === "object" && value !== null && !Array.isArray(value);

function checkKeys(tree: Tree, where: string, prefix = ""): void {
  for (const [name, value] of Object.entries(tree)) {
    const key = prefix ? `${prefix}.${name}` : name;
    if (["format", "data", "model", "condition", "train"].includes(key) || configKeys.includes(key)) {
      if (isTree(value)) checkKeys(value, where, key);
    } else
      fail("usage", `expected a key of the run config in ${where} but received ${key}${didYouMean(key, configKeys)}`);
  }
}

/** `key=value` as a key and a value: JSON where it is JSON, otherwise the text itself. */
export function readSetting(setting: string): { key: string; value: unknown } {
  const at = setting.indexOf("=");
  if (at <= 0)
    fail("usage", `expected key=value for --set, such as train.rate=1e-3, but received ${JSON.stringify(setting)}`);
  const key = setting.slice(0, at).trim();
  const text = setting.slice(at + 1);
  if (!configKeys.includes(key))
    fail("usage", `expected a key of the run config for --set but received ${key}${didYouMean(key, configKeys)}`);
  if (key === "data.source") fail("usage", "expected the data as the command's argument, not as --set data.source");
  try {
    return { key, value: JSON.parse(text) };
  } catch {
    return { key, value: text };
  }
}

function assign(tree: Tree, key: string, value: unknown): void {
  const path = key.split(".");
  const name = path.pop()!;
  for (const part of path) {
    if (!isTree(tree[part])) tree[part] = {};
    tree = tree[part] as Tree;
  }
  tree[name] = value;
}

export function valueAt(tree: unknown, key: string): unknown {
  return key.split(".").reduce<unknown>((inside, part) => (isTree(inside) ? inside[part] : undefined), tree);
}

export interface DraftOptions {
  readonly preset?: string | undefined;
  /** A config file instead of a preset. */
  readonly file?: string | undefined;
  /** `key=value` each. */
  readonly settings: readonly string[];
  readonly budget?: TrainConfig["budget"] | undefined;
  readonly seed?: number | undefined;
  /** `--condition`. */
  readonly condition?: ConditionWish | undefined;
  readonly fallback: PresetName;
}

/** The config before the data are known. */
export async function draftRun(options: DraftOptions): Promise<{ draft: RunDraft; origin: string }> {
  const { preset, file, settings, budget, seed, condition, fallback } = options;
  if (preset !== undefined && file !== undefined) fail("usage", "expected --preset or --config but received both");
  const name = preset ?? fallback;
  const known = presetNames.find((p) => p === name);
  if (!known)
    fail(
      "usage",
      `expected a preset (${presetNames.join(", ")}) but received ` +
        `${JSON.stringify(name)}${didYouMean(name, presetNames)}`,
    );
  let draft: RunDraft;
  if (file !== undefined) draft = await readDraft(file);
  else {
    const { data, model, train, condition = null } = structuredClone(PRESETS[known!] as Preset);
    draft = { format: 1, data, model, condition, train };
  }
  if (condition) {
    // What a preset or a file says of it is of another condition; how wide m(h) is stays, where both come from the
    // same.
    const features =
      draft.condition?.from === condition.source.from ? valueAt(draft.model, "condition.features") : undefined;
    delete draft.model.condition;
    if (features !== undefined) draft.model.condition = { features };
    draft.condition = condition.source;
    if (condition.vectors !== undefined) draft.data.vectors = condition.vectors;
  }
  for (const setting of settings) {
    const { key, value } = readSetting(setting);
    // A budget is one of three; setting one of them replaces another.
    if (key.startsWith("train.budget.")) draft.train.budget = {};
    assign(draft, key, value);
  }
  if (budget) draft.train.budget = budget;
  if (seed !== undefined) draft.train.seed = seed;
  if (typeof draft.data.vectors === "string") {
    const { vectors } = draft.data;
    // A path from any folder, so that the run resumes from any.
    draft.data.vectors = resolve(vectors);
    const map = draft.condition?.from === "vectors" ? await mapIn(vectors) : null;
    if (map) draft.model.condition = { ...map, ...(isTree(draft.model.condition) ? draft.model.condition : {}) };
  }
  // Its own errors come now, not after the data were read.
  parseStrict(trainSchema, draft.train, "the train part of the run config");
  const model = parseStrict(
    modelSchema,
    { height: 1, width: 1, channels: 1, levels: 2, ...withoutCondition(draft.model) },
    "the model part of the run config",
  );
  draft.condition = parseStrict(
    conditionSourceSchema.nullable(),
    draft.condition,
    "the condition part of the run config",
  );
  const codes = codesKind(model);
  if (draft.condition && codes)
    fail(
      "usage",
      `expected no --condition for a model of family ${model.family}: ` +
        (codes === "embedding"
          ? "it draws no images"
          : "its decoder is conditioned on what its own encoder makes of each image"),
    );
  if (draft.condition?.from === "vectors" && draft.data.vectors === undefined)
    fail(
      "usage",
      "expected a .npy file for the condition, --condition vectors:F.npy or data.vectors, but received none",
    );
  return { draft, origin: file ?? `preset ${name}` };
}

/** Rows of [h, w, c] are maps. */
async function mapIn(file: string): Promise<{ kind: "map"; height: number; width: number; channels: number } | null> {
  const bytes = await readOrFail(file, `expected a .npy file at ${file} but there is none`);
  const { shape } = readNpy(bytes, file);
  return shape.length === 4 ? { kind: "map", height: shape[1]!, width: shape[2]!, channels: shape[3]! } : null;
}

/** A condition is whole only when the data are known. */
function withoutCondition({ condition: _, ...model }: RunDraft["model"]): RunDraft["model"] {
  return model;
}

async function readDraft(file: string): Promise<RunDraft> {
  const missing = `expected a config file at ${file} but there is none`;
  const text = (await readOrFail(file, missing, `cannot read the config file ${file}`)).toString();
  const json = parseJson(text, (error) =>
    fail("usage", `expected JSON in the config file ${file} but ${error.message}`, error),
  );
  if (isTree(json)) checkKeys(json, file);
  const draft = parseStrict(draftSchema, json, `the config file ${file}`);
  const { condition } = draft;
  // The encoder of another run lies in its folder, beside its config.
  if (condition?.from !== "encoder" || !existsSync(join(dirname(file), condition.model, "config.json"))) return draft;
  return { ...draft, condition: { ...condition, model: join(dirname(file), condition.model) } };
}
