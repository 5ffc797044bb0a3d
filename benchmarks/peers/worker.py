# SPDX-License-Identifier: MIT
"""What every Python peer does once it is set up: say so with one JSON line, then time a block for
each line of standard input, which holds its length in seconds."""
import json
import resource
import sys
import time


def say(**values):
    print(json.dumps(values), flush=True)


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
        start = time.perf_counter()
        for _ in range(count):
            step()
        finish()
        estimate = (time.perf_counter() - start) / count
        say(ms=1e3 * estimate, steps=count,
            rss_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
