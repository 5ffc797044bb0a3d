# SPDX-License-Identifier: MIT
"""What measure.py and solver_measure.py share: sides that run as processes of their own on the cores
of this one, and a file of results, a JSON line each."""
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import PackageNotFoundError, version

HERE = os.path.dirname(os.path.abspath(__file__))


def note(text):
    print(text, file=sys.stderr, flush=True)


def pin(first_core, threads):
    """This process, its children and every library they load to so many cores and threads."""
    os.sched_setaffinity(0, range(first_core, first_core + threads))
    for name in ("OMP", "MKL", "OPENBLAS"):
        os.environ[name + "_NUM_THREADS"] = str(threads)


class Worker:
    """A Python side that is set up and waits for blocks to time."""

    def __init__(self, side, command):
        self.side, self.blocks = side, []
        self.errors = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen([sys.executable, *command], stdin=subprocess.PIPE, text=True,
                                        stdout=subprocess.PIPE, stderr=self.errors)
        self.ready = self.answer()

    def answer(self):
        line = self.process.stdout.readline()
        if line:
            return json.loads(line)
        self.errors.seek(0)
        note(f"  {self.side} failed: {self.errors.read()[-800:]}")
        return None

    def block(self, seconds):
        """One more block; a side that fails is asked no more."""
        if not self.ready:
            return
        self.process.stdin.write(f"{seconds}\n")
        self.process.stdin.flush()
        block = self.answer()
        if block:
            self.blocks.append(block)
        else:
            self.ready = None

    def facts(self):
        return self.ready | {"rss_mb": self.blocks[-1]["rss_mb"]}

    def cpu_ms(self):
        return [b["cpu_ms"] for b in self.blocks]

    def close(self):
        for pipe in (self.process.stdin, self.process.stdout, self.errors):
            pipe.close()
        self.process.wait()


class Launcher:
    """Runs whole processes: wall_ms, cpu_ms, rss_mb, status; see launcher.c."""

    def __init__(self, folder):
        self.path = os.path.join(folder, "launcher")
        subprocess.run([os.environ.get("CC", "cc"), "-O2", "-o", self.path,
                        os.path.join(HERE, "launcher.c")], check=True)

    def __call__(self, command):
        run = subprocess.run([self.path, *command], capture_output=True, text=True)
        return json.loads(run.stdout) | {"errors": run.stderr}


class Results:
    """results.jsonl of a folder, opened with a line on the machine; a summary a side follows."""

    def __init__(self, folder, libraries, **keys):
        self.file = open(os.path.join(folder, "results.jsonl"), "a")
        self.record(machine=machine(libraries), started=time.strftime("%F %T"), **keys)

    def record(self, **values):
        self.file.write(json.dumps(values) + "\n")
        self.file.flush()

    def record_blocks(self, values, **keys):
        """Median, least and largest of the blocks of one side."""
        entry = keys | {"median": statistics.median(values), "min": min(values),
                        "max": max(values), "blocks": len(values),
                        "load": round(os.getloadavg()[0], 2)}
        self.record(**entry)
        return entry


def machine(libraries):
    """The processor, Python, and the versions of those libraries that are installed."""
    found = {"cpu": next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo")
                          if line.startswith("model name")), "?"),
             "python": sys.version.split()[0]}
    for name in libraries:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            pass
    return found
