/**
 * Fields of a config as a table: what each may hold, its default, its type. One table gives the strict schema of what a
 * user writes (schema.ts, with zod) and the check of what comes from a file (here, without zod: the exact engine uses
 * it in pages).
 */

import { checkInteger, fail, show } from "../errors.ts";

/** A field whose value is `Out`; a user may write `In`. */
export interface Field<Out = unknown, In = unknown> {
  readonly rule: Rule;
  /** Stands for a field that is left out. */
  readonly default?: Out | undefined;
  /** Whether it may be absent, without a default. */
  readonly optional?: boolean;
  /** For the type checker alone. */
  readonly types?: { readonly out: Out; readonly in: In };
}

export type Rule =
  | { readonly is: "integer"; readonly min: number; readonly max: number; readonly odd?: boolean }
  | { readonly is: "integers"; readonly each: Extract<Rule, { is: "integer" }> }
  | { readonly is: "positive" }
  | { readonly is: "names"; readonly min: number; readonly max: number }
  | { readonly is: "literal"; readonly value: string }
  /** Fields of one of several kinds, which the field `kind` names; without it, of the first. `nullable`: or null. */
  | { readonly is: "kinds"; readonly kinds: readonly Fields[]; readonly nullable: boolean };

export type Fields = Readonly<Record<string, Field>>;

type OutOf<F> = F extends Field<infer Out, infer _> ? Out : never;
type InOf<F> = F extends Field<infer _, infer In> ? In : never;
type Optional<T> = { [K in keyof T]: undefined extends T[K] ? K : never }[keyof T];
/** Fields that may be undefined may be absent. */
type Loosen<T> = { readonly [K in Exclude<keyof T, Optional<T>>]: T[K] } & { readonly [K in Optional<T>]?: T[K] };
/** A resolved value of such fields. */
export type Output<F extends Fields> = Loosen<{ [K in keyof F]: OutOf<F[K]> }>;
/** What a user may write. */
export type Input<F extends Fields> = Loosen<{ [K in keyof F]: InOf<F[K]> }>;

type OutputOf<F> = F extends Fields ? Output<F> : never;
type InputOf<F> = F extends Fields ? Input<F> : never;

type Plain<T> = Field<T, T>;

export const integer = (min: number, max = 65536): Plain<number> => ({ rule: { is: "integer", min, max } });
/** Side of a kernel: odd, so that it has a middle. */
export const kernelSize: Plain<number> = { rule: { is: "integer", min: 3, max: 31, odd: true } };
export const integers = (each: Plain<number>): Plain<number[]> => ({
  rule: { is: "integers", each: each.rule as Extract<Rule, { is: "integer" }> },
});
/** A finite number above 0. */
export const positive: Plain<number> = { rule: { is: "positive" } };
/** Names that differ from each other. */
export const names = (min: number, max = 65536): Plain<string[]> => ({ rule: { is: "names", min, max } });
export const literal = <V extends string>(value: V): Plain<V> => ({ rule: { is: "literal", value } });
export const kinds = <F extends readonly Fields[]>(
  ...each: F
): Field<OutputOf<F[number]> | null, InputOf<F[number]> | null> => ({
  rule: { is: "kinds", kinds: each, nullable: true },
});
/** Fields of one of several kinds; of the first, whose kind has a default, where none is named. */
export const oneOf = <F extends readonly Fields[]>(...each: F): Field<OutputOf<F[number]>, InputOf<F[number]>> => ({
  rule: { is: "kinds", kinds: each, nullable: false },
});
export const withDefault = <Out, In>(field: Field<Out, In>, value: Out): Field<Out, In | undefined> => ({
  ...(field as Field<Out, never>),
  default: value,
});
export const optional = <Out, In>(field: Field<Out, In>): Field<Out | undefined, In | undefined> => ({
  ...(field as Field<never, never>),
  optional: true,
});

/**
 * Checks what a file says, field by field, and fills in the defaults. Fields that are not in the table are ignored: the
 * file may be of a later version.
 */
export function checkFields<F extends Fields>(table: F, given: unknown, path = ""): Output<F> {
  const from = Object(given) as Record<string, unknown>;
  const checked: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(table)) {
    const where = path === "" ? name : `${path}.${name}`;
    const value = from[name] === undefined ? field.default : from[name];
    if (value === undefined && field.optional) continue;
    checked[name] = checkRule(field.rule, value, where);
  }
  return checked as Output<F>;
}

function checkRule(rule: Rule, value: unknown, where: string): unknown {
  switch (rule.is) {
    case "integer":
      if (rule.odd && !isOdd(value, rule))
        fail("model", `expected an odd kernel size of at least 3 for ${where} but received ${show(value)}`);
      return checkInteger(where, value, rule.min, rule.max);
    case "integers":
      if (!Array.isArray(value) || value.length === 0 || (rule.each.odd && !value.every((n) => isOdd(n, rule.each))))
        return fail(
          "model",
          `expected ${rule.each.odd ? "odd kernel sizes of at least 3" : "at least one number"} for ${where} but ` +
            `received ${show(value)}`,
        );
      return value.map((n) => checkInteger(where, n, rule.each.min, rule.each.max));
    case "positive":
      if (typeof value === "number" && value > 0 && Number.isFinite(value)) return value;
      return fail("model", `expected a number above 0 for ${where} but received ${show(value)}`);
    case "names":
      if (Array.isArray(value) && value.length >= rule.min && value.every((name) => typeof name === "string"))
        return [...value];
      return fail(
        "model",
        `expected the names of at least ${rule.min} classes for ${where} but received ${show(value)}`,
      );
    case "literal":
      if (value === rule.value) return value;
      return fail("model", `expected ${show(rule.value)} for ${where} but received ${show(value)}`);
    case "kinds": {
      if (value === null && rule.nullable) return null;
      const kind = (Object(value) as { kind?: unknown }).kind ?? (rule.nullable ? undefined : kindOf(rule.kinds[0]!));
      const found = rule.kinds.find((inner) => kindOf(inner) === kind);
      if (found) return checkFields(found, value, where);
      const known = rule.kinds.map((inner) => show(kindOf(inner)));
      const words = rule.nullable
        ? `${known.join(" or ")} or none for ${where}`
        : `${known.join(" or ")} for ${where}.kind`;
      return fail("model", `expected ${words} but received ${show(kind)}`);
    }
  }
}

/** The literal that tells fields of one kind from those of another. */
export function kindOf(fields: Fields, by = "kind"): string {
  const rule = fields[by]?.rule;
  return rule?.is === "literal" ? rule.value : fail("internal", "expected fields with a kind");
}

const isOdd = (n: unknown, { min, max }: { min: number; max: number }): boolean =>
  Number.isInteger(n) && (n as number) >= min && (n as number) <= max && (n as number) % 2 === 1;
