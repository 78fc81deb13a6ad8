/**
 * What the same pictures take as PNG, WebP and JPEG XL, without loss, one file an image: the encoders of the jSquash
 * packages, oxipng, libwebp and libjxl compiled to WebAssembly. Loaded when they are asked for.
 */

import createJxl from "@jsquash/jxl/codec/enc/jxl_enc.js";
import jxlWasm from "@jsquash/jxl/codec/enc/jxl_enc.wasm?url";
import { defaultOptions as jxlDefaults } from "@jsquash/jxl/meta.js";
import openOxipng, { optimise_raw as optimisePng } from "@jsquash/oxipng/codec/pkg/squoosh_oxipng.js";
import oxipngWasm from "@jsquash/oxipng/codec/pkg/squoosh_oxipng_bg.wasm?url";
import createWebp from "@jsquash/webp/codec/enc/webp_enc_simd.js";
import webpWasm from "@jsquash/webp/codec/enc/webp_enc_simd.wasm?url";
import { defaultOptions as webpDefaults } from "@jsquash/webp/meta.js";
import { type Picture, toChannels } from "../data/picture.ts";
import { fail } from "../errors.ts";

export interface PeerFiles {
  readonly png: Uint8Array;
  readonly webp: Uint8Array;
  readonly jxl: Uint8Array;
}

/** At their slowest and smallest: level 6 of oxipng, method 6 of WebP, effort 9 of JPEG XL. */
const OXIPNG_LEVEL = 6;
const WEBP = { ...webpDefaults, lossless: 1, exact: 1, quality: 100, method: 6 };
const JXL = { ...jxlDefaults, lossless: true, quality: 100, effort: 9 };

export type PeerEncoder = (picture: Picture) => PeerFiles;

/** The encoders, ready to run. They take RGBA; transparent pixels keep their colours. */
export async function openPeers(): Promise<PeerEncoder> {
  // Compiled by the browser from their addresses: their own loaders would look beside the worker.
  const [webp, jxl] = await Promise.all([
    createWebp({ noInitialRun: true, locateFile: () => webpWasm }),
    createJxl({ noInitialRun: true, locateFile: () => jxlWasm }),
    openOxipng(oxipngWasm),
  ]);
  return (picture) => {
    const { height, width, pixels } = toChannels(picture, 4);
    return {
      png: optimisePng(Uint8ClampedArray.from(pixels), width, height, OXIPNG_LEVEL, false, false),
      webp: webp.encode(pixels, width, height, WEBP) ?? fail("internal", "expected a WebP file but received none"),
      jxl: jxl.encode(pixels, width, height, JXL) ?? fail("internal", "expected a JPEG XL file but received none"),
    };
  };
}
