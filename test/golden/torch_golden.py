"""Makes the golden numbers of the two-layer models: loss, log p, all gradients and ten steps of Adam, from
PyTorch in float64. Of the Row LSTM and the Diagonal BiLSTM (`RECURRENT`, two LSTM layers each) loss, log p and
all gradients.

`predict` is docs/model.md written down tap by tap, the recurrent networks pixel by pixel, slow on purpose: it
shares no code with the TypeScript model and none with the peers in bench/peers, so the three can only agree by
all being right. Run: /usr/bin/python3 test/golden/torch_golden.py (then `npx biome format --write test/golden`).
Numbers of a committed file change only together with docs/model.md."""

import json
import pathlib

import numpy as np
import torch

HERE = pathlib.Path(__file__).resolve().parent

BASE = {
    "family": "gated-pixelcnn", "height": 5, "width": 4, "channels": 1, "levels": 2, "features": 4, "depth": 2,
    "firstKernel": 7, "kernels": [3], "dilations": [1], "skip": 6,
    "head": {"kind": "categorical", "features": 4}, "condition": None,
}
# S, R and F differ from each other wherever they can, so that a swapped axis fails rather than passes.
MODELS = {
    "two-layer-grey": BASE,
    "two-layer-colour": {**BASE, "channels": 3, "levels": 4, "features": 6, "firstKernel": 3, "skip": 9,
                         "head": {"kind": "categorical", "features": 6}},
    "two-layer-condition": {**BASE, "levels": 3, "firstKernel": 3, "dilations": [2], "skip": 0,
                            "head": {"kind": "categorical", "features": 6}, "condition": {"kind": "vector", "size": 3}},
}
SMALL = {
    "height": 4, "width": 5, "channels": 1, "levels": 3, "features": 2, "depth": 3, "firstKernel": 5,
    "head": {"kind": "categorical", "features": 3}, "condition": None,
}
IN_COLOUR = {**SMALL, "channels": 3, "features": 3, "firstKernel": 3, "head": {"kind": "categorical", "features": 6}}
CONDITIONED = {"condition": {"kind": "vector", "size": 2}}
RECURRENT = {
    "row-lstm-grey": {"family": "row-lstm", **SMALL, "kernel": 5},
    "row-lstm-colour": {"family": "row-lstm", **IN_COLOUR, "kernel": 3, **CONDITIONED},
    "diagonal-bilstm-grey": {"family": "diagonal-bilstm", **SMALL, **CONDITIONED},
    "diagonal-bilstm-colour": {"family": "diagonal-bilstm", **IN_COLOUR},
}
BATCH = 3
ADAM = {
    "steps": 10, "learningRate": 1e-2, "warmup": 3, "beta1": 0.9, "beta2": 0.99, "epsilon": 1e-8, "weightDecay": 0.01,
    "clip": 1.0, "averageDecay": 0.9,
}


def geometry(config, layer):
    """(kernel, dilation) of layer 1 .. L."""
    if layer == 1:
        return config["firstKernel"], 1
    kernels, dilations = config["kernels"], config["dilations"]
    return kernels[(layer - 2) % len(kernels)], dilations[(layer - 2) % len(dilations)]


def shapes(config):
    """Name -> shape of every parameter, in the order of docs/model.md."""
    if config["family"] != "gated-pixelcnn":
        return recurrent_shapes(config)
    C, K, F, L, S, R = (config["channels"], config["levels"], config["features"], config["depth"], config["skip"],
                        config["head"]["features"])
    D = config["condition"]["size"] if config["condition"] else 0
    out = {}
    for l in range(1, L + 1):
        n, _ = geometry(config, l)
        r, up, inputs = (n - 1) // 2, (n + 1) // 2, C if l == 1 else F
        for stack, taps in (("vertical", [up, n]), ("horizontal", [r])):
            for half in "fg":
                out[f"layer{l}.{stack}.W_{half}"] = [*taps, inputs, F]
                out[f"layer{l}.{stack}.b_{half}"] = [F]
                if D:
                    out[f"layer{l}.{stack}.V_{half}"] = [D, F]
        for half in "fg":
            out[f"layer{l}.link.W_{half}"] = [2 * F, F]
        for c in range(C):
            seen = c if l == 1 else (c + 1) * F // C
            for half in "fg" if seen else "":
                out[f"layer{l}.centre{c}.W_{half}"] = [seen, F // C]
        if l < L or S == 0:
            for c in range(C):
                out[f"layer{l}.residual{c}.W"] = [(c + 1) * F // C, F // C]
            out[f"layer{l}.residual.b"] = [F]
        for c in range(C if S else 0):
            out[f"layer{l}.skip{c}.W"] = [(c + 1) * F // C, S // C]
    if S:
        out["skip.b"] = [S]
    for c in range(C):
        out[f"head.hidden{c}.W"] = [(c + 1) * (S or F) // C, R // C]
    out["head.hidden.b"] = [R]
    for c in range(C):
        out[f"head.logits{c}.W"] = [(c + 1) * R // C, K]
    out["head.logits.b"] = [C, K]
    return out


def recurrent_shapes(config):
    C, K, F, R = config["channels"], config["levels"], config["features"], config["head"]["features"]
    D = config["condition"]["size"] if config["condition"] else 0
    r = (config["firstKernel"] - 1) // 2
    out = {"layer1.b": [2 * F]}
    if D:
        out["layer1.V"] = [D, 2 * F]
    out.update({"layer1.above.W": [r, 2 * r + 1, C, 2 * F], "layer1.left.W": [r, C, 2 * F]})
    for c in range(1, C):
        out[f"layer1.centre{c}.W"] = [c, 2 * F // C]

    def gates(name, shape):
        out.update({f"{name}_{part}": shape for part in "ofig"})

    for l in range(2, config["depth"] + 1):
        row = config["family"] == "row-lstm"
        for stream in [f"layer{l}"] if row else [f"layer{l}.left", f"layer{l}.right"]:
            gates(f"{stream}.b", [F])
            if D:
                gates(f"{stream}.V", [D, F])
            if row:
                k = config["kernel"]
                gates(f"{stream}.state.W", [k, F, F])
                gates(f"{stream}.input.W", [(k - 1) // 2, 2 * F, F])
            else:
                gates(f"{stream}.above.W", [F, F])
                gates(f"{stream}.beside.W", [F, F])
            if stream.endswith("right"):
                gates(f"{stream}.input.W", [2 * F, F])
                if l == 2:
                    gates(f"{stream}.pixel.W", [C, F])
            else:
                for c in range(C):
                    gates(f"{stream}.input{c}.W", [(c + 1) * 2 * F // C, F // C])
        out[f"layer{l}.out.b"] = [2 * F]
        for c in range(C):
            out[f"layer{l}.{'' if row else 'left.'}out{c}.W"] = [(c + 1) * F // C, 2 * F // C]
        if not row:
            out[f"layer{l}.right.out.W"] = [F, 2 * F]
    for c in range(C):
        out[f"head.hidden{c}.W"] = [(c + 1) * 2 * F // C, R // C]
    out["head.hidden.b"] = [R]
    for c in range(C):
        out[f"head.logits{c}.W"] = [(c + 1) * R // C, K]
    out["head.logits.b"] = [C, K]
    return out


def shifted(x, down, right):
    """y[:, i, j] = x[:, i - down, j - right], 0 outside the image. x [B, H, W, features]"""
    y = torch.zeros_like(x)
    H, W = x.shape[1:3]
    if abs(down) < H and abs(right) < W:
        y[:, max(down, 0):H + min(down, 0), max(right, 0):W + min(right, 0)] = \
            x[:, max(-down, 0):H + min(-down, 0), max(-right, 0):W + min(-right, 0)]
    return y


def grouped(x, P, name, C):
    """Output group c is a product of the input groups <= c with `name{c}.W`."""
    size = x.shape[-1] // C
    return torch.cat([x[..., :(c + 1) * size] @ P[f"{name}{c}.W"] for c in range(C)], -1)


def cell(gates, memory):
    """An LSTM cell: its new state and memory."""
    memory = torch.sigmoid(gates["f"]) * memory + torch.sigmoid(gates["i"]) * torch.tanh(gates["g"])
    return torch.sigmoid(gates["o"]) * torch.tanh(memory), memory


def recurrent_stream(config, P, x, h):
    """The stream that the head of a Row LSTM or a Diagonal BiLSTM reads, [B, H, W, 2F], of scaled pixels x. One
    pixel after another."""
    C, F, L, H, W = (config[key] for key in ("channels", "features", "depth", "height", "width"))
    B = x.shape[0]
    r = (config["firstKernel"] - 1) // 2
    places = [(i, j) for i in range(H) for j in range(W)]

    def at(numbers, i, j, width):
        """Of a dictionary by pixel; zeros outside the image."""
        return numbers[i, j] if 0 <= i < H and 0 <= j < W else x.new_zeros(B, width)

    def condition(name):
        return h @ P[name] if h is not None else 0

    levels = {(i, j): x[:, i, j] for i, j in places}
    stream = {}
    for i, j in places:
        total = P["layer1.b"] + condition("layer1.V")
        for k in range(r):
            for m in range(2 * r + 1):
                total = total + at(levels, i - r + k, j + m - r, C) @ P["layer1.above.W"][k, m]
        for m in range(r):
            total = total + at(levels, i, j - r + m, C) @ P["layer1.left.W"][m]
        centre = [levels[i, j][:, :c] @ P[f"layer1.centre{c}.W"] if c else x.new_zeros(B, 2 * F // C) for c in range(C)]
        stream[i, j] = total + torch.cat(centre, -1)

    def begin(name, part):
        return P[f"{name}.b_{part}"] + condition(f"{name}.V_{part}")

    def masked(name, part, numbers):
        """Mask B: output group c sees groups <= c."""
        size = numbers.shape[-1] // C
        return torch.cat([numbers[:, :(c + 1) * size] @ P[f"{name}{c}.W{part}"] for c in range(C)], -1)

    for l in range(2, L + 1):
        name = f"layer{l}"
        new = {}
        if config["family"] == "row-lstm":
            m = (config["kernel"] - 1) // 2
            state, memory = {}, {}
            for i, j in places:
                gates = {}
                for part in "ofig":
                    total = begin(name, part)
                    for k in range(2 * m + 1):
                        total = total + at(state, i - 1, j + k - m, F) @ P[f"{name}.state.W_{part}"][k]
                    for k in range(m):
                        total = total + at(stream, i, j - m + k, 2 * F) @ P[f"{name}.input.W_{part}"][k]
                    gates[part] = total + masked(f"{name}.input", f"_{part}", stream[i, j])
                state[i, j], memory[i, j] = cell(gates, at(memory, i - 1, j, F))
            for place in places:
                new[place] = stream[place] + P[f"{name}.out.b"] + masked(f"{name}.out", "", state[place])
        else:
            left, left_memory, right, right_memory = {}, {}, {}, {}
            for i, j in places:
                gates = {part: begin(f"{name}.left", part) + at(left, i - 1, j, F) @ P[f"{name}.left.above.W_{part}"]
                         + at(left, i, j - 1, F) @ P[f"{name}.left.beside.W_{part}"]
                         + masked(f"{name}.left.input", f"_{part}", stream[i, j]) for part in "ofig"}
                left[i, j], left_memory[i, j] = cell(gates, at(left_memory, i, j - 1, F))
            for i in range(H):
                for j in reversed(range(W)):
                    gates = {}
                    for part in "ofig":
                        gates[part] = (begin(f"{name}.right", part)
                                       + at(right, i - 1, j, F) @ P[f"{name}.right.above.W_{part}"]
                                       + at(right, i, j + 1, F) @ P[f"{name}.right.beside.W_{part}"]
                                       + stream[i, j] @ P[f"{name}.right.input.W_{part}"])
                        if l == 2:
                            gates[part] = gates[part] + levels[i, j] @ P[f"{name}.right.pixel.W_{part}"]
                    right[i, j], right_memory[i, j] = cell(gates, at(right_memory, i, j + 1, F))
            for i, j in places:
                new[i, j] = (stream[i, j] + P[f"{name}.out.b"] + masked(f"{name}.left.out", "", left[i, j])
                             + at(right, i - 1, j, F) @ P[f"{name}.right.out.W"])
        stream = new
    return torch.stack([torch.stack([stream[i, j] for j in range(W)], 1) for i in range(H)], 1)


def predict(config, P, levels, h=None):
    """Logits [B, H, W, C, K] of integer pixels [B, H, W, C], condition h [B, D]."""
    K = config["levels"]
    scaled = (levels.astype(np.float32) * np.float32(2 / (K - 1))).astype(np.float32) - np.float32(1)
    x = torch.from_numpy(scaled).to(next(iter(P.values())).dtype)
    stream = gated_stream if config["family"] == "gated-pixelcnn" else recurrent_stream
    return head(config, P, torch.relu(stream(config, P, x, h)))


def head(config, P, a):
    C = config["channels"]
    b = torch.relu(grouped(a, P, "head.hidden", C) + P["head.hidden.b"])
    size = b.shape[-1] // C
    logits = [b[..., :(c + 1) * size] @ P[f"head.logits{c}.W"] + P["head.logits.b"][c] for c in range(C)]
    return torch.stack(logits, -2)


def gated_stream(config, P, x, h):
    """What the head of a Gated PixelCNN reads: skips, or the last horizontal features."""
    C, F, L, S = config["channels"], config["features"], config["depth"], config["skip"]
    vertical = horizontal = x
    skip = P["skip.b"] if S else None
    for l in range(1, L + 1):
        n, d = geometry(config, l)
        r, up = (n - 1) // 2, (n + 1) // 2

        def condition(stack, half):
            return (h @ P[f"layer{l}.{stack}.V_{half}"])[:, None, None, :] if h is not None else 0

        p = {}
        for half in "fg":
            p[half] = P[f"layer{l}.vertical.b_{half}"] + condition("vertical", half)
            for k in range(up):
                rows_up = up - k if l == 1 else (up - 1 - k) * d
                for m in range(n):
                    p[half] = p[half] + shifted(vertical, rows_up, (r - m) * d) @ P[f"layer{l}.vertical.W_{half}"][k, m]
        both = torch.cat([p["f"], p["g"]], -1)

        q = {}
        for half in "fg":
            q[half] = (P[f"layer{l}.horizontal.b_{half}"] + condition("horizontal", half)
                       + both @ P[f"layer{l}.link.W_{half}"])
            for m in range(r):
                q[half] = q[half] + shifted(horizontal, 0, (r - m) * d) @ P[f"layer{l}.horizontal.W_{half}"][m]
            groups = []
            for c in range(C):
                seen = c if l == 1 else (c + 1) * F // C  # mask A: groups < c; mask B: groups <= c
                groups.append(horizontal[..., :seen] @ P[f"layer{l}.centre{c}.W_{half}"] if seen
                              else x.new_zeros(*x.shape[:3], F // C))
            q[half] = q[half] + torch.cat(groups, -1)

        y = torch.tanh(q["f"]) * torch.sigmoid(q["g"])
        if l < L:
            vertical = torch.tanh(p["f"]) * torch.sigmoid(p["g"])
        if l < L or S == 0:
            new = grouped(y, P, f"layer{l}.residual", C) + P[f"layer{l}.residual.b"]
            horizontal = new if l == 1 else new + horizontal
        if S:
            skip = skip + grouped(y, P, f"layer{l}.skip", C)
    return skip if S else horizontal


def log_probabilities(config, P, levels, h=None):
    """Nats of each image, summed over its sub-pixels. [B]"""
    logp = torch.log_softmax(predict(config, P, levels, h), -1)
    index = torch.from_numpy(levels.astype(np.int64))[..., None]
    return logp.gather(-1, index).sum((1, 2, 3, 4))


def random_parameters(config, random):
    """All non-zero; exactly representable in float32, so that nine digits lose nothing. Above the usual scale:
    far from linear."""
    out = {}
    for name, shape in shapes(config).items():
        leaf = name.split(".")[-1]
        # Milder logits of the recurrent ones: the exact engine's integers know the unlikeliest levels to a few digits
        # only.
        most = 0.6 if config["family"] != "gated-pixelcnn" and name.startswith("head.logits") else 1.5
        scale = 0.5 if leaf.startswith("b") else most / np.sqrt(np.prod(shape[:-1]))
        value = (scale * random.standard_normal(shape)).astype(np.float32)
        assert np.all(value != 0)
        out[name] = torch.from_numpy(value.astype(np.float64)).requires_grad_()
    return out


def decays(name):
    """Only weights decay (last part `W`, `W_f`, `V_g`, ...), never biases: `head.logits.b` is a matrix in shape
    alone."""
    return name.split(".")[-1][0] in "WV"


def train(config, start, levels, h):
    """Ten full-batch steps. Returns losses before each step, norms, final parameters and their moving average."""
    P = {name: value.detach().clone().requires_grad_() for name, value in start.items()}
    optimizer = torch.optim.AdamW(
        [{"params": [p for n, p in P.items() if decays(n)], "weight_decay": ADAM["weightDecay"]},
         {"params": [p for n, p in P.items() if not decays(n)], "weight_decay": 0.0}],
        lr=ADAM["learningRate"], betas=(ADAM["beta1"], ADAM["beta2"]), eps=ADAM["epsilon"])
    average = {name: p.detach().clone() for name, p in P.items()}
    losses, norms = [], []
    for step in range(1, ADAM["steps"] + 1):
        optimizer.zero_grad(set_to_none=True)
        loss = -log_probabilities(config, P, levels, h).mean()
        loss.backward()
        norm = torch.sqrt(sum(p.grad.pow(2).sum() for p in P.values()))
        # Written out: torch's clip_grad_norm_ divides by norm + 1e-6, which is not the definition.
        factor = min(1.0, ADAM["clip"] / float(norm))
        for p in P.values():
            p.grad.mul_(factor)
        for group in optimizer.param_groups:
            group["lr"] = ADAM["learningRate"] * min(1.0, step / ADAM["warmup"])
        optimizer.step()
        with torch.no_grad():
            for name, p in P.items():
                average[name].mul_(ADAM["averageDecay"]).add_(p, alpha=1 - ADAM["averageDecay"])
        losses.append(float(loss))
        norms.append(float(norm))
    return losses, norms, P, average


def rounded(values):
    return [float(f"{float(v):.9g}") for v in np.asarray(values).reshape(-1)]


def numbers(tensors):
    return {name: rounded(t.detach().numpy()) for name, t in tensors.items()}


def golden(config, seed, trained):
    random = np.random.RandomState(seed)
    P = random_parameters(config, random)
    shape = [BATCH, config["height"], config["width"], config["channels"]]
    levels = random.randint(0, config["levels"], shape)
    # A float32 condition, signs mixed, no zeros.
    size = config["condition"] and config["condition"]["size"]
    condition = random.standard_normal([BATCH, size]).astype(np.float32) if size else None
    h = torch.from_numpy(condition.astype(np.float64)) if condition is not None else None

    logp = log_probabilities(config, P, levels, h)
    loss = -logp.mean()
    loss.backward()
    gradients = {name: p.grad.clone() for name, p in P.items()}
    dead = [name for name, g in gradients.items() if bool((g.abs().max() == 0))]
    assert not dead, f"a golden gradient that is all 0 proves nothing: {dead}"
    out = {
        "config": config,
        "parameters": {name: {"shape": list(p.shape), "data": rounded(p.detach().numpy())} for name, p in P.items()},
        "images": {"shape": shape, "data": levels.reshape(-1).tolist()},
    }
    if condition is not None:
        out["condition"] = {"shape": list(condition.shape), "data": rounded(condition)}
    out.update({"loss": rounded([loss.item()])[0], "logProbabilities": rounded(logp.detach().numpy()),
                "gradients": numbers(gradients)})
    if not trained:
        return out, gradients

    losses, norms, after, average = train(config, P, levels, h)

    # Adam divides by |gradient|, so a gradient near 0 may turn float32 noise into a whole step. A seed where that
    # happens would make
    # these numbers useless to a float32 engine; measure it here rather than there.
    single = {name: p.detach().float().requires_grad_() for name, p in P.items()}
    after32 = train(config, single, levels, None if h is None else h.float())[2]
    noise = max(float((after32[name].double() - p).abs().max()) for name, p in after.items())
    assert noise < 1e-5, f"float32 ends {noise} away after ten steps: choose another seed"
    out["adam"] = {**ADAM, "losses": rounded(losses), "gradientNorms": rounded(norms), "parameters": numbers(after),
                   "average": numbers(average)}
    print(f"norms {norms[0]:.3g} .. {norms[-1]:.3g}, losses {losses[0]:.5g} .. {losses[-1]:.5g}, "
          f"float32 within {noise:.1g}")
    return out, gradients


if __name__ == "__main__":
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(1)
    for seed, (name, config) in enumerate({**MODELS, **RECURRENT}.items(), 1):
        result, gradients = golden(config, seed, trained=name in MODELS)
        path = HERE / f"{name}.json"
        path.write_text(json.dumps(result) + "\n")
        zeros = sum(int((g == 0).sum()) for g in gradients.values())
        total = sum(g.numel() for g in gradients.values())
        print(f"{name}: loss {result['loss']} nats, {total} parameters, {zeros} gradients exactly 0, "
              f"{path.stat().st_size} bytes")
