/**
 * A graph as an ONNX file. The only importer of the protobuf library.
 * Opset 17 and IR 8: every operator that we use is in them, and older checkers and runtimes read them.
 */

import { create, toBinary } from "@bufbuild/protobuf";
import {
  AttributeProto_AttributeType,
  AttributeProtoSchema,
  GraphProtoSchema,
  ModelProtoSchema,
  NodeProtoSchema,
  OperatorSetIdProtoSchema,
  StringStringEntryProtoSchema,
  TensorProtoSchema,
  TensorShapeProto_DimensionSchema,
  TensorShapeProtoSchema,
  TypeProto_TensorSchema,
  TypeProtoSchema,
  ValueInfoProtoSchema,
} from "onnx-buf";
import { fail } from "../errors.ts";
import type { DType, Shape, Tensor } from "../tensor.ts";
import type { Attribute, Graph, Node, Value } from "./graph.ts";

export const OPSET = 17;
const ELEMENT_TYPES: Record<DType, number> = { float32: 1, uint8: 2, int32: 6, int64: 7, bool: 9, float64: 11 };

export interface ProtoOptions {
  /** Keys and values kept in the file, such as a config. */
  metadata?: Record<string, string>;
  /** Name of a free first dimension for every input and output, in a graph that was built for a batch of 1. */
  symbolicBatch?: string;
}

/** Serialises the nodes that the outputs need, in order. */
export function toOnnx(graph: Graph, { metadata = {}, symbolicBatch }: ProtoOptions = {}): Uint8Array {
  const needed = neededValues(graph);
  const freed = symbolicBatch === undefined ? new Map<Node, Value>() : freedTargets(graph);
  const outputNames = new Map<Value, string>();
  for (const { name, value } of graph.outputs) if (!outputNames.has(value) && value.node) outputNames.set(value, name);
  const nameOf = (v: Value): string => outputNames.get(v) ?? v.name;

  const nodes = graph.nodes
    .filter((n) => needed.has(n.output))
    .map((n) =>
      create(NodeProtoSchema, {
        opType: n.op,
        name: `${n.scope ? `${n.scope}/` : ""}${n.op}_${n.id}`,
        input: n.inputs.map((v, i) => (i === 1 && freed.has(n) ? freedName(v) : nameOf(v))),
        output: [nameOf(n.output)],
        attribute: Object.entries(n.attributes).map(([name, value]) => attribute(name, value)),
      }),
    );
  // An output that is an input, a constant, or a second name of a value needs a node of its own.
  for (const { name, value } of graph.outputs) {
    if (nameOf(value) !== name)
      nodes.push(
        create(NodeProtoSchema, { opType: "Identity", name: `output/${name}`, input: [nameOf(value)], output: [name] }),
      );
  }
  const stillUsed = new Set(
    graph.nodes
      .filter((n) => needed.has(n.output))
      .flatMap((n) => n.inputs.filter((_, i) => !(i === 1 && freed.has(n)))),
  );
  const used = (v: Value): boolean => freed.size === 0 || stillUsed.has(v) || graph.outputs.some((o) => o.value === v);
  const proto = create(ModelProtoSchema, {
    irVersion: 8n,
    producerName: "pixelcnn",
    opsetImport: [create(OperatorSetIdProtoSchema, { domain: "", version: BigInt(OPSET) })],
    metadataProps: Object.entries(metadata).map(([key, value]) => create(StringStringEntryProtoSchema, { key, value })),
    graph: create(GraphProtoSchema, {
      name: graph.name,
      node: nodes,
      input: graph.inputs.map((v) => valueInfo(v.name, v.dtype, v.shape, symbolicBatch)),
      output: graph.outputs.map(({ name, value }) => valueInfo(name, value.dtype, value.shape, symbolicBatch)),
      initializer: [
        ...graph.constants.filter((v) => needed.has(v) && used(v)).map((v) => initializer(v.name, v.constant!)),
        ...[...new Set(freed.values())].map((v) =>
          initializer(freedName(v), { ...v.constant!, data: (v.constant!.data as BigInt64Array).with(0, -1n) }),
        ),
      ],
    }),
  });
  return toBinary(ModelProtoSchema, proto);
}

function initializer(name: string, { dtype, shape, data }: Tensor) {
  const { buffer, byteOffset, byteLength } = data;
  return create(TensorProtoSchema, {
    name,
    dataType: ELEMENT_TYPES[dtype],
    dims: shape.map(BigInt),
    rawData: new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength),
  });
}

const freedName = (target: Value): string => `${target.name}_any_batch`;

/**
 * The reshapes that the batch flows through, with their target shapes: each leads with a multiple of the batch, which
 * becomes -1, "what is left". All other operators take a batch of any size as it comes.
 */
function freedTargets(graph: Graph): Map<Node, Value> {
  for (const v of [...graph.inputs, ...graph.outputs.map((o) => o.value)]) {
    if (v.shape[0] !== 1)
      fail("internal", `expected a graph built for a batch of 1 but ${v.name} has shape [${v.shape}]`);
  }
  const batched = new Set<Value>(graph.inputs);
  const targets = new Map<Node, Value>();
  for (const node of graph.nodes) {
    if (!node.inputs.some((v) => batched.has(v))) continue;
    batched.add(node.output);
    if (node.op === "Reshape") targets.set(node, node.inputs[1]!);
    if (node.op === "Expand" || (node.op === "Concat" && node.attributes.axis === 0)) {
      fail(
        "internal",
        `expected no ${node.op} over the batch in a graph of any batch but ${graph.name} has ${node.output.name}`,
      );
    }
  }
  return targets;
}

/** Every value that some output depends on. */
export function neededValues(graph: Graph): Set<Value> {
  const needed = new Set<Value>();
  const stack = graph.outputs.map((o) => o.value);
  for (let v = stack.pop(); v; v = stack.pop()) {
    if (needed.has(v)) continue;
    needed.add(v);
    if (v.node) stack.push(...v.node.inputs);
  }
  return needed;
}

function valueInfo(name: string, dtype: DType, shape: Shape, symbolicBatch: string | undefined) {
  const dim = shape.map((n, i) =>
    create(TensorShapeProto_DimensionSchema, {
      value:
        i === 0 && symbolicBatch !== undefined
          ? { case: "dimParam", value: symbolicBatch }
          : { case: "dimValue", value: BigInt(n) },
    }),
  );
  const tensorType = create(TypeProto_TensorSchema, {
    elemType: ELEMENT_TYPES[dtype],
    shape: create(TensorShapeProtoSchema, { dim }),
  });
  return create(ValueInfoProtoSchema, {
    name,
    type: create(TypeProtoSchema, { value: { case: "tensorType", value: tensorType } }),
  });
}

function attribute(name: string, value: Attribute) {
  if (typeof value === "number")
    return create(AttributeProtoSchema, { name, type: AttributeProto_AttributeType.INT, i: BigInt(value) });
  if (typeof value === "string")
    return create(AttributeProtoSchema, {
      name,
      type: AttributeProto_AttributeType.STRING,
      s: new TextEncoder().encode(value),
    });
  if ("float" in value)
    return create(AttributeProtoSchema, { name, type: AttributeProto_AttributeType.FLOAT, f: value.float });
  return create(AttributeProtoSchema, { name, type: AttributeProto_AttributeType.INTS, ints: value.map(BigInt) });
}
