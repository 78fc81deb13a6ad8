/**
 * Configs as users write them: strict schemas (an unknown key is an error), made from the tables of fields, with all
 * defaults filled in.
 */

import { z } from "zod";
import { fail } from "../errors.ts";
import { expectedBy } from "../schema-words.ts";
import { conditionField, type GatedConfig, type PixelcnnConfig, type PixelcnnInput } from "./config.ts";
import type { Field, Fields, Rule } from "./fields.ts";
import { configProblems, networkFields } from "./networks.ts";

/** The schema of one field. */
export function schemaOf<Out, In>(field: Field<Out, In>): z.ZodType<Out, In> {
  const schema = ruleSchema(field.rule);
  const whole =
    field.default === undefined
      ? schema
      : field.rule.is === "kinds" && !field.rule.nullable
        ? schema.prefault({})
        : schema.default(field.default as never);
  return (field.optional ? whole.optional() : whole) as unknown as z.ZodType<Out, In>;
}

/** For the type checker, a field with a default may be left out of what is written. */
type SchemaOf<F> =
  F extends Field<infer Out, infer In>
    ? z.ZodType<Out, In> & (undefined extends In ? { readonly _zod: { readonly optin: "optional" } } : unknown)
    : never;

/** A strict object of such fields, field by field. */
export function objectOf<F extends Fields>(fields: F) {
  const shape = Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, schemaOf(field)]));
  return z.strictObject(shape as { [K in keyof F]: SchemaOf<F[K]> });
}

function ruleSchema(rule: Rule): z.ZodType {
  switch (rule.is) {
    case "integer": {
      const whole = z.int().min(rule.min).max(rule.max);
      return rule.odd ? whole.refine((n) => n % 2 === 1, "expected an odd kernel size") : whole;
    }
    case "integers":
      return z.array(ruleSchema(rule.each)).min(1);
    case "positive":
      return z.number().gt(0);
    case "names":
      return z
        .array(z.string().min(1))
        .min(rule.min)
        .max(rule.max)
        .refine((names) => new Set(names).size === names.length, "expected class names that differ");
    case "literal":
      return z.literal(rule.value);
    case "kinds": {
      const union = z.discriminatedUnion("kind", rule.kinds.map(objectOf) as unknown as [z.ZodObject]);
      return rule.nullable ? union.nullable() : union;
    }
  }
}

/** Any family that gives an image a probability; without a family, a Gated PixelCNN. */
const pixelcnnSchemas = networkFields.map((fields) =>
  objectOf(fields).superRefine((config, context) => {
    for (const { path, message } of configProblems(config as unknown as PixelcnnConfig))
      context.addIssue({ code: "custom", path: path.split("."), message });
  }),
) as unknown as [z.ZodObject];

export const conditionSchema = schemaOf(conditionField);

/** One of the families of networks.ts, and others that a caller has. */
export function familySchema<Out, In>(...others: z.ZodObject[]): z.ZodType<PixelcnnConfig | Out, PixelcnnInput | In> {
  return z.discriminatedUnion("family", [...pixelcnnSchemas, ...others] as [z.ZodObject]) as unknown as z.ZodType<
    PixelcnnConfig | Out,
    PixelcnnInput | In
  >;
}

const pixelcnnSchema = familySchema<never, never>();

type Resolved<I> = I extends { readonly family: infer N } ? Extract<PixelcnnConfig, { family: N }> : GatedConfig;

/** Checks the config of a model that gives an image a probability, and fills in the defaults. */
export function resolvePixelcnn<const I>(input: I): Resolved<I> {
  return parseStrict(pixelcnnSchema, input, "the model config") as Resolved<I>;
}

/**
 * Parses with a zod schema; every problem becomes one line of a {@link fail} that names the key, what was expected and
 * what came.
 */
export function parseStrict<S extends z.ZodType>(schema: S, input: unknown, what: string): z.output<S> {
  const result = schema.safeParse(input, { reportInput: true });
  if (result.success) return result.data;
  const lines = result.error.issues.map((issue) => {
    const where = issue.path.length > 0 ? issue.path.join(".") : "the top level";
    if (issue.code === "unrecognized_keys")
      return `${where}: unknown ${issue.keys.length > 1 ? "keys" : "key"} ${issue.keys.join(", ")}`;
    // Checks of our own that look at several fields say what came themselves.
    const received = issue.input === undefined ? "nothing" : JSON.stringify(issue.input);
    if (issue.message.includes("but received")) return `${where}: ${issue.message}`;
    if (issue.code !== "custom") return `${where}: expected ${expectedBy(issue)} but received ${received}`;
    return `${where}: ${issue.message}${issue.input === undefined ? "" : ` but received ${received}`}`;
  });
  return fail("usage", `expected ${what} to fit its schema:\n  ${lines.join("\n  ")}`);
}
