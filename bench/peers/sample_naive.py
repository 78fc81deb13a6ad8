"""The sampler that most PixelCNN code ships: one full pass over the whole image for every pixel (and channel), one
pixel kept of each.

Cost: H W C passes. The model is the fast peer (cropped kernels, channels_last, inference mode), so only the algorithm
is naive. `--pixels N` times the first N pixels and scales up, every pass costing the same."""

import argparse
import time

import torch

from gated_pixelcnn import add_model_arguments, model_from_arguments, use_blas
from sample_cached import drawn_by_chance, report


def sample(model, n, draw, pixels):
    config = model.config
    C, H, W = config["channels"], config["height"], config["width"]
    levels = torch.zeros(n, C, H, W, dtype=torch.int64)
    for at in range(pixels):
        i, j = divmod(at, W)
        for c in range(C):
            levels[:, c, i, j] = draw(i, j, c, model(model.scaled(levels))[:, c, :, i, j])
    return levels


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_model_arguments(parser, depth=10)
    parser.add_argument("--count", type=int, default=1, help="images sampled at once")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--pixels", type=int, help="time only so many pixels and scale up; all by default")
    parser.add_argument("--variant", choices=("cropped", "masked"), default="cropped")
    parser.add_argument("--channels-last", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--gate", choices=("custom", "plain"), default="custom")
    args = parser.parse_args()
    blas = use_blas(args.blas)
    torch.set_num_threads(args.threads)
    model = model_from_arguments(
        args, masked=args.variant == "masked", channels_last=args.channels_last, gate=args.gate
    ).eval()
    total = model.config["height"] * model.config["width"]
    pixels = min(args.pixels or total, total)
    with torch.inference_mode():
        draw = drawn_by_chance(torch.Generator().manual_seed(args.seed))
        sample(model, args.count, draw, min(8, total))  # warm up
        times = []
        for _ in range(args.repeats):
            start = time.perf_counter()
            sample(model, args.count, draw, pixels)
            times.append((time.perf_counter() - start) * 1e3 * total / pixels)
    report("naive full pass", args, model, times, blas, variant=args.variant, pixelsTimed=pixels)
