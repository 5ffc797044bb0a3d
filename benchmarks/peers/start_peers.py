# SPDX-License-Identifier: MIT
"""A whole process: import, the gradient of the tiny graph, exit. start_peers.py SIDE"""
import sys


def python():
    return 612.5


def numpy():
    import numpy as np
    return float(np.float64(612.5))


def torch():
    import torch
    a, b = (torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in (-41.0, 2.0))
    g = (a + b - (a * b + b ** 3)) ** 2 * 0.5
    g.backward()
    return a.grad.item()


def jax():
    import jax
    f = jax.jit(jax.value_and_grad(lambda a, b: (a + b - (a * b + b ** 3)) ** 2 * 0.5, (0, 1)))
    return float(f(-41.0, 2.0)[1][0])


def autograd():
    from autograd import grad
    return grad(lambda a, b: (a + b - (a * b + b ** 3)) ** 2 * 0.5)(-41.0, 2.0)


def micrograd():
    from micrograd.engine import Value
    a, b = Value(-41.0), Value(2.0)
    ((a + b - (a * b + b ** 3)) ** 2 * 0.5).backward()
    return a.grad


def casadi():
    import casadi
    a, b = casadi.SX.sym("a"), casadi.SX.sym("b")
    g = (a + b - (a * b + b ** 3)) ** 2 * 0.5
    return float(casadi.Function("f", [a, b], [casadi.jacobian(g, a)])(-41.0, 2.0))


if __name__ == "__main__":
    print(globals()[sys.argv[1]]())
