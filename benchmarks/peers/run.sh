#!/bin/sh
# SPDX-License-Identifier: MIT
# Measures burtorch's peers, and burtorch where its benchmarks are built; see README.md beside this.
# Options are those of measure.py: --quick, --only WORK, --threads N, --bin FOLDER, …
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
venv=$root/build/peers-venv
out=$root/build/peers
mkdir -p "$out"
if ! cmp -s "$here/requirements.txt" "$venv/requirements.txt"; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --requirement "$here/requirements.txt"
    cp "$here/requirements.txt" "$venv/requirements.txt"
fi
"$venv/bin/python" "$here/measure.py" --out "$out" --bin "$root/build/release/bin" "$@"
"$venv/bin/python" "$here/table.py" "$out/results.jsonl" > "$out/table.md"
echo "$out/table.md"
