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
import type { DType, Shape } from "../tensor.ts";
import type { Attribute, Graph, Value } from "./graph.ts";

export const OPSET = 17;
const ELEMENT_TYPES: Record<DType, number> = { float32: 1, uint8: 2, int32: 6, int64: 7, bool: 9, float64: 11 };

export interface ProtoOptions {
  /** Keys and values kept in the file, such as a config. */
  metadata?: Record<string, string>;
}

/** Serialises the nodes that the outputs need, in order. */
export function toOnnx(graph: Graph, { metadata = {} }: ProtoOptions = {}): Uint8Array {
  const needed = neededValues(graph);
  const outputNames = new Map<Value, string>();
  for (const { name, value } of graph.outputs) if (!outputNames.has(value) && value.node) outputNames.set(value, name);
  const nameOf = (v: Value): string => outputNames.get(v) ?? v.name;

  const nodes = graph.nodes
    .filter((n) => needed.has(n.output))
    .map((n) =>
      create(NodeProtoSchema, {
        opType: n.op,
        name: `${n.scope ? `${n.scope}/` : ""}${n.op}_${n.id}`,
        input: n.inputs.map(nameOf),
        output: [nameOf(n.output)],
        attribute: Object.entries(n.attributes).map(([name, value]) => attribute(name, value)),
      }),
    );
  // An output that is an input, a constant, or a second name of a value needs a node of its own.
  for (const { name, value } of graph.outputs) {
    if (nameOf(value) !== name) nodes.push(create(NodeProtoSchema, { opType: "Identity", name: `output/${name}`, input: [nameOf(value)], output: [name] }));
  }
  const proto = create(ModelProtoSchema, {
    irVersion: 8n,
    producerName: "pixelcnn",
    opsetImport: [create(OperatorSetIdProtoSchema, { domain: "", version: BigInt(OPSET) })],
    metadataProps: Object.entries(metadata).map(([key, value]) => create(StringStringEntryProtoSchema, { key, value })),
    graph: create(GraphProtoSchema, {
      name: graph.name,
      node: nodes,
      input: graph.inputs.map((v) => valueInfo(v.name, v.dtype, v.shape)),
      output: graph.outputs.map(({ name, value }) => valueInfo(name, value.dtype, value.shape)),
      initializer: graph.constants
        .filter((v) => needed.has(v))
        .map((v) => {
          const { buffer, byteOffset, byteLength } = v.constant!.data;
          return create(TensorProtoSchema, {
            name: v.name,
            dataType: ELEMENT_TYPES[v.dtype],
            dims: v.shape.map(BigInt),
            rawData: new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength),
          });
        }),
    }),
  });
  return toBinary(ModelProtoSchema, proto);
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

function valueInfo(name: string, dtype: DType, shape: Shape) {
  const dim = shape.map((n) => create(TensorShapeProto_DimensionSchema, { value: { case: "dimValue", value: BigInt(n) } }));
  const tensorType = create(TypeProto_TensorSchema, { elemType: ELEMENT_TYPES[dtype], shape: create(TensorShapeProtoSchema, { dim }) });
  return create(ValueInfoProtoSchema, { name, type: create(TypeProtoSchema, { value: { case: "tensorType", value: tensorType } }) });
}

function attribute(name: string, value: Attribute) {
  if (typeof value === "number") return create(AttributeProtoSchema, { name, type: AttributeProto_AttributeType.INT, i: BigInt(value) });
  if (typeof value === "string") return create(AttributeProtoSchema, { name, type: AttributeProto_AttributeType.STRING, s: new TextEncoder().encode(value) });
  if ("float" in value) return create(AttributeProtoSchema, { name, type: AttributeProto_AttributeType.FLOAT, f: value.float });
  return create(AttributeProtoSchema, { name, type: AttributeProto_AttributeType.INTS, ints: value.map(BigInt) });
}
