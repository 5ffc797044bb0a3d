# SPDX-License-Identifier: MIT
"""Writes tests/burtorch/reference/*.safetensors: small models and single operations with the values
and gradients that PyTorch gives in float64. `reference.py FOLDER`; layout in README.md.

The numbers put in are exact in float32, so one file serves tests in both precisions.
"""
import os
import sys

import numpy as np
import torch
import torch.nn.functional as F

import inputs
import safetensors_file
import torch_models

MOMENTUM = {"kind": "sgd", "lr": 0.05, "momentum": 0.9}
ADAMW = inputs.ADAMW | {"lr": 0.01}
BOTH = {"momentum": MOMENTUM, "adamw": ADAMW}
GPT = {"model": "gpt", "vocabulary": 11, "layers": 2, "heads": 2, "width": 8, "context": 5,
       "batch": 3, "optimisers": BOTH}
CNN = {"model": "cnn", "channels": (2, 4, 6), "classes": 5, "batch": 4, "optimisers": BOTH}
MODELS = {
    "mlp": {"model": "mlp", "widths": (6, 9, 7, 4), "activation": "relu", "batch": 5,
            "optimisers": BOTH},
    "gpt_gelu": GPT | {"activation": "gelu"},
    "gpt_relu": GPT | {"activation": "relu"},
    "cnn": CNN | {"batch_norm": False},
    "cnn_batch_norm": CNN | {"batch_norm": True},
}


def running_of(spec):
    return {f"norm{i}.running_{s}": torch.full((spec["channels"][i],), float(s == "var"),
                                               dtype=torch.float64)
            for i in (1, 2) for s in ("mean", "var")}


def write_model(folder, name, spec):
    parameters, batch = inputs.start_of(name, spec)
    arrays = {"param." + k: v for k, v in parameters.items()}
    arrays |= {"input." + k: v for k, v in batch.items()}
    loss = torch_models.loss_of(spec)
    if spec.get("batch_norm"):
        running = running_of(spec)
        loss = lambda p, x: torch_models.cnn(spec, p, x, running)
        first = running_of(spec)
        torch_models.cnn(spec, torch_models.to_torch(parameters), torch_models.to_torch(batch), first)
        arrays |= {"expected." + k: v.numpy() for k, v in first.items()}
    arrays |= torch_models.expected_of(spec, parameters, batch, BOTH, loss=loss)
    safetensors_file.write(inputs.file_of(folder, name), arrays, inputs.metadata_of(name, spec))


# ---- Single operations: CASE.NAME in, CASE.y out, CASE.dy into it, CASE.d_NAME back ----

random = np.random.Generator(np.random.PCG64(20250327))


def draw(*shape, scale=1.0, shift=0.0):
    """Normal deviates of this scale about `shift`, exact in float32."""
    x = np.asarray(scale * random.standard_normal(shape) + shift)
    return torch.from_numpy(x.astype(np.float32).astype(np.float64))


def case(out, name, function, **arrays):
    """y = function(**arrays), and the gradient of sum(dy y) by each of them."""
    leaves = {k: t.clone().requires_grad_(True) for k, t in arrays.items()}
    y = function(**leaves)
    dy = draw(*y.shape)
    (y * dy).sum().backward()
    out |= {f"{name}.{k}": t.detach() for k, t in leaves.items()}
    out |= {f"{name}.y": y.detach(), f"{name}.dy": dy}
    out |= {f"{name}.d_{k}": t.grad for k, t in leaves.items()}


def indexed_case(out, name, indices, function, **arrays):
    case(out, name, lambda **t: function(indices=indices.long(), **t), **arrays)
    # What is to be ignored is the largest u32.
    out[name + ".indices"] = np.where(indices < 0, 2**32 - 1, indices.numpy()).astype(np.uint32)


def norms(out):
    case(out, "layer_norm", lambda x, weight, bias: F.layer_norm(x, (5,), weight, bias, 1e-5),
         x=draw(2, 3, 5, scale=2, shift=1), weight=draw(5, shift=1), bias=draw(5))
    case(out, "rms_norm", lambda x, weight: F.rms_norm(x, (5,), weight, 1e-5), x=draw(3, 5),
         weight=draw(5, shift=1))
    for name, shape in (("batch_norm", (3, 2, 2, 3)), ("batch_norm_rows", (5, 2))):
        mean, var = draw(2), draw(2, scale=0.1, shift=1)
        out[name + ".running_mean"], out[name + ".running_var"] = mean.clone(), var.clone()
        arrays = {"x": draw(*shape, scale=2, shift=1), "weight": draw(2, shift=1),
                  "bias": draw(2)}
        case(out, name + "_eval", lambda x, weight, bias: F.batch_norm(
            x, mean, var, weight, bias, False, 0.1, 1e-5), **arrays)
        case(out, name + "_train", lambda x, weight, bias: F.batch_norm(
            x, mean, var, weight, bias, True, 0.1, 1e-5), **arrays)
        out[name + "_train.running_mean"], out[name + "_train.running_var"] = mean, var


def windows(out):
    weight, bias = draw(3, 2, 3, 3), draw(3)
    for stride, padding in ((1, 0), (1, 1), (2, 0), (2, 1)):
        case(out, f"conv2d_s{stride}p{padding}",
             lambda x, weight, bias: F.conv2d(x, weight, bias, stride, padding),
             x=draw(2, 2, 5, 6), weight=weight, bias=bias)
    case(out, "conv2d_2x3", lambda x, weight: F.conv2d(x, weight, None, (2, 1), (0, 1)),
         x=draw(1, 2, 5, 4), weight=draw(2, 2, 2, 3))
    for pool, f in (("max", F.max_pool2d), ("avg", F.avg_pool2d)):
        case(out, pool + "_pool_2s2p0", lambda x: f(x, 2, 2, 0), x=draw(2, 2, 5, 4))
        case(out, pool + "_pool_3s2p1", lambda x: f(x, 3, 2, 1), x=draw(1, 2, 5, 6))


def sequences(out):
    for name, causal in (("attention_causal", True), ("attention_full", False)):
        case(out, name, lambda qkv: torch_models.attention(qkv, 2, causal), qkv=draw(2, 4, 18))
    indexed_case(out, "embedding", torch.tensor([[3, 1, 3], [0, 3, 4]]),
                 lambda table, indices: F.embedding(indices, table), table=draw(5, 3))


def elements(out):
    x = torch.cat([draw(9, scale=2), torch.tensor([-8.0, -0.5, 0.0, 0.5, 8.0], dtype=torch.float64)])
    case(out, "gelu", F.gelu, **{"input": x})
    case(out, "gelu_tanh", lambda input: F.gelu(input, approximate="tanh"), **{"input": x})
    case(out, "silu", F.silu, **{"input": x})
    case(out, "softplus", F.softplus, **{"input": x})
    case(out, "softmax", lambda x: F.softmax(x, -1), x=draw(3, 5, scale=3))
    case(out, "log_softmax", lambda x: F.log_softmax(x, -1), x=draw(3, 5, scale=3))


def losses(out):
    targets = torch.tensor([4, -1, 0, 2, -1, 2])
    indexed_case(out, "cross_entropy", targets,
                 lambda x, indices: F.cross_entropy(x, indices, ignore_index=-1), x=draw(6, 5, scale=3))
    indexed_case(out, "cross_entropy_large", torch.tensor([0, 1]), lambda x, indices:
                 F.cross_entropy(x, indices), x=torch.tensor([[900.0, -900.0], [900.0, -900.0]],
                                                             dtype=torch.float64))
    case(out, "mse", F.mse_loss, **{"input": draw(3, 2), "target": draw(3, 2)})
    case(out, "bce_with_logits", lambda x: F.binary_cross_entropy_with_logits(
        x, torch.tensor([0.0, 1.0, 0.25, 1.0], dtype=torch.float64)), x=draw(4, scale=4))
    out["bce_with_logits.target"] = torch.tensor([0.0, 1.0, 0.25, 1.0], dtype=torch.float64)


OPTIMISERS = {
    "sgd": {"kind": "sgd", "lr": 0.1},
    "sgd_decay": {"kind": "sgd", "lr": 0.1, "weight_decay": 0.05},
    "momentum": {"kind": "sgd", "lr": 0.1, "momentum": 0.9},
    "momentum_decay": {"kind": "sgd", "lr": 0.1, "momentum": 0.9, "weight_decay": 0.05},
    "nesterov": {"kind": "sgd", "lr": 0.1, "momentum": 0.9, "nesterov": True},
    "nesterov_decay": {"kind": "sgd", "lr": 0.1, "momentum": 0.9, "nesterov": True,
                       "weight_decay": 0.05},
    "adam": {"kind": "adam", "lr": 0.1, "betas": (0.9, 0.999), "eps": 1e-8},
    "adam_decay": {"kind": "adam", "lr": 0.1, "betas": (0.9, 0.999), "eps": 1e-8,
                   "weight_decay": 0.05},
    "adamw": {"kind": "adamw", "lr": 0.1, "betas": (0.9, 0.95), "eps": 1e-8, "weight_decay": 0.1},
}


def steps(out, metadata):
    """The same five gradients (the fourth is zero in part) to each optimiser."""
    start, gradients = draw(4), draw(5, 4)
    gradients[3, :2] = 0
    out |= {"optimiser.start": start, "optimiser.gradients": gradients}
    for name, settings in OPTIMISERS.items():
        p = start.clone().requires_grad_(True)
        stepper = torch_models.optimiser_of(settings, [p])
        trajectory = []
        for g in gradients:
            p.grad = g.clone()
            stepper.step()
            trajectory.append(p.detach().clone())
        out["optimiser." + name] = torch.stack(trajectory)
        metadata |= {f"{name}.{k}": inputs.text_of(v) for k, v in settings.items()}


def clipping(out):
    """Two arrays scaled together to a norm of at most 1 (they exceed it) and 100 (they do not)."""
    a, b = draw(2, 3, scale=3), draw(4)
    out |= {"clip.a": a, "clip.b": b}
    for limit in (1, 100):
        p = [torch.zeros_like(t).requires_grad_(True) for t in (a, b)]
        p[0].grad, p[1].grad = a.clone(), b.clone()
        out["clip.norm"] = torch.nn.utils.clip_grad_norm_(p, limit).reshape(())
        out |= {f"clip_{limit}.a": p[0].grad, f"clip_{limit}.b": p[1].grad}


def write_operations(path):
    out, metadata = {}, {}
    for part in (norms, windows, sequences, elements, losses, clipping):
        part(out)
    steps(out, metadata)
    arrays = {k: v.detach().numpy() if torch.is_tensor(v) else v for k, v in out.items()}
    safetensors_file.write(path, arrays, metadata)


def main(folder):
    os.makedirs(folder, exist_ok=True)
    for name, spec in MODELS.items():
        write_model(folder, name, spec)
    write_operations(os.path.join(folder, "operations.safetensors"))


if __name__ == "__main__":
    main(sys.argv[1])
