# SPDX-License-Identifier: MIT
"""Runs every side of every work in turn, block by block, on one core, and adds a line for each to
results.jsonl. Called by run.sh; see README.md.

All Python sides of a work are set up first and wait; then each round times one block of each side
and one run of our binary, so that a slow minute of the machine falls on all of them.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys

import inputs
import processes
from processes import HERE, Worker, note

SCALAR_SIDES = ("micrograd", "autograd", "torch", "torch_compile", "jax", "casadi", "casadi_buffer")
START_SIDES = ("python", "numpy", "micrograd", "autograd", "casadi", "jax", "torch")
LARGE = ("mlp_784_b128", "gpt_4x128_b12", "gpt_6x384_b4")
COMPILED = ({f"makemore_h{h}_b{b}" for h in (4, 64, 1024) for b in (1, 64)}
            | {f"gpt_mini_b{b}" for b in (1, 8, 64)})
QUICK = ({f"makemore_h{h}_b{b}" for h in (4, 64, 1024) for b in (1, 64)}
         | {"gpt_mini_b1", "gpt_mini_b64", "mlp_784_b128", "gpt_4x128_b12"})
LIBRARIES = ("torch", "jax", "autograd", "micrograd", "casadi", "numpy")
UNKNOWN_WORK = 3
# Keys of the lines of the scalar binaries (less "_ns") that are a way to the value and gradient.
SCALAR_NAMES = {"c_by_hand": "C by hand, -O3", "casadi_generated_c": "CasADi, generated C, -O3",
                "burtorch": "burtorch tape", "naive_tape": "naive C tape", "replay": "burtorch replay",
                "emitted": "burtorch emitted C", "hand_written": "C by hand, called"}


class Measurement:
    def __init__(self, options):
        self.options = options
        self.results = processes.Results(options.out, LIBRARIES, threads=options.threads)
        self.harness = os.path.join(options.out, "scalar_harness")
        self.missing = set()

    def record_blocks(self, values, extra, cpu=(), **keys):
        """The blocks of one side; cpu: processor time, where it is known."""
        if cpu:
            extra = extra | {"cpu_median": statistics.median(cpu), "cpu_min": min(cpu)}
        entry = self.results.record_blocks(values, **keys, **extra)
        note("  {side:24} {dtype} median {median:.6g} min {min:.6g} {unit}".format(**entry))

    # ---- Our binaries ----

    def our_lines(self, name, *arguments):
        """What a binary of ours prints; nothing when there is none or it does not know the work."""
        path = os.path.join(self.options.bin, name)
        if not os.path.exists(path):
            if name not in self.missing:
                note(f"  {name} is not in {self.options.bin}: left out")
            self.missing.add(name)
            return []
        run = subprocess.run([path, *arguments], capture_output=True, text=True)
        if run.returncode == 0:
            return [json.loads(line) for line in run.stdout.splitlines() if line.startswith("{")]
        if run.returncode != UNKNOWN_WORK or run.stdout:
            note(f"  {name} {' '.join(arguments)}: exit code {run.returncode}: {run.stderr[-300:]}")
        else:
            note(f"  {name} does not know this work")
        return []

    # ---- Layers ----

    def layer_work(self, work, dtype):
        o = self.options
        note(f"{work} {dtype}")
        sides = ["torch", "jax"]
        if work in COMPILED and not o.quick:
            sides.append("torch_compile")
        inputs.main(os.path.join(o.out, "inputs"), [work])
        workers = [Worker(s, [os.path.join(HERE, "layer_peers.py"), s, work, dtype, str(o.threads),
                              os.path.join(o.out, "inputs")]) for s in sides]
        family = ("mlp" if work.startswith("makemore") else "gpt" if work.startswith("gpt_mini")
                  else "large")
        command = ["bench_autodiff_" + family, "--load", inputs.file_of(o.out + "/inputs", work),
                   "--dtype", dtype, "--seconds", str(o.seconds), "--threads", str(o.threads)]
        ours, ask = {}, True
        for _ in range(o.blocks if work not in LARGE else min(o.blocks, 5)):
            for w in workers:
                w.block(o.seconds)
            lines = self.our_lines(*command) if ask else []
            ask = bool(lines)
            for line in lines:
                ours.setdefault(" ".join(["burtorch", line.get("mode", "")]).strip(), []).append(line)
        keys = {"work": work, "dtype": dtype, "threads": o.threads, "unit": "ms"}
        for w in workers:
            w.close()
            if w.ready:
                self.record_blocks([b["ms"] for b in w.blocks], w.facts(), w.cpu_ms(), side=w.side,
                                   **keys)
        for side, lines in ours.items():
            kept = ("loss", "loss_error", "gradient_error", "losses_error", "rss_mb")
            self.record_blocks([b["ms"] for b in lines], {k: lines[-1][k] for k in kept if k in lines[-1]},
                               [b["cpu_ms"] for b in lines if "cpu_ms" in b], side=side, **keys)

    # ---- Scalars ----

    def build_harness(self):
        out = self.options.out
        subprocess.run([sys.executable, os.path.join(HERE, "scalar_peers.py"), "generate", out],
                       check=True)
        subprocess.run([os.environ.get("CC", "cc"), "-O3", "-march=native", "-o", self.harness,
                        os.path.join(HERE, "scalar_harness.c"),
                        os.path.join(out, "casadi_graphs.c"), "-lm"], check=True)

    def scalar_works(self):
        """Both graphs at once: our binaries and the harness do both."""
        o = self.options
        note("scalar graphs")
        workers = {(graph, s): Worker(s, [os.path.join(HERE, "scalar_peers.py"), s, graph])
                   for graph in ("tiny", "small") for s in SCALAR_SIDES
                   if not (o.quick and s == "torch_compile")}
        nanoseconds = {}
        for _ in range(o.blocks):
            for (graph, side), w in workers.items():
                w.block(o.seconds)
            harness = subprocess.run([self.harness, "0.1"], capture_output=True, text=True, check=True)
            lines = [json.loads(line) for line in harness.stdout.splitlines()]
            for name in ("bench_autodiff_scalar", "bench_autodiff_function"):
                lines += self.our_lines(name)
            for line in lines:
                for key, name in SCALAR_NAMES.items():
                    if key + "_ns" in line and line.get("graph") in ("tiny", "small"):
                        case = line["graph"], name, line.get("precision", "f64")
                        nanoseconds.setdefault(case, []).append(line[key + "_ns"])
        keys = {"threads": 1, "unit": "ns"}
        for (graph, side), w in workers.items():
            w.close()
            if w.ready:
                self.record_blocks([1e6 * b["ms"] for b in w.blocks], w.facts(),
                                   [1e6 * x for x in w.cpu_ms()], side=side, work=graph,
                                   dtype="f64", **keys)
        for (graph, side, dtype), values in nanoseconds.items():
            self.record_blocks(values, {}, side=side, work=graph, dtype=dtype, **keys)

    # ---- Whole processes ----

    def start_work(self):
        note("process from start to gradient")
        commands = {s: [sys.executable, os.path.join(HERE, "start_peers.py"), s] for s in START_SIDES}
        ours = os.path.join(self.options.bin, "burtorch-cli")
        if os.path.exists(ours):
            commands["burtorch-cli grad"] = [ours, "grad", "(a + b - (a*b + b^3))^2 / 2", "a=-41", "b=2"]
        else:
            note(f"  burtorch-cli is not in {self.options.bin}: left out")
        runs = {side: [] for side in commands}
        launch = processes.Launcher(self.options.out)
        for _ in range(1 + self.options.blocks):
            for side, command in commands.items():
                runs[side].append(launch(command))
        for side, lines in runs.items():
            lines = lines[1:]  # the first filled the page cache
            rss = statistics.median(x["rss_mb"] for x in lines)
            failed = {"failed": True} if any(x["status"] for x in lines) else {}
            self.record_blocks([x["wall_ms"] for x in lines], {"rss_mb": rss} | failed,
                               [x["cpu_ms"] for x in lines], side=side, work="start", dtype="f64",
                               threads=1, unit="ms")


def options_of():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--out", required=True, help="folder of exchange files and results")
    p.add_argument("--bin", required=True, help="folder of our binaries")
    p.add_argument("--quick", action="store_true", help="fewer sizes, f32, nothing compiled")
    p.add_argument("--only", action="append", help="works whose name begins so: scalar, start, …")
    p.add_argument("--dtype", choices=("f32", "f64"), help="one of the two")
    p.add_argument("--threads", type=int, default=1, help="more than 1: the three large works only")
    p.add_argument("--core", type=int, default=0, help="the first core to run on")
    p.add_argument("--blocks", type=int, default=7)
    p.add_argument("--seconds", type=float, default=0.3, help="length of a block")
    return p.parse_args()


def set_environment(o):
    """One place for what keeps each library to its threads; the workers inherit it."""
    processes.pin(o.core, o.threads)
    if o.threads == 1:
        os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    os.environ["JAX_PLATFORMS"] = "cpu"
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = os.path.join(os.path.abspath(o.out), "inductor")
    os.environ["TORCHINDUCTOR_COMPILE_THREADS"] = "1"


def main():
    o = options_of()
    set_environment(o)
    m = Measurement(o)
    wanted = lambda name: not o.only or name.startswith(tuple(o.only))
    if o.threads == 1 and wanted("start"):
        m.start_work()
    if o.threads == 1 and wanted("scalar"):
        m.build_harness()
        m.scalar_works()
    for work in inputs.WORKS:
        if not wanted(work) or (o.quick and work not in QUICK) or (o.threads > 1 and work not in LARGE):
            continue
        for dtype in ("f32", "f64"):
            if (o.quick or work == "gpt_6x384_b4") and dtype == "f64" or o.dtype not in (None, dtype):
                continue
            m.layer_work(work, dtype)


if __name__ == "__main__":
    main()
