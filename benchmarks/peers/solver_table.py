# SPDX-License-Identifier: MIT
"""results.jsonl of the solvers to Markdown: solver_table.py results.jsonl [QUESTION].

Of what was measured twice the last counts. A gradient norm that misses the tolerance is bold."""
import json
import sys

from solver_data import LAMBDA, TOLERANCE
from table import head, number, row


def load(path):
    """The last machine line and, by question, data and side, the entries in the order they came."""
    machine, found = {}, {}
    for line in open(path):
        entry = json.loads(line)
        if "machine" in entry:
            machine |= entry["machine"]
        else:
            sides = found.setdefault(entry["question"], {}).setdefault(entry["data"], {})
            sides[entry["side"]] = entry
    return machine, found


def value(entry, key):
    return number(entry[key]) if key in entry else "–"


def norm(entry):
    text = f"{entry['gradient_norm']:.1e}"
    return text if entry["gradient_norm"] <= TOLERANCE else f"**{text}**"


def seconds(entry):
    """The least in parentheses where it is more than a tenth below the median."""
    low = entry["min"] if entry["median"] > 1.1 * entry["min"] else None
    return number(entry["median"]) + (f" ({number(low)})" if low else "")


def ratio(theirs, ours, key):
    """Nothing where one of the two is not an answer to what was asked."""
    both = theirs and ours is not theirs and max(
        theirs["gradient_norm"], ours["gradient_norm"]) <= TOLERANCE
    return f"{theirs[key] / ours[key]:.2f}" if both else ""


def liblinear_section(found):
    lines = ["## From the text file to the model file", ""]
    lines += head("data, side", ["seconds", "LIBLINEAR / ours", "of processor time", "peak MiB",
                                 "‖∇f‖", "runs"])
    for data, sides in found.items():
        theirs = sides.get("LIBLINEAR -s 0")
        for side, e in sides.items():
            ratios = [ratio(theirs, e, k) for k in ("median", "cpu_median")]
            lines.append(row([f"{data}, {side}", seconds(e), *ratios, number(e["rss_mb"]), norm(e),
                              str(e["blocks"])]))
    return lines


def solve_section(found):
    """A row a side, the quickest on the first file first."""
    lines = ["## The solve alone: seconds, data in memory", ""]
    lines += head("side", [c for data in found for c in (data, "‖∇f‖", "peak MiB")])
    sides = {side: e["median"] for entries in reversed(found.values()) for side, e in entries.items()}
    for side in sorted(sides, key=sides.get):
        cells = []
        for entries in found.values():
            e = entries.get(side)
            cells += [seconds(e), norm(e), value(e, "rss_mb")] if e else ["–"] * 3
        lines.append(row([side, *cells]))
    return lines


def federated_section(found):
    lines = ["## Frameworks of many processes, all on one core", ""]
    lines += head("data, side", ["start s", "solve s", "cold s", "rounds", "ms a round",
                                 "bytes a client a round", "peak MiB", "of a client", "f", "‖∇f‖"])
    keys = ("start_s", "solve_s", "cold_s", "rounds", "round_ms", "bytes_round_client", "rss_mb",
            "client_rss_mb")
    for data, sides in found.items():
        for side, e in sides.items():
            lines.append(row([f"{data}, {side}", *(value(e, k) for k in keys), f"{e['f']:.12f}",
                              norm(e)]))
    return lines


SECTIONS = {"liblinear": liblinear_section, "solve": solve_section, "federated": federated_section}


def main(path, question=None):
    machine, found = load(path)
    lines = ["# ufednl and other solvers", "",
             f"{machine.get('cpu')}, one core. " + ", ".join(
                 f"{k} {v}" for k, v in machine.items() if k != "cpu") + ".",
             f"λ = {LAMBDA:g}, a regularised column of ones; asked for ‖∇f‖ ≤ {TOLERANCE:g}; "
             "bold: missed.", ""]
    for name, section in SECTIONS.items():
        if name in found and question in (None, name):
            lines += section(found[name]) + [""]
    print("\n".join(lines if question is None else lines[5:]))


if __name__ == "__main__":
    main(*sys.argv[1:])
