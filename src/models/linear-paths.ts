/**
 * Linear paths beside the layers of auto-encoders and embedders: the encoder's (`encoder.linear`), the deconvolution's
 * and m(h)'s (`decoder.linear`). Here is what they begin at, given the principal components of the training images.
 */

import type { AutoencoderConfig } from "./autoencoder.ts";
import type { EmbedderConfig } from "./embedder.ts";

export interface PrincipalComponents {
  /** Mean image, [D], in scaled units: -1 is level 0, 1 the highest. */
  readonly mean: Float64Array;
  /** [D, count]: orthonormal columns, those of largest variance first. Zeros where the images span no more. */
  readonly components: Float64Array;
  /** Standard deviation of the images along each component, [count]. */
  readonly deviations: Float64Array;
  readonly count: number;
}

export interface LinearPaths {
  /** Numbers that an image becomes, m: how many components are wanted. */
  readonly codes: number;
  /** Parameters by name, and what they begin at: codes of mean 0 and variance 1, and the linear way back. */
  start(found: PrincipalComponents): [name: string, numbers: Float64Array][];
}

/** Null for a model without such paths. */
export function linearPathsOf(config: AutoencoderConfig | EmbedderConfig): LinearPaths | null {
  if (!config.encoder.linear) return null;
  const codes = "latents" in config ? config.latents : config.size;
  const back = "decoder" in config && config.decoder.linear ? config.decoder.kind : null;
  return {
    codes,
    start: (found) => {
      const { mean, components, deviations } = found;
      const D = mean.length;
      // A component of hardly any variance would make codes of rounding errors.
      const least = 1e-4 * (deviations[0] ?? 0);
      const scaled = (by: (deviation: number) => number): Float64Array =>
        components.map((v, i) => (deviations[i % codes]! > least ? v * by(deviations[i % codes]!) : 0));
      const encode = scaled((d) => Math.sqrt(D) / d);
      const offsets = new Float64Array(codes);
      for (let i = 0; i < encode.length; i++)
        offsets[i % codes]! -= (mean[Math.floor(i / codes)]! * encode[i]!) / Math.sqrt(D);
      const decode = scaled((d) => Math.sqrt(codes) * d);
      const transposed = decode.map((_, i) => decode[(i % D) * codes + Math.floor(i / D)]!);
      return [
        ["encoder.linear.W", encode],
        ["encoder.outputs.b", offsets],
        ...(back === "deconvolution"
          ? ([
              ["decoder.linear.W", transposed],
              ["decoder.linear.b", mean],
            ] as [string, Float64Array][])
          : []),
        ...(back === "pixelcnn" ? ([["map.linear.W", transposed]] as [string, Float64Array][]) : []),
      ];
    },
  };
}
