# SPDX-License-Identifier: MIT
"""The models as functions of named arrays, in PyTorch: loss(spec, parameters, inputs).

Parameters are a dict of tensors by the names of README.md; so the same functions serve the reference
values in float64, PyTorch's own timing, and torch.compile. Nothing here holds state but batch norm,
which returns nothing and changes the running averages it is given.
"""
import numpy as np
import torch
import torch.nn.functional as F


def linear(p, name, x):
    return F.linear(x, p[name + ".weight"], p.get(name + ".bias"))


def norm(p, name, x):
    return F.layer_norm(x, x.shape[-1:], p[name + ".weight"], p[name + ".bias"], 1e-5)


def activation(spec, x):
    return F.relu(x) if spec["activation"] == "relu" else F.gelu(x)


def attention(qkv, heads, causal=True):
    """qkv (B, T, 3d) to (B, T, d): head j owns columns j d/heads .. of each third."""
    rows, length, width = qkv.shape
    q, k, v = (t.reshape(rows, length, heads, width // 3 // heads).transpose(1, 2)
               for t in qkv.chunk(3, dim=-1))
    y = F.scaled_dot_product_attention(q, k, v, is_causal=causal)
    return y.transpose(1, 2).reshape(rows, length, width // 3)


def char_mlp(spec, p, inputs):
    tokens, targets = inputs["tokens"], inputs["targets"]
    x = F.embedding(tokens, p["embedding.weight"]).flatten(1)
    x = torch.tanh(linear(p, "hidden", x))
    return F.cross_entropy(linear(p, "output", x), targets)


def mlp(spec, p, inputs):
    x = inputs["x"]
    last = len(spec["widths"]) - 2
    for i in range(last + 1):
        x = linear(p, f"layer.{i}", x)
        x = activation(spec, x) if i < last else x
    return F.cross_entropy(x, inputs["targets"])


def gpt(spec, p, inputs):
    tokens, targets = inputs["tokens"], inputs["targets"]
    x = F.embedding(tokens, p["token.weight"]) + p["position.weight"][: tokens.shape[1]]
    for i in range(spec["layers"]):
        b = f"block.{i}."
        y = attention(linear(p, b + "qkv", norm(p, b + "norm1", x)), spec["heads"])
        x = x + linear(p, b + "projection", y)
        y = activation(spec, linear(p, b + "mlp_up", norm(p, b + "norm2", x)))
        x = x + linear(p, b + "mlp_down", y)
    logits = linear(p, "head", norm(p, "norm", x))
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


def cnn(spec, p, inputs, running=None):
    """Two 3x3 convolutions, max-pool between them, one linear layer; with spec["batch_norm"], batch
    norm (batch statistics; running averages updated in place) after each convolution."""
    def block(x, i):
        x = F.conv2d(x, p[f"conv{i}.weight"], p[f"conv{i}.bias"], padding=1)
        if spec["batch_norm"]:
            mean, var = (running[f"norm{i}.{s}"] for s in ("running_mean", "running_var"))
            x = F.batch_norm(x, mean, var, p[f"norm{i}.weight"], p[f"norm{i}.bias"], True, 0.1, 1e-5)
        return F.relu(x)
    x = F.max_pool2d(block(inputs["x"], 1), 2)
    x = linear(p, "output", block(x, 2).flatten(1))
    return F.cross_entropy(x, inputs["targets"])


LOSS = {"char_mlp": char_mlp, "mlp": mlp, "gpt": gpt, "cnn": cnn}


def loss_of(spec):
    f = LOSS[spec["model"]]
    return lambda p, inputs: f(spec, p, inputs)


def to_torch(arrays, dtype=torch.float64):
    """numpy to torch: floats in dtype, indices (uint32) in int64."""
    return {k: torch.from_numpy(v.astype("int64")) if v.dtype.kind == "u"
            else torch.from_numpy(v.astype("float64")).to(dtype) for k, v in arrays.items()}


def optimiser_of(name, parameters):
    """The three settings of README.md, by name."""
    lr, options = name["lr"], {k: v for k, v in name.items() if k not in ("kind", "lr")}
    kind = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
    return kind[name["kind"]](parameters, lr=lr, **options)


def expected_of(spec, parameters, inputs, optimisers, steps=10, loss=None):
    """Loss, gradients and, per optimiser, the losses before the first and after each of `steps`
    steps on the same batch; all in float64, as numpy arrays by the names of README.md."""
    loss = loss or loss_of(spec)
    inputs = to_torch(inputs)
    start = to_torch(parameters)
    for t in start.values():
        t.requires_grad_(True)
    value = loss(start, inputs)
    value.backward()
    out = {"expected.loss": value.detach().numpy()}
    out |= {"grad." + k: t.grad.numpy().copy() for k, t in start.items()}
    for name, settings in optimisers.items():
        p = {k: t.detach().clone().requires_grad_(True) for k, t in start.items()}
        stepper = optimiser_of(settings, list(p.values()))
        losses = []
        for i in range(steps + 1):
            stepper.zero_grad()
            value = loss(p, inputs)
            losses.append(value.item())
            if i < steps:
                value.backward()
                stepper.step()
        out["expected.losses." + name] = np.array(losses)
    return out
