# SPDX-License-Identifier: MIT
"""One solver in a process of its own: solver_peers.py SIDE FILE

Reads the file, brings the rows into the form the solver takes, says so, then solves once for each
line of standard input. Every side is asked for ||grad f|| <= 1e-9: where its stopping test is on the
gradient, by the setting that implies it (1e-9 / sqrt(d) for a test of the largest entry), else as
said beside it.
"""
import resource
import sys
import time

import numpy as np

import worker
from solver_data import LAMBDA, TOLERANCE, Problem


# ---- scikit-learn ----

def sklearn(solver, tolerance):
    """fit_intercept is off: the data have their ones, and so their weight is regularised."""
    def setup(problem):
        from sklearn.linear_model import LogisticRegression
        A = problem.matrix()

        def solve():
            model = LogisticRegression(C=1 / (LAMBDA * problem.rows), solver=solver, max_iter=10000,
                                       tol=tolerance(problem), fit_intercept=False)
            return model.fit(A, problem.b).coef_.ravel()
        return solve
    return setup


def largest_entry(problem):
    return TOLERANCE / np.sqrt(problem.dimension)


# ---- SciPy: the function, its gradient and Hessian products as one would write them ----

class Objective:
    """Margins are kept from the last x: trust-ncg asks for many products at one point."""

    def __init__(self, problem):
        from scipy.sparse import diags_array
        self.A = (diags_array(problem.b) @ problem.matrix()).tocsr()
        self.At = self.A.T  # in compressed columns: as it lies
        self.rows, self.x = problem.rows, None

    def at(self, x):
        if self.x is None or not np.array_equal(x, self.x):
            z = self.A @ x
            e = np.exp(-np.abs(z))
            s = np.where(z > 0, e, 1) / (1 + e)
            self.x, self.loss = x.copy(), (np.log1p(e) - np.minimum(z, 0)).mean()
            self.slope, self.curvature = s / -self.rows, s * (1 - s) / self.rows

    def value_and_gradient(self, x):
        self.at(x)
        return self.loss + LAMBDA / 2 * (x @ x), self.At @ self.slope + LAMBDA * x

    def hessian_product(self, x, p):
        self.at(x)
        return self.At @ (self.curvature * (self.A @ p)) + LAMBDA * p


def minimise(function, dimension, tolerance):
    """L-BFGS-B with its test of the progress of f switched off; also the driver of Ray's actors."""
    from scipy.optimize import minimize
    return minimize(function, np.zeros(dimension), jac=True, method="L-BFGS-B",
                    options={"maxcor": 50, "gtol": tolerance, "ftol": 0, "maxiter": 10000,
                             "maxfun": 20000})


def scipy_lbfgs(problem):
    objective = Objective(problem)
    return lambda: minimise(objective.value_and_gradient, problem.dimension,
                            largest_entry(problem)).x


def scipy_trust_ncg(problem):
    from scipy.optimize import minimize
    objective = Objective(problem)
    return lambda: minimize(objective.value_and_gradient, np.zeros(problem.dimension), jac=True,
                            hessp=objective.hessian_product, method="trust-ncg",
                            options={"gtol": TOLERANCE, "maxiter": 1000}).x


# ---- Snap ML ----

def snapml(dual, tolerance):
    """Stops by the change of x. Of 1e-8 … 1e-11 those that reach the tolerance first (chosen after
    seeing what came out); the dual on w8a and both on phishing stall above it at all four."""
    def setup(problem):
        from snapml import LogisticRegression
        A = problem.matrix()

        def solve():
            model = LogisticRegression(regularizer=LAMBDA * problem.rows, dual=dual, tol=tolerance,
                                       max_iter=100000, fit_intercept=False)
            return model.fit(A, problem.b).coef_.ravel()
        return solve
    return setup


# ---- CVXPY: the time of stating the problem belongs to it ----

def cvxpy(solver, **settings):
    def setup(problem):
        import cvxpy
        if solver not in cvxpy.installed_solvers():
            raise ImportError(f"{solver} is not installed")
        A, b = problem.matrix(), problem.b

        def solve():
            x = cvxpy.Variable(problem.dimension)
            loss = cvxpy.sum(cvxpy.logistic(-cvxpy.multiply(b, A @ x))) / problem.rows
            objective = cvxpy.Minimize(loss + LAMBDA / 2 * cvxpy.sum_squares(x))
            cvxpy.Problem(objective).solve(solver=solver, **settings)
            return x.value
        return solve
    return setup


SIDES = {
    "scikit-learn liblinear": sklearn("liblinear", Problem.liblinear_tolerance),
    "scikit-learn newton-cholesky": sklearn("newton-cholesky", largest_entry),
    "scikit-learn newton-cg": sklearn("newton-cg", largest_entry),
    "scikit-learn lbfgs": sklearn("lbfgs", largest_entry),
    "SciPy L-BFGS-B, memory 50": scipy_lbfgs,
    "SciPy trust-ncg": scipy_trust_ncg,
    "Snap ML, primal, 1e-8": snapml(False, 1e-8),
    "Snap ML, primal, 1e-9": snapml(False, 1e-9),
    "Snap ML, dual, 1e-9": snapml(True, 1e-9),
    # Defaults where they reach the tolerance (chosen after seeing what came out).
    "CVXPY, Clarabel": cvxpy("CLARABEL", tol_gap_abs=1e-10, tol_gap_rel=1e-10, tol_feas=1e-10),
    "CVXPY, ECOS": cvxpy("ECOS"),
}
ONCE = ("CVXPY, Clarabel", "CVXPY, ECOS")  # seconds a solve: one run, no warm-up


def main(side, path):
    problem = Problem(path)
    try:
        solve = SIDES[side](problem)
    except ImportError as error:
        return worker.say(left_out=str(error))
    worker.say(rows=problem.rows, dimension=problem.dimension)
    for _ in sys.stdin:
        start = time.perf_counter()
        x = solve()
        seconds = time.perf_counter() - start
        worker.say(seconds=seconds, **problem.check(x),
                   rss_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    return None


if __name__ == "__main__":
    main(*sys.argv[1:])
