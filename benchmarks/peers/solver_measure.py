# SPDX-License-Identifier: MIT
"""Measures ufednl beside other solvers: solver_measure.py QUESTION FILE…; called by solvers.sh.

Adds a line for each side and file to results.jsonl. The sides of `liblinear` and `solve` take turns,
so that a slow minute of the machine falls on all of them; every answer is checked from the rows.
Exit code 3: a side of `liblinear` missed the tolerance, so that the ratio says nothing.
"""
import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys

import processes
from processes import HERE, Worker, note
from solver_data import LAMBDA, TOLERANCE, Problem, file_of, weights_of

LIBRARIES = ("numpy", "scipy", "scikit-learn", "snapml", "cvxpy", "clarabel", "ecos", "ray", "flwr",
             "pyspark")
QUESTIONS = ("liblinear", "solve", "ray", "flower", "spark")


def ours_in(folder):
    return os.path.join(folder, "ufednl-cli")


class Measurement:
    def __init__(self, options):
        self.options = options
        self.ours = ours_in(options.bin)
        self.results = processes.Results(options.out, LIBRARIES)
        self.missed = False

    def file_in(self, name):
        return os.path.join(self.options.out, name)

    def record(self, side, data, seconds, **facts):
        entry = self.results.record_blocks(seconds, question=self.options.question, data=data,
                                           side=side, **facts)
        wrong = not entry["gradient_norm"] <= TOLERANCE
        self.missed |= wrong
        note("  {side:28} {median:9.4f} s  ||grad f|| {gradient_norm:.1e}".format(**entry)
             + " MISSED" * wrong)

    # ---- Whole processes: text file in, model file out ----

    def liblinear_command(self, path, problem, model):
        return ["liblinear-train", "-s", "0", "-B", "1", "-c", repr(1 / (LAMBDA * problem.rows)),
                "-e", repr(problem.liblinear_tolerance()), path, model]

    def liblinear(self, path, problem):
        models = {side: self.file_in(side + ".model") for side in ("liblinear", "ufednl")}
        commands = {"LIBLINEAR -s 0": self.liblinear_command(path, problem, models["liblinear"]),
                    "ufednl-cli train": [self.ours, "train", path, models["ufednl"]]}
        launch = processes.Launcher(self.options.out)
        runs = {side: [] for side in commands}
        for _ in range(1 + self.options.runs):
            for side, command in commands.items():
                runs[side].append(launch(command))
        for (side, lines), model in zip(runs.items(), models.values()):
            if any(run["status"] for run in lines):
                sys.exit(f"{' '.join(commands[side])}: {lines[0]['errors'][-800:]}")
            lines = lines[1:]  # the first filled the page cache
            self.record(side, os.path.basename(path), [run["wall_ms"] / 1e3 for run in lines],
                        cpu_median=statistics.median(run["cpu_ms"] for run in lines) / 1e3,
                        rss_mb=statistics.median(run["rss_mb"] for run in lines),
                        command=commands[side], **problem.check(weights_of(model, problem)))

    # ---- The solve alone ----

    def our_solve(self, path, problem):
        """All of a run of ours but reading the file: set-up of the solver belongs to it."""
        model = self.file_in("ufednl.model")
        run = subprocess.run([self.ours, "train", "--json", path, model], capture_output=True,
                             text=True, check=True)
        report = json.loads(run.stdout)
        return {"seconds": report["seconds"] - report["seconds_read"],
                **problem.check(weights_of(model, problem))}

    def solve(self, path, problem):
        from solver_peers import ONCE, SIDES
        peers = [Worker(side, [os.path.join(HERE, "solver_peers.py"), side, path]) for side in SIDES]
        for p in [p for p in peers if p.ready and "left_out" in p.ready]:
            note(f"  {p.side} left out: {p.ready['left_out']}")
            p.ready = None
        blocks = {"ufednl-cli train": []}
        for turn in range(1 + self.options.runs):
            blocks["ufednl-cli train"].append(self.our_solve(path, problem))
            for p in peers:
                if turn == 0 or p.side not in ONCE:
                    p.block(0)
        blocks |= {p.side: p.blocks for p in peers}
        for p in peers:
            p.close()
        for side, lines in blocks.items():
            if lines:
                counted = lines[1:] or lines  # the first warmed up, but for what is run once
                self.record(side, os.path.basename(path), [b.pop("seconds") for b in counted],
                            **lines[-1])

    # ---- Frameworks of many processes ----

    def federated(self, path, _):
        command = [sys.executable, os.path.join(HERE, "solver_federated.py"), self.options.question,
                   path, self.options.out]
        run = subprocess.run(command, capture_output=True, text=True)
        if run.returncode:
            note(f"  {self.options.question} failed: {run.stderr[-1500:]}")
        for line in run.stdout.splitlines():
            if line.startswith('{"side"'):
                result = json.loads(line)
                self.results.record(question="federated", data=os.path.basename(path), **result)
                note("  " + ", ".join(f"{k} {v:.4g}" if isinstance(v, float) else str(v)
                                      for k, v in result.items()))


def options_of():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("question", choices=QUESTIONS)
    p.add_argument("files", nargs="+", help="LIBSVM text, or a name in $CTRAIN_DATA")
    p.add_argument("--out", required=True, help="folder of the results")
    p.add_argument("--bin", required=True, help="folder of ufednl-cli")
    p.add_argument("--core", type=int, default=0, help="the core to run on")
    p.add_argument("--runs", type=int, help="of each side; default: 11 of liblinear, 5 of solve")
    o = p.parse_args()
    o.runs = o.runs or (11 if o.question == "liblinear" else 5)
    return o


def main():
    o = options_of()
    processes.pin(o.core, 1)
    if o.question in ("liblinear", "solve") and not os.path.exists(ours_in(o.bin)):
        sys.exit(f"ufednl-cli is not in {o.bin}: build it, or name its folder with --bin")
    if o.question == "liblinear" and not shutil.which("liblinear-train"):
        sys.exit("liblinear-train is missing: apt-get install liblinear-tools")
    try:
        paths = [file_of(name, o.out) for name in o.files]
    except FileNotFoundError as error:
        sys.exit(f"no such file, nor one in $CTRAIN_DATA: {error.filename}")
    m = Measurement(o)
    ask = getattr(m, o.question, m.federated)
    for path in paths:
        note(f"{o.question}: {os.path.basename(path)}")
        ask(path, Problem(path))
    sys.exit(3 if o.question == "liblinear" and m.missed else 0)


if __name__ == "__main__":
    main()
