# SPDX-License-Identifier: MIT
"""Frameworks that spread the rows over processes of this machine: solver_federated.py SIDE FILE [FOLDER]

One JSON line a result. All that a side starts stays on the cores of this process and on loopback.
`start_s` is what comes before the first solve: the framework, its processes, the rows read (Flower:
and its first round); `solve_s` and `round_ms` are medians, where a side has them.
"""
import os
import socket
import statistics
import subprocess
import sys
import time

import numpy as np

import worker
from solver_data import LAMBDA, Problem
from solver_peers import Objective, largest_entry, minimise

CLIENTS = 8
SOLVES = 5


def peak_mb(pid="self"):
    """Of a process that is still there."""
    with open(f"/proc/{pid}/status") as status:
        kb = next(line.split()[1] for line in status if line.startswith("VmHWM"))
    return int(kb) / 1024


class Client(Objective):
    """Every eighth row of the file, from the given one on; sums, so that clients weigh by rows."""

    def __init__(self, path, first):
        super().__init__(Problem(path))
        self.A = self.A[first::CLIENTS]
        self.At = self.A.T
        self.share = self.A.shape[0] / self.rows

    def part(self, x):
        """Adds up to f and its gradient over the clients, without the regulariser."""
        self.at(x)
        return self.loss * self.share, self.At @ self.slope

    def peak_mb(self):
        return peak_mb()


# ---- Ray: an actor a client, SciPy's L-BFGS-B as the driver; a round is f and its gradient ----

def ray(path, folder):
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_DEDUP_LOGS": "0"}
    import ray
    problem = Problem(path)
    began = time.perf_counter()
    ray.init(num_cpus=CLIENTS, include_dashboard=False, _node_ip_address="127.0.0.1",
             log_to_driver=False, logging_level="ERROR")
    actors = [ray.remote(Client).remote(path, i) for i in range(CLIENTS)]
    ray.get([a.peak_mb.remote() for a in actors])
    start_s = time.perf_counter() - began
    rounds = 0

    def round_of(x):
        nonlocal rounds
        rounds += 1
        shared = ray.put(x)
        parts = ray.get([a.part.remote(shared) for a in actors])
        return (sum(f for f, _ in parts) + LAMBDA / 2 * (x @ x),
                np.sum([g for _, g in parts], axis=0) + LAMBDA * x)

    seconds = []
    for _ in range(1 + SOLVES):
        rounds, start = 0, time.perf_counter()
        x = minimise(round_of, problem.dimension, largest_entry(problem)).x
        seconds.append(time.perf_counter() - start)
    solve_s = statistics.median(seconds[1:])
    worker.say(side=f"Ray, {CLIENTS} actors, L-BFGS-B", start_s=start_s, solve_s=solve_s, rounds=rounds,
               round_ms=1e3 * solve_s / rounds, rss_mb=peak_mb(),
               client_rss_mb=max(ray.get([a.peak_mb.remote() for a in actors])),
               **problem.check(x))
    ray.shutdown()


# ---- Flower: FedAvg over loopback, five gradient steps a client and round ----

ROUNDS, LOCAL_STEPS = 50, 5


def loopback_bytes():
    """Sent since the machine started, each counted once."""
    with open("/sys/class/net/lo/statistics/tx_bytes") as counter:
        return int(counter.read())


def free_address():
    with socket.create_server(("127.0.0.1", 0)) as s:
        return f"127.0.0.1:{s.getsockname()[1]}"


def flower_client(path, first, address):
    import flwr
    client = Client(path, int(first))
    # 1/L of the client, L bounded by the trace: the mean of |a|^2 / 4 + lambda.
    step = 1 / (client.A.power(2).sum() / client.A.shape[0] / 4 + LAMBDA)

    class LocalSteps(flwr.client.NumPyClient):
        def fit(self, parameters, config):
            x = parameters[0]
            for _ in range(LOCAL_STEPS):
                x = x - step * (client.part(x)[1] / client.share + LAMBDA * x)
            return [x], client.A.shape[0], {"peak_mb": peak_mb()}
    flwr.client.start_client(server_address=address, client=LocalSteps().to_client())


def flower(path, folder):
    os.environ["FLWR_TELEMETRY_ENABLED"] = "0"
    import flwr
    problem, address = Problem(path), free_address()
    ends, traffic, peaks, models = [], [], [], []

    class Timed(flwr.server.strategy.FedAvg):
        def aggregate_fit(self, server_round, results, failures):
            combined = super().aggregate_fit(server_round, results, failures)
            if len(results) < CLIENTS:
                raise RuntimeError(f"round {server_round}: {len(results)} clients answered")
            ends.append(time.perf_counter())
            traffic.append(loopback_bytes())
            peaks.extend(r.metrics["peak_mb"] for _, r in results)
            models[:] = flwr.common.parameters_to_ndarrays(combined[0])
            return combined

    start = flwr.common.ndarrays_to_parameters([np.zeros(problem.dimension)])
    strategy = Timed(fraction_fit=1.0, fraction_evaluate=0.0, min_fit_clients=CLIENTS,
                     min_available_clients=CLIENTS, initial_parameters=start)
    began = time.perf_counter()
    clients = [subprocess.Popen([sys.executable, __file__, "flower_client", path, str(i), address],
                                stderr=subprocess.DEVNULL) for i in range(CLIENTS)]
    try:
        flwr.server.start_server(server_address=address, strategy=strategy,
                                 config=flwr.server.ServerConfig(num_rounds=ROUNDS))
    finally:
        for client in clients:
            client.terminate()
            client.wait()
    worker.say(side=f"Flower, {CLIENTS} clients, FedAvg", start_s=ends[0] - began, rounds=ROUNDS,
               round_ms=1e3 * statistics.median(np.diff(ends)), rss_mb=peak_mb(),
               client_rss_mb=max(peaks), **problem.check(models[0]),
               bytes_round_client=(traffic[-1] - traffic[0]) / (ROUNDS - 1) / CLIENTS)


# ---- Spark: its own L-BFGS in one JVM ----

def write_signed(problem, path):
    """Spark gives a constant column the weight 0. Half of the rows are negated with their label,
    which keeps every b a^T x and so f, and makes the column of ones one of +1 and -1."""
    sign = np.random.default_rng(1).choice((-1.0, 1.0), problem.rows)
    with open(path, "w") as file:
        for i in range(problem.rows):
            row = slice(problem.row_start[i], problem.row_start[i + 1])
            entries = sorted(zip(problem.columns[row].tolist(),
                                 (sign[i] * problem.values[row]).tolist()))
            label = int(sign[i] * problem.b[i] > 0)
            file.write(" ".join([str(label)] + [f"{j + 1}:{v!r}" for j, v in entries]) + "\n")


def spark(path, folder):
    from pyspark.ml.classification import LogisticRegression
    from pyspark.sql import SparkSession
    problem = Problem(path)
    signed = os.path.join(folder, "signed.libsvm")
    write_signed(problem, signed)
    began = time.perf_counter()
    session = (SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
               .config("spark.driver.bindAddress", "127.0.0.1")
               .config("spark.driver.host", "127.0.0.1").config("spark.driver.memory", "4g")
               .getOrCreate())
    session.sparkContext.setLogLevel("ERROR")
    rows = session.read.format("libsvm").option("numFeatures", problem.dimension).load(signed).cache()
    rows.count()
    start_s = time.perf_counter() - began
    java = session._jvm.java.lang.ProcessHandle.current().pid()
    for tolerance in (1e-6, 1e-12):
        estimator = LogisticRegression(regParam=LAMBDA, fitIntercept=False, standardization=False,
                                       tol=tolerance, maxIter=10000)
        seconds = []
        for _ in range(2):  # the first of all compiles
            start = time.perf_counter()
            model = estimator.fit(rows)
            x = model.coefficients.toArray()
            seconds.append(time.perf_counter() - start)
        worker.say(side=f"Spark local[1], tol {tolerance:g}", start_s=start_s, solve_s=seconds[-1],
                   cold_s=seconds[0], rounds=model.summary.totalIterations, rss_mb=peak_mb(java),
                   **problem.check(x))
    session.stop()


SIDES = {"ray": ray, "flower": flower, "flower_client": flower_client, "spark": spark}

if __name__ == "__main__":
    SIDES[sys.argv[1]](*sys.argv[2:])
