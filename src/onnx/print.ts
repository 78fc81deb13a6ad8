/** A graph as text, one operator per line, for error messages and for tests that pin what a graph holds. */

import { sizeOf } from "../tensor.ts";
import type { Graph, Value } from "./graph.ts";

function operand(value: Value): string {
  if (!value.constant) return value.name;
  const { data, shape } = value.constant;
  if (sizeOf(shape) > 8) return `${value.name}:${value.dtype}[${shape}]`;
  const numbers = Array.from(data as ArrayLike<number | bigint>).join(" ");
  return shape.length === 0 ? numbers : `[${numbers}]`;
}

/** The text of a graph: inputs, then nodes in order (`v3:float32[2,4] = Add(v1, v2)  # scope`), then outputs. */
export function printGraph(graph: Graph): string {
  const lines = graph.inputs.map((v) => `input ${v.name}:${v.dtype}[${v.shape}]`);
  for (const node of graph.nodes) {
    const attributes = Object.entries(node.attributes).map(
      ([k, v]) => `${k}=${typeof v === "object" && "float" in v ? v.float : Array.isArray(v) ? `[${v}]` : v}`,
    );
    const scope = node.scope ? `  # ${node.scope}` : "";
    lines.push(
      `${node.output.name}:${node.output.dtype}[${node.output.shape}] = ` +
        `${node.op}(${[...node.inputs.map(operand), ...attributes].join(", ")})${scope}`,
    );
  }
  for (const { name, value } of graph.outputs) lines.push(`output ${name} = ${value.name}`);
  return lines.join("\n");
}
