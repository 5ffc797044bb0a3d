# SPDX-License-Identifier: MIT
"""One layer work in PyTorch or JAX: checks its loss, gradients and ten losses against the exchange
file, then times whole steps (forward, backward, update) as worker.py says.

    layer_peers.py torch|torch_compile|jax WORK f32|f64 THREADS FOLDER

`torch` runs the fastest eager form that we found: autograd.grad and one fused update of all arrays;
`torch_compile` compiles loss, gradients and update as one graph of fixed shapes.
"""
import sys
import time

import numpy as np

import inputs
import worker


def errors_of(expected, optimiser, loss, gradients, losses):
    """The three numbers of README.md."""
    wanted = expected["expected.losses." + optimiser]
    relative = lambda a, b: float(np.linalg.norm(a - b) / np.linalg.norm(b))
    return {"loss": float(loss),
            "loss_error": abs(float(loss) - wanted[0]) / wanted[0],
            "gradient_error": max(relative(np.asarray(g, np.float64), expected["grad." + k])
                                  for k, g in gradients.items()),
            "losses_error": float(np.max(np.abs(np.array(losses) - wanted)) / wanted[0])}


# ---- PyTorch ----

class TorchSide:
    def __init__(self, spec, parameters, batch, dtype, threads, compiled):
        import torch
        import torch_models
        torch.set_num_threads(threads)
        self.torch, self.spec, self.compiled = torch, spec, compiled
        self.loss = torch_models.loss_of(spec)
        self.batch = torch_models.to_torch(batch, getattr(torch, dtype))
        self.start = torch_models.to_torch(parameters, getattr(torch, dtype))
        self.settings = spec["optimisers"][spec["optimiser"]]
        self.step_function = torch.compile(self.sgd_graph, dynamic=False) if compiled else None
        self.reset()

    def reset(self):
        p = {k: t.clone() for k, t in self.start.items()}
        self.parameters = p
        if not self.compiled:
            for t in p.values():
                t.requires_grad_(True)
        if self.settings["kind"] == "adamw":
            options = {k: v for k, v in self.settings.items() if k != "kind"}
            self.optimiser = self.torch.optim.AdamW(list(p.values()), fused=True, **options)

    def sgd_graph(self, parameters, batch):
        """Loss, gradients and update in place as one function; the gradients are not kept."""
        gradients, loss = self.torch.func.grad_and_value(self.loss)(parameters, batch)
        for k, g in gradients.items():
            parameters[k].sub_(g, alpha=self.settings["lr"])
        return loss

    def gradients(self):
        p = {k: t.detach().clone().requires_grad_(True) for k, t in self.start.items()}
        grads = self.torch.autograd.grad(self.loss(p, self.batch), list(p.values()))
        return {k: g.numpy() for k, g in zip(p, grads)}

    def step(self):
        if self.compiled:
            return self.step_function(self.parameters, self.batch)
        loss = self.loss(self.parameters, self.batch)
        if self.settings["kind"] == "adamw":
            self.optimiser.zero_grad(set_to_none=True)
            loss.backward()
            self.optimiser.step()
            return loss
        leaves = list(self.parameters.values())
        grads = self.torch.autograd.grad(loss, leaves)
        with self.torch.no_grad():
            self.torch._foreach_add_(leaves, grads, alpha=-self.settings["lr"])
        return loss

    def finish(self):
        pass


# ---- JAX ----

def jax_losses(jax, in_out):
    """The losses by model; with in_out, weights of linear layers are held as (in, out)."""
    jnp, nn = jax.numpy, jax.nn

    def linear(p, name, x):
        w = p[name + ".weight"]
        y = x @ (w if in_out else w.T)
        return y + p[name + ".bias"] if name + ".bias" in p else y

    def norm(p, name, x):
        mean = x.mean(-1, keepdims=True)
        centred = x - mean
        var = (centred * centred).mean(-1, keepdims=True)
        return centred * jax.lax.rsqrt(var + 1e-5) * p[name + ".weight"] + p[name + ".bias"]

    def cross_entropy(logits, targets):
        picked = jnp.take_along_axis(nn.log_softmax(logits), targets[..., None], -1)
        return -picked.mean()

    def activation(spec, x):
        return nn.relu(x) if spec["activation"] == "relu" else nn.gelu(x, approximate=False)

    def char_mlp(spec, p, batch):
        x = p["embedding.weight"][batch["tokens"]].reshape(spec["batch"], -1)
        return cross_entropy(linear(p, "output", jnp.tanh(linear(p, "hidden", x))), batch["targets"])

    def mlp(spec, p, batch):
        x, last = batch["x"], len(spec["widths"]) - 2
        for i in range(last + 1):
            x = linear(p, f"layer.{i}", x)
            x = activation(spec, x) if i < last else x
        return cross_entropy(x, batch["targets"])

    def attention(spec, qkv):
        rows, length, width = qkv.shape
        heads, d = spec["heads"], width // 3
        q, k, v = (t.reshape(rows, length, heads, d // heads).transpose(0, 2, 1, 3)
                   for t in jnp.split(qkv, 3, -1))
        scores = q @ k.swapaxes(-1, -2) / np.sqrt(d // heads).astype(qkv.dtype)
        scores = jnp.where(np.tril(np.ones((length, length), bool)), scores, -jnp.inf)
        y = nn.softmax(scores, -1) @ v
        return y.transpose(0, 2, 1, 3).reshape(rows, length, d)

    def gpt(spec, p, batch):
        x = p["token.weight"][batch["tokens"]] + p["position.weight"]
        for i in range(spec["layers"]):
            b = f"block.{i}."
            y = attention(spec, linear(p, b + "qkv", norm(p, b + "norm1", x)))
            x = x + linear(p, b + "projection", y)
            y = activation(spec, linear(p, b + "mlp_up", norm(p, b + "norm2", x)))
            x = x + linear(p, b + "mlp_down", y)
        return cross_entropy(linear(p, "head", norm(p, "norm", x)), batch["targets"])

    return {"char_mlp": char_mlp, "mlp": mlp, "gpt": gpt}


def jax_update(jnp, settings, p, g, state):
    if settings["kind"] == "sgd":
        return {k: p[k] - settings["lr"] * g[k] for k in p}, state
    (b1, b2), lr, decay = settings["betas"], settings["lr"], settings["weight_decay"]
    t = state["t"] + 1
    m = {k: b1 * state["m"][k] + (1 - b1) * g[k] for k in p}
    v = {k: b2 * state["v"][k] + (1 - b2) * g[k] * g[k] for k in p}
    c1, c2 = 1 - b1 ** t, 1 - b2 ** t
    new = {k: p[k] * (1 - lr * decay) - lr * (m[k] / c1) / (jnp.sqrt(v[k] / c2) + settings["eps"])
           for k in p}
    return new, {"m": m, "v": v, "t": t}


class JaxForm:
    """One jitted step, of those that differ in how weights lie and whether they are donated."""

    def __init__(self, jax, spec, parameters, batch, in_out, donated):
        self.jax, self.in_out, self.batch = jax, in_out, batch
        self.start = {k: self.turned(k, v) for k, v in parameters.items()}
        settings = spec["optimisers"][spec["optimiser"]]
        of_model = jax_losses(jax, in_out)[spec["model"]]
        loss = lambda p, b: of_model(spec, p, b)
        self.gradient = jax.jit(jax.grad(loss))

        def step(p, state, b):
            value, g = jax.value_and_grad(loss)(p, b)
            return *jax_update(jax.numpy, settings, p, g, state), value
        self.step_function = jax.jit(step, donate_argnums=(0, 1) if donated else ())
        self.adamw = settings["kind"] == "adamw"
        self.reset()

    def turned(self, name, x):
        tables = ("embedding.weight", "token.weight", "position.weight")
        return x.T if self.in_out and x.ndim == 2 and name not in tables else x

    def reset(self):
        jnp = self.jax.numpy
        self.parameters = {k: jnp.array(v) for k, v in self.start.items()}
        zeros = lambda: {k: jnp.zeros_like(v) for k, v in self.parameters.items()}
        self.state = {"m": zeros(), "v": zeros(), "t": jnp.zeros(())} if self.adamw else {}

    def gradients(self):
        g = self.gradient(self.parameters, self.batch)
        return {k: self.turned(k, np.asarray(v)) for k, v in g.items()}

    def step(self):
        self.parameters, self.state, loss = self.step_function(self.parameters, self.state, self.batch)
        return loss

    def finish(self):
        self.jax.block_until_ready(self.parameters)


def jax_side(spec, parameters, batch, dtype):
    """The form whose steps are fastest in a first trial; which is best depends on the shapes."""
    import jax
    jax.config.update("jax_enable_x64", dtype == "float64")
    parameters = {k: v.astype(dtype) for k, v in parameters.items()}
    batch = {k: jax.numpy.asarray(v.astype("int32" if v.dtype.kind == "u" else dtype))
             for k, v in batch.items()}
    donations = (True,) if spec["model"] == "gpt" else (True, False)  # a GPT compiles for long
    forms = {(in_out, donated): JaxForm(jax, spec, parameters, batch, in_out, donated)
             for in_out in (True, False) for donated in donations}
    seconds = {key: min(worker.trial(f.step, f.finish) for _ in range(3)) for key, f in forms.items()}
    best = min(seconds, key=seconds.get)
    forms[best].reset()
    names = {"weights": "in out" if best[0] else "out in", "donated": best[1]}
    return forms[best], names


def main(side, work, dtype, threads, folder):
    began = time.perf_counter()
    spec, parameters, batch, expected = inputs.read_work(folder, work)
    long = {"f32": "float32", "f64": "float64"}[dtype]
    form = {}
    if side == "jax":
        runner, form = jax_side(spec, parameters, batch, long)
    else:
        runner = TorchSide(spec, parameters, batch, long, int(threads), side == "torch_compile")
    gradients = runner.gradients()
    losses = [float(runner.step()) for _ in range(11)]
    errors = errors_of(expected, spec["optimiser"], losses[0], gradients, losses)
    runner.reset()
    worker.serve(runner.step, runner.finish, **errors, **form,
                 setup_s=time.perf_counter() - began)


if __name__ == "__main__":
    main(*sys.argv[1:])
