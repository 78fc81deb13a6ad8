"""The Gated PixelCNN of docs/model.md in PyTorch: the peer that our engines are timed against and checked with.

Written to be fast and fair: only the taps that a mask leaves (`masked=True` is the usual full kernel times a mask
instead, the same function), a gate's two halves as one convolution of 2F maps, all products as oneDNN convolutions,
since Debian's BLAS may be the slow reference. Colour centres are masked weights: right, but not tuned. Parameters
travel as safetensors in docs/model.md's names and layouts. Source: van den Oord et al. 2016, arXiv 1606.05328."""

import glob
import json
import os
import struct
import sys

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn


def default_config(**changes):
    return {
        "family": "gated-pixelcnn",
        "height": 28,
        "width": 28,
        "channels": 1,
        "levels": 2,
        "features": 32,
        "depth": 8,
        "firstKernel": 7,
        "kernels": [3],
        "dilations": [1, 2, 4],
        "skip": 32,
        "head": {"kind": "categorical", "features": 64},
        "condition": None,
        **changes,
    }


def geometry(config, layer):
    """(kernel, dilation) of layer 1 .. L."""
    if layer == 1:
        return config["firstKernel"], 1
    kernels, dilations = config["kernels"], config["dilations"]
    return kernels[(layer - 2) % len(kernels)], dilations[(layer - 2) % len(dilations)]


class Gate(torch.autograd.Function):
    """tanh(f) * sigmoid(g) of [f, g], 1.8x as fast as written plainly: torch's tanh of a channels_last half is slow,
    so it is taken as 2 sigmoid(2 f) - 1 (1e-7 away); and both gradients are written into one tensor, where autograd
    would concatenate them."""

    @staticmethod
    def forward(ctx, x):
        half = x.shape[1] // 2
        f, g = (x[:, :half] * 2).sigmoid_().mul_(2).sub_(1), torch.sigmoid(x[:, half:])
        ctx.save_for_backward(f, g)
        return f * g

    @staticmethod
    def backward(ctx, dy):
        f, g = ctx.saved_tensors
        half = f.shape[1]
        last = f.is_contiguous(memory_format=torch.channels_last)
        dx = torch.empty(
            f.shape[0],
            2 * half,
            *f.shape[2:],
            dtype=f.dtype,
            memory_format=torch.channels_last if last else torch.contiguous_format,
        )
        torch.ops.aten.tanh_backward.grad_input(dy * g, f, grad_input=dx[:, :half])
        torch.ops.aten.sigmoid_backward.grad_input(dy * f, g, grad_input=dx[:, half:])
        return dx


def plain_gate(x):
    f, g = x.chunk(2, 1)
    return torch.tanh(f) * torch.sigmoid(g)


class Convolution(nn.Module):
    """conv2d with a padding of its own on each side; with a mask, the weight is multiplied by it on every pass."""

    def __init__(self, inputs, outputs, rows=1, columns=1, dilation=1, bias=True, mask=None):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs, rows, columns))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None
        self.dilation = dilation
        self.register_buffer("mask", mask)
        taps = rows * columns * inputs if mask is None else float(mask.sum()) / outputs
        nn.init.normal_(self.weight, std=1 / max(taps, 1) ** 0.5)
        if mask is not None:
            self.weight.data.mul_(mask)

    def forward(self, x, padding=(0, 0)):
        weight = self.weight if self.mask is None else self.weight * self.mask
        return F.conv2d(x, weight, self.bias, padding=padding, dilation=self.dilation)


def triangle(outputs, inputs, C, strict=False, repeat=1):
    """[repeat * outputs, inputs] mask: group c sees groups <= c, or < c when strict. None when nothing is hidden."""
    if C == 1 and not strict:
        return None
    to = torch.arange(outputs) // (outputs // C)
    of = torch.arange(inputs) // (inputs // C)
    seen = (of[None] < to[:, None]) if strict else (of[None] <= to[:, None])
    return seen.float().repeat(repeat, 1)


def pointwise(inputs, outputs, C, bias=True):
    mask = triangle(outputs, inputs, C)
    return Convolution(inputs, outputs, bias=bias, mask=None if mask is None else mask[:, :, None, None])


class Layer(nn.Module):
    def __init__(self, config, l, masked):
        super().__init__()
        C, Fs, S, L = config["channels"], config["features"], config["skip"], config["depth"]
        self.n, self.d = n, d = geometry(config, l)
        self.r, self.up, self.first, self.last, self.masked = (n - 1) // 2, (n + 1) // 2, l == 1, l == L, masked
        inputs = C if l == 1 else Fs
        D = config["condition"]["size"] if config["condition"] else 0

        if masked:
            mask = torch.zeros(2 * Fs, inputs, n, n)
            mask[:, :, : self.up] = 1
            self.vertical = Convolution(inputs, 2 * Fs, n, n, d, mask=mask)
        else:
            self.vertical = Convolution(inputs, 2 * Fs, self.up, n, d)

        # The centre tap is a column of the horizontal kernel, absent where nobody sees it (mask A on one channel).
        self.centre = not (l == 1 and C == 1)
        columns = n if masked else self.r + self.centre
        mask = None
        centre_mask = triangle(Fs, inputs, C, strict=l == 1, repeat=2)
        if masked or (self.centre and centre_mask is not None):
            mask = torch.zeros(2 * Fs, inputs, 1, columns)
            mask[..., : self.r] = 1
            if self.centre:
                mask[..., 0, self.r] = 1 if centre_mask is None else centre_mask
        self.horizontal = Convolution(inputs, 2 * Fs, 1, columns, d, mask=mask)

        self.link = Convolution(2 * Fs, 2 * Fs, bias=False)
        self.condition = nn.ModuleDict(
            {s: nn.Linear(D, 2 * Fs, bias=False) for s in ("vertical", "horizontal")} if D else {}
        )
        self.residual = pointwise(Fs, Fs, C) if not self.last or S == 0 else None
        self.skip = pointwise(Fs, S, C, bias=False) if S else None

    def forward(self, v, h, condition, gate):
        n, d, r, up = self.n, self.d, self.r, self.up
        W = h.shape[3]
        # The one shift down by a row per path: layer 1 looks strictly above. A negative pad crops.
        if self.masked:
            if self.first:
                v = F.pad(v, (0, 0, 1, -1))
            p = self.vertical(v, padding=(r * d, r * d))
        else:
            v = F.pad(v, (0, 0, up, -1)) if self.first else F.pad(v, (0, 0, (up - 1) * d, 0))
            p = self.vertical(v, padding=(0, r * d))
        if condition is not None:
            p = p + self.condition["vertical"](condition)[:, :, None, None]

        if self.masked:
            q = self.horizontal(h, padding=(0, r * d))
        else:
            q = self.horizontal(F.pad(h, (r * d, 0 if self.centre else -d, 0, 0)))
        q = q + self.link(p)
        if condition is not None:
            q = q + self.condition["horizontal"](condition)[:, :, None, None]
        y = gate(q)
        v = None if self.last else gate(p)
        if self.residual is not None:
            new = self.residual(y)
            h = new if self.first else new + h
        return v, h, y


class GatedPixelCNN(nn.Module):
    def __init__(self, config, masked=False, channels_last=False, gate="custom"):
        super().__init__()
        C, K, Fs, S, R = (
            config["channels"],
            config["levels"],
            config["features"],
            config["skip"],
            config["head"]["features"],
        )
        self.config, self.gate = config, (Gate.apply if gate == "custom" else plain_gate)
        self.memory_format = torch.channels_last if channels_last else torch.contiguous_format
        self.layers = nn.ModuleList(Layer(config, l, masked) for l in range(1, config["depth"] + 1))
        self.skip_bias = nn.Parameter(torch.zeros(S)) if S else None
        self.hidden = pointwise(S or Fs, R, C)
        self.logits = pointwise(R, C * K, C)
        self.to(memory_format=self.memory_format)

    def scaled(self, levels):
        """Pixels 0 .. K-1 as -1 .. 1, rounded as docs/model.md says. levels [B, C, H, W]"""
        step = np.float32(2 / (self.config["levels"] - 1))
        return ((levels.float() * step) - 1).to(self.hidden.weight.dtype)

    def forward(self, x, condition=None):
        """x [B, C, H, W], scaled -> logits [B, C, K, H, W]."""
        v = h = x.contiguous(memory_format=self.memory_format)
        skip = None
        for layer in self.layers:
            v, h, y = layer(v, h, condition, self.gate)
            if layer.skip is not None:
                s = layer.skip(y)
                skip = s + self.skip_bias[:, None, None] if skip is None else skip + s
        a = torch.relu(h if skip is None else skip)
        logits = self.logits(torch.relu(self.hidden(a)))
        return logits.unflatten(1, (self.config["channels"], self.config["levels"]))

    def nats(self, levels, condition=None):
        """Mean nats of an image. levels [B, C, H, W], int64"""
        logits = self(self.scaled(levels), condition)
        # A view where the layout allows it: [B, C, K, H, W] -> [B, K, C, H, W] is what cross_entropy expects.
        return F.cross_entropy(logits.transpose(1, 2), levels, reduction="sum") / levels.shape[0]

    def named_views(self):
        """name -> (fused parameter, function from it, or from its gradient, to a view in docs/model.md's layout)."""
        cfg = self.config
        C, K, Fs, S, R = cfg["channels"], cfg["levels"], cfg["features"], cfg["skip"], cfg["head"]["features"]
        out = {}

        def put(name, parameter, view):
            out[name] = (parameter, view)

        def put_groups(prefix, module, inputs, outputs):
            i, o = inputs // C, outputs // C
            for c in range(C):
                put(f"{prefix}{c}.W", module.weight, lambda t, c=c: t[c * o : (c + 1) * o, : (c + 1) * i, 0, 0].T)

        for l, layer in enumerate(self.layers, 1):
            r, up, at = layer.r, layer.up, f"layer{l}"
            for half, o in (("f", 0), ("g", Fs)):
                put(
                    f"{at}.vertical.W_{half}",
                    layer.vertical.weight,
                    lambda t, o=o, up=up: t[o : o + Fs, :, :up].permute(2, 3, 1, 0),
                )
                put(
                    f"{at}.horizontal.W_{half}",
                    layer.horizontal.weight,
                    lambda t, o=o, r=r: t[o : o + Fs, :, 0, :r].permute(2, 1, 0),
                )
                put(f"{at}.link.W_{half}", layer.link.weight, lambda t, o=o: t[o : o + Fs, :, 0, 0].T)
                for stack in ("vertical", "horizontal"):
                    put(f"{at}.{stack}.b_{half}", getattr(layer, stack).bias, lambda t, o=o: t[o : o + Fs])
                    if cfg["condition"]:
                        put(f"{at}.{stack}.V_{half}", layer.condition[stack].weight, lambda t, o=o: t[o : o + Fs].T)
                for c in range(C):
                    seen, size = (c if l == 1 else (c + 1) * Fs // C), Fs // C
                    if seen:
                        put(
                            f"{at}.centre{c}.W_{half}",
                            layer.horizontal.weight,
                            lambda t, o=o, c=c, r=r, seen=seen, size=size: t[
                                o + c * size : o + (c + 1) * size, :seen, 0, r
                            ].T,
                        )
            if layer.residual is not None:
                put_groups(f"{at}.residual", layer.residual, Fs, Fs)
                put(f"{at}.residual.b", layer.residual.bias, lambda t: t)
            if layer.skip is not None:
                put_groups(f"{at}.skip", layer.skip, Fs, S)
        if S:
            put("skip.b", self.skip_bias, lambda t: t)
        put_groups("head.hidden", self.hidden, S or Fs, R)
        put("head.hidden.b", self.hidden.bias, lambda t: t)
        put_groups("head.logits", self.logits, R, C * K)
        put("head.logits.b", self.logits.bias, lambda t: t.reshape(C, K))
        return out

    def load_parameters(self, arrays):
        """arrays: name -> numpy array or tensor, exactly docs/model.md's names and shapes."""
        views = self.named_views()
        if views.keys() != arrays.keys():
            raise ValueError(
                f"parameters differ: missing {sorted(views.keys() - arrays.keys())}, "
                f"unknown {sorted(arrays.keys() - views.keys())}"
            )
        with torch.no_grad():
            for name, (parameter, view) in views.items():
                target, value = view(parameter), torch.as_tensor(np.array(arrays[name]))
                if target.shape != value.shape:
                    raise ValueError(f"expected shape {list(target.shape)} for {name} but received {list(value.shape)}")
                target.copy_(value)
        return self

    def parameter_arrays(self, gradients=False):
        return {
            name: view(p.grad if gradients else p.detach()).contiguous().numpy()
            for name, (p, view) in self.named_views().items()
        }


def read_safetensors(path):
    """name -> float32 array. The format: 8 bytes of header length, little-endian, then JSON, then the data."""
    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        data = file.read()
    out = {}
    for name, entry in header.items():
        if name != "__metadata__":
            if entry["dtype"] != "F32":
                raise ValueError(f"expected F32 for {name} in {path} but received {entry['dtype']}")
            start, end = entry["data_offsets"]
            out[name] = np.frombuffer(data[start:end], "<f4").reshape(entry["shape"])
    return out


def write_safetensors(path, arrays):
    header, blobs, offset = {}, [], 0
    for name, array in arrays.items():
        blob = np.ascontiguousarray(array, "<f4").tobytes()
        header[name] = {"dtype": "F32", "shape": list(np.shape(array)), "data_offsets": [offset, offset + len(blob)]}
        blobs.append(blob)
        offset += len(blob)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)  # the data starts aligned
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(blobs))


def load_model(folder, **options):
    """A model folder: config.json + model.safetensors."""
    with open(f"{folder}/config.json") as file:
        config = json.load(file)
    config = config.get("model", config)  # a run's config keeps the model under its own key
    return GatedPixelCNN(config, **options).load_parameters(read_safetensors(f"{folder}/model.safetensors"))


def use_blas(choice):
    """Debian's torch takes small products from libblas.so.3: the reference code unless OpenBLAS is installed, 25x
    slower at [64, 64] x [64, 64]. `auto` starts this script again with OpenBLAS preloaded where one is found; a path
    names one; `system` leaves it. Returns what is used."""
    if choice == "auto":
        found = sorted(
            glob.glob("/usr/lib/*/openblas-pthread/libopenblas.so.0")
            + glob.glob("/usr/lib/*/openblas*/libopenblas.so.0")
        )
        choice = os.environ.get("PIXELCNN_OPENBLAS") or (found[0] if found else "system")
    if choice != "system" and choice not in os.environ.get("LD_PRELOAD", ""):
        os.environ["LD_PRELOAD"] = choice
        # Its own threads fight with torch's: measured 5x slower on one image, no faster on 64.
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        os.execv(sys.executable, [sys.executable, *sys.argv])
    with open("/proc/self/maps") as maps:
        loaded = {os.path.realpath(line.split()[-1]) for line in maps if "blas" in line.rsplit("/", 1)[-1]}
    return "openblas" if any("openblas" in path for path in loaded) else "reference"


def add_model_arguments(parser, depth):
    """The command-line words that all peers share."""
    parser.add_argument("--blas", default="auto", help="auto, system, or the path of a libopenblas.so.0")
    for name, value in (
        ("features", 32),
        ("depth", depth),
        ("threads", 2),
        ("levels", 2),
        ("height", 28),
        ("width", 28),
        ("channels", 1),
        ("first-kernel", 7),
        ("skip", None),
        ("head-features", None),
        ("seed", 1),
    ):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--kernels", default="3", help="comma-separated, cycled")
    parser.add_argument("--dilations", default="1,2,4", help="comma-separated, cycled")
    parser.add_argument("--model", help="folder with config.json and model.safetensors; overrides the sizes")


def config_from_arguments(args):
    """skip defaults to F and the head to 2F, as in docs/model.md's example."""
    return default_config(
        features=args.features,
        depth=args.depth,
        levels=args.levels,
        height=args.height,
        width=args.width,
        channels=args.channels,
        firstKernel=args.first_kernel,
        kernels=[int(k) for k in args.kernels.split(",")],
        dilations=[int(d) for d in args.dilations.split(",")],
        skip=args.features if args.skip is None else args.skip,
        head={
            "kind": "categorical",
            "features": 2 * args.features if args.head_features is None else args.head_features,
        },
    )


def model_from_arguments(args, **options):
    torch.manual_seed(args.seed)
    return load_model(args.model, **options) if args.model else GatedPixelCNN(config_from_arguments(args), **options)
