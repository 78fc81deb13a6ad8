/**
 * A typed dataflow graph of ONNX operators: every value knows its element type and its whole shape when it is made.
 * Operators live in ops.ts, text in print.ts, the file format in proto.ts, execution in session.ts.
 * There are no symbolic dimensions here: a graph is built for its sizes, and the runtime plans its memory once.
 */

import { fail } from "../errors.ts";
import { type DType, type DTypes, type Shape, type Tensor, tensor } from "../tensor.ts";

export type Attribute = number | string | readonly number[] | { readonly float: number };

export interface Value {
  readonly graph: Graph;
  readonly id: number;
  readonly dtype: DType;
  readonly shape: Shape;
  /** The node that makes it; null for graph inputs and constants. */
  readonly node: Node | null;
  /** The data of a constant. */
  readonly constant: Tensor | null;
  /** Unique within the graph. */
  readonly name: string;
}

export interface Node {
  readonly id: number;
  readonly op: string;
  readonly inputs: readonly Value[];
  readonly output: Value;
  readonly attributes: Readonly<Record<string, Attribute>>;
  /** Where in the model it was made, such as `layer3/vertical`; a "grad/" prefix marks the backward pass. */
  readonly scope: string;
}

/**
 * A value that several nodes make together but that the reverse walk treats as one operator with a rule of its own: a
 * convolution's derivative is again a convolution, which the rules of its parts would not find.
 */
export interface Composite {
  readonly op: string;
  readonly inputs: readonly Value[];
  readonly settings: unknown;
}

export class Graph {
  readonly name: string;
  /** Composites by the value they make. */
  readonly composites = new Map<Value, Composite>();
  readonly nodes: Node[] = [];
  readonly inputs: Value[] = [];
  readonly outputs: { readonly name: string; readonly value: Value }[] = [];
  readonly constants: Value[] = [];
  private readonly names = new Set<string>();
  private readonly sharedConstants = new Map<string, Value>();
  private readonly sharedNodes = new Map<string, Value>();
  private scopes: string[] = [];
  private nextId = 0;

  constructor(name = "graph") {
    this.name = name;
  }

  /** A named input of fixed shape. */
  input(name: string, dtype: DType, shape: Shape): Value {
    if (this.names.has(name))
      fail("internal", `expected a new name for a graph input but received ${JSON.stringify(name)} twice`);
    const value = this.value(dtype, shape, name, null, null);
    this.inputs.push(value);
    return value;
  }

  /** Marks a value as a named output. Output names are apart from value names. */
  output(name: string, value: Value): void {
    if (this.outputs.some((o) => o.name === name))
      fail("internal", `expected a new name for a graph output but received ${JSON.stringify(name)} twice`);
    this.outputs.push({ name, value });
  }

  /** A constant tensor; small equal ones are made once. */
  constant<D extends DType>(dtype: D, shape: Shape, data: DTypes[D] | readonly number[]): Value {
    const array = Array.isArray(data) ? fromNumbers(dtype, data as readonly number[]) : (data as DTypes[D]);
    const numbers = array as ArrayLike<number | bigint>;
    const text = (x: number | bigint): string => (Object.is(x, -0) ? "-0" : String(x));
    const key = array.length <= 16 ? `${dtype}[${shape}]${Array.from(numbers, text).join()}` : null;
    const shared = key === null ? undefined : this.sharedConstants.get(key);
    if (shared) return shared;
    const value = this.value(dtype, shape, null, null, tensor(dtype, shape, array));
    this.constants.push(value);
    if (key !== null) this.sharedConstants.set(key, value);
    return value;
  }

  /** Adds an operator with one output. Shapes are the caller's business (ops.ts). Equal nodes are made once. */
  apply(
    op: string,
    inputs: readonly Value[],
    dtype: DType,
    shape: Shape,
    attributes: Record<string, Attribute> = {},
  ): Value {
    for (const input of inputs) {
      if (input.graph !== this)
        fail(
          "internal",
          `expected all inputs of ${op} in graph ${this.name} but ${input.name} is of graph ${input.graph.name}`,
        );
    }
    const key = `${op}(${inputs.map((i) => i.id)})${JSON.stringify(attributes)}:${dtype}[${shape}]`;
    const shared = this.sharedNodes.get(key);
    if (shared) return shared;
    const id = this.nextId++;
    const node = { id, op, inputs, attributes, scope: this.scopes.join("/"), output: null as unknown as Value };
    const value = this.value(dtype, shape, null, node, null);
    node.output = value;
    this.nodes.push(node);
    this.sharedNodes.set(key, value);
    return value;
  }

  /** Builds a composite operator from ordinary nodes and records that they are one. */
  composite(op: string, inputs: readonly Value[], settings: unknown, build: () => Value): Value {
    const value = build();
    if (!this.composites.has(value)) this.composites.set(value, { op, inputs, settings });
    return value;
  }

  /** Runs `build` with `name` added to the scope of every node that it makes. */
  scope<T>(name: string, build: () => T): T {
    const before = this.scopes;
    this.scopes = [...before, name];
    try {
      return build();
    } finally {
      this.scopes = before;
    }
  }

  private value(dtype: DType, shape: Shape, wanted: string | null, node: Node | null, constant: Tensor | null): Value {
    for (const n of shape)
      if (!Number.isInteger(n) || n < 0) fail("internal", `expected whole dimensions but received [${shape}]`);
    const id = node ? node.id : this.nextId++;
    const name = wanted ?? (constant ? `c${id}` : `v${id}`);
    this.names.add(name);
    return { graph: this, id, dtype, shape, node, constant, name };
  }
}

function fromNumbers<D extends DType>(dtype: D, data: readonly number[]): DTypes[D] {
  switch (dtype) {
    case "float32":
      return Float32Array.from(data) as DTypes[D];
    case "float64":
      return Float64Array.from(data) as DTypes[D];
    case "int32":
      return Int32Array.from(data) as DTypes[D];
    case "int64":
      return BigInt64Array.from(data, (n) => BigInt(n)) as DTypes[D];
    default:
      return Uint8Array.from(data) as DTypes[D];
  }
}
