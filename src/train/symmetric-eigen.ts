/** Eigenvalues and eigenvectors of a small symmetric matrix by Jacobi's rotations. */

export interface Eigen {
  /** Largest first, [n]. */
  readonly values: Float64Array;
  /** Orthonormal columns, [n, n], in the order of the values. */
  readonly vectors: Float64Array;
}

/** Of a [n, n], of which the lower half is taken. Exact to about 1e-14 of the largest value. */
export function symmetricEigen(a: ArrayLike<number>, n: number): Eigen {
  const m = Float64Array.from({ length: n * n }, (_, i) => {
    const [row, column] = [Math.floor(i / n), i % n];
    return a[Math.max(row, column) * n + Math.min(row, column)]!;
  });
  const v = Float64Array.from({ length: n * n }, (_, i) => (i % (n + 1) === 0 ? 1 : 0));
  const size = m.reduce((sum, x) => sum + x * x, 0);
  const offDiagonal = (): number => {
    let sum = 0;
    for (let p = 0; p < n; p++) for (let q = 0; q < p; q++) sum += m[p * n + q]! ** 2;
    return sum;
  };
  for (let sweep = 0; sweep < 50 && offDiagonal() > 1e-30 * size; sweep++)
    for (let p = 0; p < n - 1; p++) for (let q = p + 1; q < n; q++) rotate(m, v, n, p, q);
  const order = Array.from({ length: n }, (_, i) => i).sort((i, j) => m[j * n + j]! - m[i * n + i]!);
  return {
    values: Float64Array.from(order, (i) => m[i * n + i]!),
    vectors: Float64Array.from({ length: n * n }, (_, i) => v[Math.floor(i / n) * n + order[i % n]!]!),
  };
}

/** The rotation of axes p and q that makes m[p, q] zero, of m from both sides and of v from the right. */
function rotate(m: Float64Array, v: Float64Array, n: number, p: number, q: number): void {
  const off = m[p * n + q]!;
  if (off === 0) return;
  const theta = (m[q * n + q]! - m[p * n + p]!) / (2 * off);
  const tangent = Math.sign(theta || 1) / (Math.abs(theta) + Math.sqrt(theta * theta + 1));
  const cosine = 1 / Math.sqrt(tangent * tangent + 1);
  const sine = tangent * cosine;
  const mix = (x: Float64Array, i: number, j: number): void => {
    const [a, b] = [x[i]!, x[j]!];
    x[i] = cosine * a - sine * b;
    x[j] = sine * a + cosine * b;
  };
  for (let i = 0; i < n; i++) mix(m, i * n + p, i * n + q);
  for (let i = 0; i < n; i++) mix(m, p * n + i, q * n + i);
  for (let i = 0; i < n; i++) mix(v, i * n + p, i * n + q);
}
