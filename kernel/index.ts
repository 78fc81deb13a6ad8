// The exact engine's arithmetic in WebAssembly SIMD: strict IEEE 754, no relaxed SIMD, no fused operations, so the same
// bits come out on every machine. It only computes: loops over pixels and layers, and all memory layout, are in
// src/exact.

export { product } from "./product";
export { cell, exp, gate, log, logistic, relu, tanh } from "./functions";
export { bins } from "./bins";
export { frequencies, intervals } from "./frequencies";
