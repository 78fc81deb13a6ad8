/**
 * Reverse-mode differentiation over a graph: one walk from the loss back to the inputs, one rule an operator
 * (rules.ts). The result is ordinary nodes in the same graph. Nothing is traced and nothing is executed here.
 */

import { fail } from "../errors.ts";
import type { Composite, Node, Value } from "../onnx/graph.ts";
import { add, reshape } from "../onnx/ops.ts";
import { printGraph } from "../onnx/print.ts";
import { sameShape } from "../tensor.ts";
import { compositeRules, rules } from "./rules.ts";

/** What made a value, as the walk sees it: a composite where there is one, else its node. */
function makerOf(
  value: Value,
): { op: string; inputs: readonly Value[]; node: Node | null; composite: Composite | null } | null {
  const composite = value.graph.composites.get(value) ?? null;
  if (composite) return { op: composite.op, inputs: composite.inputs, node: value.node, composite };
  return value.node ? { op: value.node.op, inputs: value.node.inputs, node: value.node, composite: null } : null;
}

/** Values in an order where each comes after all that it needs. */
function sorted(last: Value): Value[] {
  const order: Value[] = [];
  const seen = new Set<Value>();
  const stack: [Value, boolean][] = [[last, false]];
  for (let item = stack.pop(); item; item = stack.pop()) {
    const [value, done] = item;
    if (done) order.push(value);
    else if (!seen.has(value)) {
      seen.add(value);
      stack.push([value, true]);
      for (const input of makerOf(value)?.inputs ?? []) stack.push([input, false]);
    }
  }
  return order;
}

export interface GradOptions {
  /**
   * Pieces that a product over all pixels of a batch (a weight's derivative) is cut into and summed. 1, the default, on
   * a CPU; on a GPU a tall product that is not cut keeps only a handful of workgroups busy.
   */
  readonly splitInner?: number;
}

/**
 * Derivatives of a scalar `loss` with respect to each of `targets` (graph inputs or any values on the way), in their
 * shapes. A target that the loss does not depend on is an error: in this house it is always a mistake.
 */
export function grad(loss: Value, targets: readonly Value[], { splitInner = 1 }: GradOptions = {}): Value[] {
  const { graph } = loss;
  if (loss.shape.length !== 0)
    fail("internal", `expected a scalar loss but received ${loss.name}:${loss.dtype}[${loss.shape}]`);
  const order = sorted(loss);

  // Only values between a target and the loss need a cotangent.
  const active = new Set<Value>(targets);
  for (const value of order) if (makerOf(value)?.inputs.some((input) => active.has(input))) active.add(value);

  const cotangents = new Map<Value, Value>([[loss, graph.constant(loss.dtype as "float32", [], [1])]]);
  for (const value of order.reverse()) {
    const cotangent = cotangents.get(value);
    const maker = makerOf(value);
    if (!cotangent || !maker || !active.has(value)) continue;
    if (targets.includes(value) && maker.inputs.every((input) => !active.has(input))) continue;
    graph.scope("grad", () =>
      graph.scope(maker.node?.scope ?? "", () => {
        const parts = pull(value, cotangent, maker, active, splitInner);
        parts.forEach((part, i) => {
          const input = maker.inputs[i]!;
          if (!part || !active.has(input)) return;
          if (!sameShape(part.shape, input.shape)) {
            fail(
              "internal",
              `expected a cotangent of [${input.shape}] for input ${i} of ${maker.op} but its rule gave ` +
                `[${part.shape}]`,
            );
          }
          const before = cotangents.get(input);
          cotangents.set(input, before ? add(before, part) : part);
        });
      }),
    );
  }
  return targets.map((target) => {
    const result = cotangents.get(target);
    if (!result)
      return fail(
        "internal",
        `expected the loss to depend on ${target.name}:[${target.shape}] but it does not\n${printGraph(graph)}`,
      );
    return reshape(result, target.shape);
  });
}

function pull(
  y: Value,
  dy: Value,
  maker: NonNullable<ReturnType<typeof makerOf>>,
  active: ReadonlySet<Value>,
  splitInner: number,
): readonly (Value | null)[] {
  const needed = maker.inputs.map((input) => active.has(input));
  if (maker.composite) {
    const rule = compositeRules[maker.op];
    if (rule) return rule({ y, dy, inputs: maker.inputs, needed, splitInner, settings: maker.composite.settings });
  } else {
    const rule = rules[maker.op];
    if (rule) return rule({ y, dy, inputs: maker.inputs, needed, splitInner, node: maker.node! });
  }
  return fail(
    "internal",
    `expected a derivative rule for operator ${maker.op} but the table has none; it makes ${y.name} ` +
      `in:\n${printGraph(y.graph)}`,
  );
}
