# SPDX-License-Identifier: MIT
"""The tiny and the small scalar graph, value and both derivatives in float64, in every Python peer.

    scalar_peers.py SIDE tiny|small           times as worker.py says
    scalar_peers.py generate FOLDER           writes FOLDER/casadi_graphs.c for scalar_harness.c

Sides: micrograd, autograd, torch, torch_compile, jax, casadi, casadi_buffer.
"""
import sys
import time

import worker

START = {"tiny": (-41.0, 2.0), "small": (-4.0, 2.0)}
WANTED = {"tiny": (612.5, -35.0, 1050.0),
          "small": (24.70408163265306, 138.83381924198252, 645.5772594752187)}


def tiny(a, b, relu):
    c = a + b
    d = a * b + b ** 3
    e = c - d
    return e ** 2 * 0.5


def small(a, b, relu):
    """The expression in micrograd's README."""
    c = a + b
    d = a * b + b ** 3
    c = c + (c + 1)
    c = c + (1 + c + (-a))
    d = d + (d * 2 + relu(b + a))
    d = d + (3 * d + relu(b - a))
    f = (c - d) ** 2
    return f / 2.0 + 10.0 / f


GRAPHS = {"tiny": tiny, "small": small}


def micrograd_side(graph, a, b):
    from micrograd.engine import Value

    def run():
        x, y = Value(a), Value(b)
        g = graph(x, y, Value.relu)
        g.backward()
        return g.data, x.grad, y.grad
    return run


def autograd_side(graph, a, b):
    """One vector of two operands, which is faster here than two scalars."""
    import autograd.numpy as np
    from autograd import value_and_grad
    f = value_and_grad(lambda x: graph(x[0], x[1], lambda t: np.maximum(t, 0.0)))
    x = np.array([a, b])

    def run():
        value, (da, db) = f(x)
        return value, da, db
    return run


def torch_leaves(a, b, gradient):
    import torch
    torch.set_num_threads(1)
    return torch, *(torch.tensor(x, dtype=torch.float64, requires_grad=gradient) for x in (a, b))


def torch_side(graph, a, b):
    torch, x, y = torch_leaves(a, b, True)

    def run():
        g = graph(x, y, torch.relu)
        return g, *torch.autograd.grad(g, (x, y))
    return run


def torch_compile_side(graph, a, b):
    torch, x, y = torch_leaves(a, b, False)
    f = torch.compile(torch.func.grad_and_value(lambda x, y: graph(x, y, torch.relu), argnums=(0, 1)))

    def run():
        (da, db), g = f(x, y)
        return g, da, db
    return run


def jax_side(graph, a, b):
    import jax
    jax.config.update("jax_enable_x64", True)
    f = jax.jit(jax.value_and_grad(lambda x, y: graph(x, y, jax.nn.relu), argnums=(0, 1)))
    x, y = jax.numpy.float64(a), jax.numpy.float64(b)

    def run():
        g, (da, db) = f(x, y)
        return g, da, db
    return run


def casadi_function(graph, name):
    import casadi
    a, b = casadi.SX.sym("a"), casadi.SX.sym("b")
    g = graph(a, b, lambda t: casadi.fmax(t, 0))
    return casadi.Function(name, [a, b], [g, casadi.jacobian(g, a), casadi.jacobian(g, b)])


def casadi_side(graph, a, b):
    f = casadi_function(graph, "f")
    return lambda: f(a, b)


def casadi_buffer_side(graph, a, b):
    """The same virtual machine on buffers that are set up once."""
    import numpy as np
    f = casadi_function(graph, "f")
    buffer, evaluate = f.buffer()
    operands, results = [np.array([x]) for x in (a, b)], [np.zeros(1) for _ in range(3)]
    for i, x in enumerate(operands):
        buffer.set_arg(i, memoryview(x))
    for i, x in enumerate(results):
        buffer.set_res(i, memoryview(x))

    def run(keep=(f, buffer, operands)):  # evaluate does not own what it runs on
        evaluate()
        return results
    return run


def generate(folder):
    import casadi
    generator = casadi.CodeGenerator("casadi_graphs.c")
    for name, graph in GRAPHS.items():
        generator.add(casadi_function(graph, "casadi_" + name))
    generator.generate(folder.rstrip("/") + "/")


def main(side, name):
    if side == "generate":
        return generate(name)
    began = time.perf_counter()
    run = globals()[side + "_side"](GRAPHS[name], *START[name])
    got = [float(getattr(x, "item", lambda: x)()) for x in run()]
    error = max(abs(x - y) / abs(y) for x, y in zip(got, WANTED[name]))
    worker.serve(run, loss=got[0], gradient_error=error, setup_s=time.perf_counter() - began)


if __name__ == "__main__":
    main(*sys.argv[1:])
