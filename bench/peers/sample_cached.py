"""A decent cached sampler in PyTorch: rows of the vertical stack once a row, one pixel of the horizontal stack a pixel.

No public PixelCNN has one, so this is what a careful user would write: batch n in lock step, inference mode, fused
[residual, skip] products, caches that are written in place, the pixel's loop over layers compiled by TorchScript.
Before timing, its logits on a given image must equal the full pass's to 1e-4. For colour each pixel is walked once a
channel with masked weights: right, not tuned."""

import argparse
import json
import statistics
import time
from typing import List

import torch

from gated_pixelcnn import add_model_arguments, model_from_arguments, use_blas


def pixel(
    j: int,
    rows: List[torch.Tensor],
    links: List[torch.Tensor],
    taps: List[torch.Tensor],
    outs: List[torch.Tensor],
    out_biases: List[torch.Tensor],
    dilations: List[int],
    pads: List[int],
    skips: torch.Tensor,
    skip_weight: torch.Tensor,
    skip_bias: torch.Tensor,
    hidden: torch.Tensor,
    hidden_bias: torch.Tensor,
    logits: torch.Tensor,
    logits_bias: torch.Tensor,
    has_skip: bool,
) -> torch.Tensor:
    """Logits [n, C K] of column j. rows[l]: this row of layer l's input [n, pad + W, in]; links[l]: [W, n, 2F], bias
    included; taps[l]: [taps in, 2F]; outs[l]: residual [F, F]; skips: [n, L F], the gates' outputs side by side."""
    depth = len(taps)
    size = taps[0].size(1) // 2
    h = skips
    for l in range(depth):
        inputs, d = rows[l].size(2), dilations[l]
        count = taps[l].size(0) // inputs
        seen = rows[l][:, j : j + (count - 1) * d + 1 : d].flatten(1)
        q = torch.addmm(links[l][j], seen, taps[l])
        y = skips[:, l * size : (l + 1) * size]
        # The peer's 2 sigmoid(2 f) - 1 was tried here, the 2 f folded into the weights: 2 to 18 % slower on
        # so few numbers.
        torch.mul(torch.tanh(q[:, :size]), torch.sigmoid(q[:, size:]), out=y)
        if len(outs) > l:
            new = torch.addmm(out_biases[l], y, outs[l])
            h = new if l == 0 else new.add_(rows[l][:, j + pads[l]])
            if l + 1 < depth:
                rows[l + 1][:, j + pads[l + 1]] = h
    if has_skip:
        h = torch.addmm(skip_bias, skips, skip_weight)
    return torch.addmm(logits_bias, torch.addmm(hidden_bias, h.relu_(), hidden).relu_(), logits)


class CachedSampler:
    """State of n images on their way; weights copied out of a cropped peer."""

    def __init__(self, model, n, script=True):
        config = model.config
        self.model, self.n, self.C, self.K = model, n, config["channels"], config["levels"]
        self.H, self.W, self.F, self.L = config["height"], config["width"], config["features"], config["depth"]
        self.pixel = torch.jit.script(pixel) if script else pixel
        dense = lambda c: (c.weight if c.mask is None else c.weight * c.mask).detach()
        self.layers = list(model.layers)
        self.pads = [layer.r * layer.d for layer in self.layers]
        self.dilations = [layer.d for layer in self.layers]
        # [2F, in, 1, taps] -> [taps, in, 2F]: a tap's features lie side by side in the cache as well.
        self.taps = [
            dense(layer.horizontal)[:, :, 0].permute(2, 1, 0).flatten(0, 1).contiguous() for layer in self.layers
        ]
        with_residual = [layer for layer in self.layers if layer.residual is not None]
        self.outs = [dense(layer.residual)[:, :, 0, 0].T.contiguous() for layer in with_residual]
        self.out_biases = [layer.residual.bias.detach() for layer in with_residual]
        self.has_skip = model.skip_bias is not None
        none = torch.zeros(0)
        self.skip_weight = (
            torch.cat([dense(layer.skip)[:, :, 0, 0].T for layer in self.layers]) if self.has_skip else none
        )
        self.skip_bias = model.skip_bias.detach() if self.has_skip else none
        self.head = [
            t for c in (model.hidden, model.logits) for t in (dense(c)[:, :, 0, 0].T.contiguous(), c.bias.detach())
        ]
        self.inputs = [self.C if layer.first else self.F for layer in self.layers]
        self.tops = [layer.up if layer.first else (layer.up - 1) * layer.d for layer in self.layers]
        self.reset()

    def reset(self):
        n, H, W = self.n, self.H, self.W
        # Channels last, so that a row's gate output and a convolution's input need no reordering.
        self.vertical = [
            torch.zeros(n, c, top + H, W + 2 * pad).contiguous(memory_format=torch.channels_last)
            for c, top, pad in zip(self.inputs, self.tops, self.pads)
        ]
        self.rows = [torch.zeros(n, pad + W, c) for c, pad in zip(self.inputs, self.pads)]
        self.skips = torch.zeros(n, self.L * self.F)

    def start_row(self, i):
        """The vertical stack of row i and its link: needs rows < i only (and its own features from layer 2 on)."""
        self.links = []
        for l, layer in enumerate(self.layers):
            step = 1 if layer.first else layer.d
            rows = self.vertical[l][:, :, i : i + (layer.up - 1) * step + 1 : step]
            p = torch.nn.functional.conv2d(rows, layer.vertical.weight, layer.vertical.bias, dilation=(1, layer.d))
            link = torch.nn.functional.conv2d(p, layer.link.weight, layer.horizontal.bias)  # the bias of the sum, once
            self.links.append(link[:, :, 0].permute(2, 0, 1).contiguous())  # [W, n, 2F]
            if not layer.last:
                pad, top = self.pads[l + 1], self.tops[l + 1]
                self.vertical[l + 1][:, :, i + top, pad : pad + self.W] = self.model.gate(p)[:, :, 0]
            self.rows[l].zero_()

    def logits(self, j):
        return self.pixel(
            j,
            self.rows,
            self.links,
            self.taps,
            self.outs,
            self.out_biases,
            self.dilations,
            self.pads,
            self.skips,
            self.skip_weight,
            self.skip_bias,
            *self.head,
            self.has_skip,
        )

    def run(self, levels, draw):
        """Walks all pixels in order; `draw(i, j, c, logits [n, K])` gives the levels [n], which are written to levels
        [n, C, H, W]."""
        self.reset()
        values = self.model.scaled(torch.arange(self.K))
        for i in range(self.H):
            self.start_row(i)
            for j in range(self.W):
                for c in range(self.C):
                    drawn = draw(i, j, c, self.logits(j)[:, c * self.K : (c + 1) * self.K])
                    levels[:, c, i, j] = drawn
                    x = values[drawn]
                    self.rows[0][:, j + self.pads[0], c] = x
                    self.vertical[0][:, c, i + self.tops[0], j + self.pads[0]] = x
        return levels


def drawn_by_chance(generator):
    """Levels from softmax(logits): the argmax of logits + Gumbel noise would do as well; this was the faster way."""
    return lambda i, j, c, logits: torch.multinomial(torch.softmax(logits, 1), 1, generator=generator)[:, 0]


def largest_difference(model, sampler, levels):
    """Cached against full pass on a given image; the largest difference of a logit."""
    config = model.config
    full = model(model.scaled(levels))
    worst = 0.0

    def given(i, j, c, logits):
        nonlocal worst
        worst = max(worst, (logits - full[:, c, :, i, j]).abs().max().item())
        return levels[:, c, i, j]

    sampler.run(torch.zeros_like(levels), given)
    return worst


def report(kind, args, model, times, blas, **more):
    config = model.config
    median = statistics.median(times)
    print(
        json.dumps(
            {
                "engine": f"pytorch {torch.__version__} {kind}",
                "msPerImage": round(median / args.count, 4),
                "msPerBatch": round(median, 3),
                "msBest": round(min(times), 3),
                "count": args.count,
                "repeats": len(times),
                "threads": torch.get_num_threads(),
                "features": config["features"],
                "depth": config["depth"],
                "levels": config["levels"],
                "height": config["height"],
                "width": config["width"],
                "channels": config["channels"],
                "blas": blas,
                **more,
            }
        )
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_model_arguments(parser, depth=10)
    parser.add_argument("--count", type=int, default=1, help="images sampled at once")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument(
        "--script", action=argparse.BooleanOptionalAction, default=True, help="TorchScript for the loop over layers"
    )
    args = parser.parse_args()
    blas = use_blas(args.blas)
    torch.set_num_threads(args.threads)
    model = model_from_arguments(args, channels_last=True).eval()
    with torch.inference_mode():
        shape = (args.count, model.config["channels"], model.config["height"], model.config["width"])
        sampler = CachedSampler(model, args.count, script=args.script)
        difference = largest_difference(model, sampler, torch.randint(0, model.config["levels"], shape))
        assert difference < 1e-4, f"cached logits are {difference} away from the full pass"
        generator = torch.Generator().manual_seed(args.seed)
        times = []
        for _ in range(args.repeats):
            start = time.perf_counter()
            sampler.run(torch.zeros(shape, dtype=torch.int64), drawn_by_chance(generator))
            times.append((time.perf_counter() - start) * 1e3)
    report("cached", args, model, times, blas, script=args.script, logitDifference=difference)
