# SPDX-License-Identifier: MIT
"""results.jsonl to Markdown: table.py results.jsonl [cpu]. Of what was measured twice the last counts.

With `cpu`, processor time in place of wall time where it is known: on one thread the nearest there
is to the wall time of an idle machine when others use it too."""
import json
import re
import sys

TOLERANCE = {"f32": 1e-4, "f64": 1e-9}
PEERS = ("torch", "torch_compile", "jax")
SECTIONS = (("makemore MLP", "makemore"), ("GPT mini", "gpt_mini"), ("Larger", ("mlp_784", "gpt_4", "gpt_6")))
TITLES = {"torch": "PyTorch eager", "torch_compile": "PyTorch compiled", "jax": "JAX jit"}


def load(path, clock):
    """The last machine line and, by (work, dtype, threads), the sides in the order they came."""
    machine, cells = {}, {}
    for line in open(path):
        entry = json.loads(line)
        if "machine" in entry:
            machine = entry
        else:
            if clock == "cpu" and "cpu_median" in entry:
                entry |= {"median": entry["cpu_median"], "min": entry["cpu_min"]}
            key = entry["work"], entry["dtype"], entry["threads"]
            cells.setdefault(key, {})[entry["side"]] = entry
    return machine, cells


def wrong(entry):
    limit = TOLERANCE[entry["dtype"]]
    return entry.get("failed") or any(
        not entry.get(k, 0) <= limit for k in ("loss_error", "gradient_error", "losses_error"))


def number(x):
    return f"{x:,.0f}" if x >= 1000 else f"{x:.3g}"


def cell(entry, mark=False):
    if entry is None:
        return "–"
    text = number(entry["median"])
    if entry["median"] > 1.1 * entry["min"]:
        text += f" ({number(entry['min'])})"
    return (f"**{text}**" if mark else text) + (" WRONG" if wrong(entry) else "")


def row(texts):
    return "| " + " | ".join(texts) + " |"


def head(first, columns):
    return [row([first, *columns]), row(["---"] + ["---:"] * len(columns))]


def is_ours(side):
    return side.startswith("burtorch")


def ratio(sides):
    """Best peer over best of ours, by the medians of what is right."""
    right = [e for e in sides.values() if not wrong(e)]
    ours = [e["median"] for e in right if is_ours(e["side"])]
    peers = [e["median"] for e in right if not is_ours(e["side"])]
    return f"{min(peers) / min(ours):.2f}" if ours and peers else "–"


def layer_section(title, prefix, cells):
    keys = [k for k in cells if k[0].startswith(prefix)]
    if not keys:
        return []
    ours = list(dict.fromkeys(s for k in keys for s in cells[k] if is_ours(s)))
    columns = [p for p in PEERS if any(p in cells[k] for k in keys)] + ours
    lines = [f"## {title}: ms a step", ""]
    lines += head("work", [TITLES.get(c, c) for c in columns] + ["best peer / ours"])
    for key in sorted(keys, key=lambda k: (k[2], k[1], [int(n) for n in re.findall(r"\d+", k[0])])):
        sides = cells[key]
        best = min((e["median"] for e in sides.values() if not wrong(e)), default=0)
        name = f"{key[0]} {key[1]}" + (f", {key[2]} threads" if key[2] > 1 else "")
        lines.append(row([name] + [cell(sides.get(c), c in sides and sides[c]["median"] == best)
                                   for c in columns] + [ratio(sides)]))
    return lines + [""]


def scalar_section(cells):
    keys = [k for d in ("f64", "f32") for g in ("tiny", "small") if (k := (g, d, 1)) in cells]
    sides = list(dict.fromkeys(s for k in keys for s in cells[k]))
    sides.sort(key=lambda s: min(cells[k][s]["median"] for k in keys if s in cells[k]))
    if not sides:
        return []
    lines = ["## Scalar graphs: ns for the value and both derivatives", ""]
    lines += head("side", [f"{graph} {dtype}" for graph, dtype, _ in keys])
    return lines + [row([s] + [cell(cells[k].get(s)) for k in keys]) for s in sides] + [""]


def start_section(cells):
    sides = cells.get(("start", "f64", 1), {})
    if not sides:
        return []
    lines = ["## Whole process: start, the tiny gradient, exit", ""]
    lines += head("side", ["wall ms", "peak RSS MB"])
    return lines + [row([s, cell(e), number(e["rss_mb"])]) for s, e in sides.items()] + [""]


def memory_section(cells):
    """Peak resident memory of the layer works, f32, one thread."""
    keys = [k for k in cells if k[1:] == ("f32", 1) and k[0] not in ("tiny", "small")]
    sides = list(dict.fromkeys(s for k in keys for s in cells[k]))
    if not keys:
        return []
    lines = ["## Peak RSS of the whole process: MB", ""] + head("work", [TITLES.get(s, s) for s in sides])
    for key in keys:
        values = [cells[key].get(s, {}).get("rss_mb") for s in sides]
        lines.append(row([key[0]] + ["–" if v is None else number(v) for v in values]))
    return lines + [""]


def check_section(cells):
    layers = [e for sides in cells.values() for e in sides.values() if "losses_error" in e]
    lines = []
    for dtype in ("f32", "f64"):
        found = [e for e in layers if e["dtype"] == dtype]
        if found:
            worst = {k: max(e[k] for e in found) for k in ("loss_error", "gradient_error", "losses_error")}
            lines.append(f"{dtype}, the largest of {len(found)}: " + ", ".join(
                f"{k.replace('_', ' ')} {v:.1e}" for k, v in worst.items()) + ".")
    wrongs = [f"{e['work']} {e['dtype']} {e['side']}" for s in cells.values() for e in s.values() if wrong(e)]
    lines.append("Wrong: " + (", ".join(wrongs) if wrongs else "none") + ".")
    return ["## Agreement", "", *lines, ""]


def main(path, clock="wall"):
    machine, cells = load(path, clock)
    loads = [e["load"] for sides in cells.values() for e in sides.values()]
    info = machine.get("machine", {})
    lines = ["# burtorch and its peers", "",
             f"{info.get('cpu')}, pinned; load average {min(loads)} to {max(loads)} while measuring. "
             + ", ".join(f"{k} {v}" for k, v in info.items() if k != "cpu") + ".",
             f"Medians of the blocks ({clock} time); the least in parentheses where it is more than a tenth below. "
             "The best of a row is bold; a ratio above 1: ours is faster.", ""]
    lines += scalar_section(cells) + start_section(cells)
    for title, prefix in SECTIONS:
        lines += layer_section(title, prefix, cells)
    lines += memory_section(cells) + check_section(cells)
    print("\n".join(lines))


if __name__ == "__main__":
    main(*sys.argv[1:])
