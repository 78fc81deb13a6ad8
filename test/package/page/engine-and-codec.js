/** What a page that only samples and compresses takes. */

export { compress, createEngine, decompress } from "pixelcnn";
