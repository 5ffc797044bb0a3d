# SPDX-License-Identifier: MIT
"""Every work that both sides run: its sizes, its first parameters and batch, and what must come out.

`inputs.py FOLDER [NAME...]` writes FOLDER/NAME.safetensors (all works when none is named) in the
layout of README.md. Numbers come from numpy's PCG64 keyed by the name of the work; the expected
loss, gradients and losses of ten steps from PyTorch in float64. Files that are there are kept.
"""
import os
import sys
import zlib

import numpy as np

import safetensors_file

SGD = {"kind": "sgd"}
ADAMW = {"kind": "adamw", "lr": 3e-4, "betas": (0.9, 0.95), "eps": 1e-8, "weight_decay": 0.1}


def makemore(h, b):
    return {"model": "char_mlp", "vocabulary": 27, "context": 16, "embedding": 64, "hidden": h,
            "batch": b, "optimisers": {"sgd": SGD | {"lr": 0.1}}, "optimiser": "sgd"}


def gpt(layers, heads, width, context, batch, activation, optimiser):
    return {"model": "gpt", "vocabulary": 65, "layers": layers, "heads": heads, "width": width,
            "context": context, "batch": batch, "activation": activation,
            "optimisers": {"sgd": SGD | {"lr": 3e-4}, "adamw": ADAMW}, "optimiser": optimiser}


WORKS = {f"makemore_h{h}_b{b}": makemore(h, b)
         for h in (4, 16, 32, 64, 128, 256, 512, 1024) for b in (1, 64)}
WORKS |= {f"gpt_mini_b{b}": gpt(6, 6, 24, 8, b, "relu", "sgd") for b in (1, 8, 64)}
WORKS["mlp_784_b128"] = {"model": "mlp", "widths": (784, 1024, 1024, 10), "activation": "relu",
                         "batch": 128, "optimisers": {"sgd": SGD | {"lr": 0.1}}, "optimiser": "sgd"}
WORKS["gpt_4x128_b12"] = gpt(4, 4, 128, 64, 12, "gelu", "adamw")
WORKS["gpt_6x384_b4"] = gpt(6, 6, 384, 256, 4, "gelu", "adamw")


def linear_shapes(name, n_in, n_out, bias=True):
    shapes = {name + ".weight": (n_out, n_in)}
    return shapes | {name + ".bias": (n_out,)} if bias else shapes


def norm_shapes(name, width):
    return {name + ".weight": (width,), name + ".bias": (width,)}


def parameter_shapes(spec):
    """Names and shapes, in the order in which models make them."""
    if spec["model"] == "char_mlp":
        v, e, h = spec["vocabulary"], spec["embedding"], spec["hidden"]
        return ({"embedding.weight": (v, e)} | linear_shapes("hidden", spec["context"] * e, h)
                | linear_shapes("output", h, v))
    if spec["model"] == "mlp":
        w, shapes = spec["widths"], {}
        for i in range(len(w) - 1):
            shapes |= linear_shapes(f"layer.{i}", w[i], w[i + 1])
        return shapes
    if spec["model"] == "cnn":
        c, k = spec["channels"], spec["classes"]
        shapes = {}
        for i in (1, 2):
            shapes |= {f"conv{i}.weight": (c[i], c[i - 1], 3, 3), f"conv{i}.bias": (c[i],)}
            shapes |= norm_shapes(f"norm{i}", c[i]) if spec["batch_norm"] else {}
        return shapes | linear_shapes("output", c[2] * 16, k)
    v, d = spec["vocabulary"], spec["width"]
    shapes = {"token.weight": (v, d), "position.weight": (spec["context"], d)}
    for i in range(spec["layers"]):
        b = f"block.{i}."
        shapes |= (norm_shapes(b + "norm1", d) | linear_shapes(b + "qkv", d, 3 * d, bias=False)
                   | linear_shapes(b + "projection", d, d) | norm_shapes(b + "norm2", d)
                   | linear_shapes(b + "mlp_up", d, 4 * d) | linear_shapes(b + "mlp_down", 4 * d, d))
    return shapes | norm_shapes("norm", d) | linear_shapes("head", d, v)


def first_parameters(spec, random):
    """float32: embeddings N(0, 1) (makemore) or N(0, 1/4); norm weights N(1, 0.01); every bias
    N(0, 0.01), so that a gradient that forgets one shows; other weights N(0, 1 / inputs)."""
    out = {}
    for name, shape in parameter_shapes(spec).items():
        x = random.standard_normal(shape)
        if name == "embedding.weight":
            pass
        elif name in ("token.weight", "position.weight"):
            x *= 0.5
        elif len(shape) == 1:
            x = 0.1 * x + (1.0 if "norm" in name and name.endswith("weight") else 0.0)
        else:
            x /= np.sqrt(np.prod(shape[1:]))
        out[name] = x.astype(np.float32)
    return out


def batch_of(spec, random):
    b = spec["batch"]
    if spec["model"] in ("mlp", "cnn"):
        shape = (b, spec["widths"][0]) if spec["model"] == "mlp" else (b, spec["channels"][0], 8, 8)
        classes = spec["widths"][-1] if spec["model"] == "mlp" else spec["classes"]
        return {"x": random.random(shape, dtype=np.float32),
                "targets": random.integers(classes, size=b, dtype=np.uint32)}
    v = spec["vocabulary"]
    tokens = random.integers(v, size=(b, spec["context"]), dtype=np.uint32)
    targets = tokens.shape if spec["model"] == "gpt" else b
    return {"tokens": tokens, "targets": random.integers(v, size=targets, dtype=np.uint32)}


def metadata_of(name, spec):
    """The spec as texts; of optimisers, `sgd.lr`, `adamw.betas`, …"""
    texts = {"work": name}
    for key, value in spec.items():
        if key == "optimisers":
            for kind, settings in value.items():
                texts |= {f"{kind}.{k}": text_of(v) for k, v in settings.items() if k != "kind"}
        else:
            texts[key] = text_of(value)
    return texts


def text_of(value):
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def start_of(name, spec):
    """Parameters and batch of a work: the same numbers whenever they are asked for."""
    random = np.random.Generator(np.random.PCG64(zlib.crc32(name.encode())))
    return first_parameters(spec, random), batch_of(spec, random)


def parameter_count(spec):
    return sum(int(np.prod(s)) for s in parameter_shapes(spec).values())


def file_of(folder, name):
    return os.path.join(folder, name + ".safetensors")


def write_work(folder, name):
    import torch_models
    spec = WORKS[name]
    parameters, batch = start_of(name, spec)
    arrays = {"param." + k: v for k, v in parameters.items()}
    arrays |= {"input." + k: v for k, v in batch.items()}
    arrays |= torch_models.expected_of(spec, parameters, batch, spec["optimisers"])
    safetensors_file.write(file_of(folder, name), arrays, metadata_of(name, spec))
    return arrays


def read_work(folder, name):
    """Parameters, batch and the rest of a file, by their bare names."""
    arrays = safetensors_file.read(file_of(folder, name))
    take = lambda prefix: {k[len(prefix):]: v for k, v in arrays.items() if k.startswith(prefix)}
    spec = WORKS[name]
    parameters = {k: take("param.")[k] for k in parameter_shapes(spec)}
    return spec, parameters, take("input."), {k: v for k, v in arrays.items()
                                              if k.startswith(("expected.", "grad."))}


def main(folder, names):
    os.makedirs(folder, exist_ok=True)
    for name in names or WORKS:
        if os.path.exists(file_of(folder, name)):
            continue
        arrays = write_work(folder, name)
        losses = arrays["expected.losses." + WORKS[name]["optimiser"]]
        print(f"{name}: {parameter_count(WORKS[name])} parameters, "
              f"loss {losses[0]:.6f}, after ten steps {losses[10]:.6f}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
