# SPDX-License-Identifier: MIT
"""What every Python peer does once it is set up: say so with one JSON line, then time a block for
each line of standard input, which holds its length in seconds."""
import json
import resource
import sys
import time


def say(**values):
    print(json.dumps(values), flush=True)


def trial(step, finish, seconds=0.1):
    """Seconds a step, after a first one that may compile."""
    step()
    finish()
    start, count = time.perf_counter(), 0
    while count < 2 or time.perf_counter() - start < seconds:
        step()
        count += 1
        finish()
    return (time.perf_counter() - start) / count


def serve(step, finish=lambda: None, **ready):
    """step() starts one unit of work; finish() waits until all that was started is done."""
    for _ in range(11):
        step()
    finish()
    start = time.perf_counter()
    step()
    finish()
    estimate = time.perf_counter() - start
    say(**ready)
    for line in sys.stdin:
        count = max(2, int(float(line) / estimate))
        start, cpu_start = time.perf_counter(), time.process_time()
        for _ in range(count):
            step()
        finish()
        estimate = (time.perf_counter() - start) / count
        say(ms=1e3 * estimate, cpu_ms=1e3 * (time.process_time() - cpu_start) / count, steps=count,
            rss_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
