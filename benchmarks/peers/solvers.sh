#!/bin/sh
# SPDX-License-Identifier: MIT
# Measures ufednl beside other solvers; see README.md beside this.
#     solvers.sh QUESTION FILE… [--runs N] [--core N] [--bin FOLDER]
# QUESTION: liblinear, solve, ray, flower, spark. FILE: LIBSVM text, or the name of one in $CTRAIN_DATA.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
venv=$root/build/solvers-venv
out=$root/build/solvers
pins=$here/requirements-solvers.txt
question=${1:-}
section=federated
needed="numpy scipy"
optional=
case $question in
liblinear) section=liblinear needed=numpy ;;
solve) section=solve optional="scikit-learn snapml cvxpy clarabel ecos" ;;
ray) needed="$needed ray" ;;
flower) needed="$needed flwr" ;;
spark) needed="$needed pyspark" ;;
*) sed -n '3,5s/^# //p' "$0" >&2 && exit 2 ;;
esac
if [ "$question" = spark ] && ! command -v java >/dev/null; then
    echo "spark left out: it needs java (Debian: default-jre-headless)" >&2
    exit 0
fi

install_packages() {
    "$venv/bin/pip" install --quiet --disable-pip-version-check --constraint "$pins" "$@" >&2
}

# The system's Python serves where it has NumPy and no more is needed.
python=python3
if [ "$needed" != numpy ] || ! python3 -c 'import numpy' 2>/dev/null; then
    python=$venv/bin/python
    [ -x "$python" ] || python3 -m venv "$venv"
    if ! cmp -s "$pins" "$venv/$question.txt"; then
        # shellcheck disable=SC2086  # lists of names
        if ! install_packages $needed; then
            echo "$question left out: $needed did not install" >&2
            exit 0
        fi
        for package in $optional; do
            install_packages "$package" || echo "$package does not install here: left out" >&2
        done
        cp "$pins" "$venv/$question.txt"
    fi
fi

mkdir -p "$out"
status=0
"$python" "$here/solver_measure.py" --out "$out" --bin "$root/build/release/bin" "$@" || status=$?
case $status in 0 | 3) ;; *) exit $status ;; esac
"$python" "$here/solver_table.py" "$out/results.jsonl" >"$out/table.md"
"$python" "$here/solver_table.py" "$out/results.jsonl" "$section"
exit $status
