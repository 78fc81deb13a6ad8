"""How fast does PyTorch train the Gated PixelCNN on this CPU? One JSON line: images a second of a whole train step.

The step is ours: forward, mean nats, backward, global-norm clip at 1, AdamW (weights decay, biases do not), moving
average of the weights. Every choice that might favour PyTorch is a flag, and the defaults are those that won when
tried (see --help); a peer that is slow by neglect would make our comparison worthless. Run it on idle cores only:
with another busy process its OpenMP threads wait for each other at every operator, and two threads have been seen to
take 10x longer."""

import argparse
import ctypes
import json
import resource
import statistics
import time

import torch

from gated_pixelcnn import add_model_arguments, model_from_arguments, use_blas

RATE, BETAS, EPSILON, DECAY, AVERAGE, CLIP = 1e-3, (0.9, 0.99), 1e-8, 0.01, 0.999, 1.0


def keep_memory():
    """Tell glibc to keep freed activations instead of returning them to the system, to be faulted in again on the
    next step."""
    libc = ctypes.CDLL("libc.so.6")
    M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
    libc.mallopt(M_MMAP_THRESHOLD, 1 << 30)
    libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def decaying(model):
    """Convolution and condition weights decay; every bias is one-dimensional here."""
    parameters = list(model.parameters())
    return [p for p in parameters if p.dim() > 1], [p for p in parameters if p.dim() == 1]


def torch_step(model, foreach):
    """The library's own optimizer."""
    weights, biases = decaying(model)
    parameters = weights + biases
    optimizer = torch.optim.AdamW(
        [{"params": weights, "weight_decay": DECAY}, {"params": biases, "weight_decay": 0.0}],
        lr=RATE,
        betas=BETAS,
        eps=EPSILON,
        foreach=foreach,
    )
    average = [p.detach().clone() for p in parameters]

    def step(levels):
        optimizer.zero_grad(set_to_none=True)
        loss = model.nats(levels)
        loss.backward()
        if foreach:
            with torch.no_grad():
                grads = [p.grad for p in parameters]
                total = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(grads)))
                torch._foreach_mul_(grads, float(torch.clamp(CLIP / (total + 1e-6), max=1)))
        else:
            torch.nn.utils.clip_grad_norm_(parameters, CLIP)
        optimizer.step()
        with torch.no_grad():
            torch._foreach_mul_(average, AVERAGE)
            torch._foreach_add_(average, [p.detach() for p in parameters], alpha=1 - AVERAGE)
        return loss

    return step


def flat_step(model):
    """All weights in one vector and all biases in another: a dozen large operators instead of a dozen for each of the
    tensors."""
    groups = []
    for parameters, decay in zip(decaying(model), (DECAY, 0.0)):
        flat = torch.empty(sum(p.numel() for p in parameters))
        offset = 0
        for p in parameters:
            view = flat[offset : offset + p.numel()].as_strided(p.shape, p.stride(), offset)
            view.copy_(p.data)
            p.data = view
            offset += p.numel()
        groups.append(
            (
                parameters,
                flat,
                torch.empty_like(flat),
                torch.zeros_like(flat),
                torch.zeros_like(flat),
                flat.clone(),
                decay,
            )
        )
    count = 0

    def step(levels):
        nonlocal count
        count += 1
        for parameters, *_ in groups:
            for p in parameters:
                p.grad = None
        loss = model.nats(levels)
        loss.backward()
        if count == 1:
            assert all(
                a == b
                for ps, *_ in groups
                for p in ps
                for a, b, n in zip(p.stride(), p.grad.stride(), p.shape)
                if n > 1
            )
        with torch.no_grad():
            for parameters, _, grad, *_ in groups:
                # A gradient has its parameter's strides (asserted above), so its memory order is the vector's.
                torch.cat([p.grad.as_strided((p.numel(),), (1,)) for p in parameters], out=grad)
            norm = sum(float(grad.dot(grad)) for _, _, grad, *_ in groups) ** 0.5
            scale = min(1.0, CLIP / (norm + 1e-6))
            first, second = 1 - BETAS[0] ** count, 1 - BETAS[1] ** count
            for _, flat, grad, m, v, average, decay in groups:
                grad.mul_(scale)
                m.mul_(BETAS[0]).add_(grad, alpha=1 - BETAS[0])
                v.mul_(BETAS[1]).addcmul_(grad, grad, value=1 - BETAS[1])
                if decay:
                    flat.mul_(1 - RATE * decay)
                flat.addcdiv_(m, v.sqrt().div_(second**0.5).add_(EPSILON), value=-RATE / first)
                average.lerp_(flat, 1 - AVERAGE)
        return loss

    return step


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_model_arguments(parser, depth=8)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--warmup", type=int, default=5)
    parser.add_argument("--variant", choices=("cropped", "masked"), default="cropped")
    parser.add_argument("--channels-last", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--gate", choices=("custom", "plain"), default="custom")
    parser.add_argument("--optimizer", choices=("flat", "foreach", "single"), default="flat")
    parser.add_argument("--allocator", choices=("keep", "default"), default="keep")
    parser.add_argument("--flush-denormal", action=argparse.BooleanOptionalAction, default=False)
    parser.add_argument("--profile", action="store_true", help="print the operators of one step instead")
    args = parser.parse_args()
    blas = use_blas(args.blas)

    if args.allocator == "keep":
        keep_memory()
    torch.set_num_threads(args.threads)
    torch.set_flush_denormal(args.flush_denormal)
    model = model_from_arguments(
        args, masked=args.variant == "masked", channels_last=args.channels_last, gate=args.gate
    )
    config = model.config
    step = flat_step(model) if args.optimizer == "flat" else torch_step(model, args.optimizer == "foreach")

    # Images do not matter for the time; a ring of batches keeps one from becoming memorised and its gradients denormal.
    shape = (args.batch, config["channels"], config["height"], config["width"])
    batches = [torch.randint(0, config["levels"], shape) for _ in range(8)]
    for i in range(args.warmup):
        first = step(batches[i % 8])
    if args.profile:
        with torch.profiler.profile() as profile:
            step(batches[0])
        print(profile.key_averages().table(sort_by="self_cpu_time_total", row_limit=25, max_name_column_width=40))
    times = []
    for i in range(args.steps):
        start = time.perf_counter()
        loss = step(batches[i % 8])
        loss.item()
        times.append((time.perf_counter() - start) * 1e3)
    median = statistics.median(times)
    print(
        json.dumps(
            {
                "engine": f"pytorch {torch.__version__}",
                "imagesPerSecond": round(args.batch / median * 1e3, 2),
                "msPerStep": round(median, 3),
                "msBest": round(min(times), 3),
                "msMean": round(statistics.mean(times), 3),
                "steps": args.steps,
                "loss": round(loss.item(), 4),
                "features": config["features"],
                "depth": config["depth"],
                "batch": args.batch,
                "threads": torch.get_num_threads(),
                "levels": config["levels"],
                "height": config["height"],
                "width": config["width"],
                "channels": config["channels"],
                "parameters": sum(p.numel() for p in model.parameters()),
                "variant": args.variant,
                "channelsLast": args.channels_last,
                "gate": args.gate,
                "optimizer": args.optimizer,
                "allocator": args.allocator,
                "blas": blas,
                "peakMegabytes": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
            }
        )
    )
