#!/usr/bin/env bash
# Set up what is missing, build, and show what the three programs do. usage: tools/quickstart.sh [LIBSVM_FILE]
# LIBSVM_FILE: train the federated Newton method on this file (default: a generated data set shaped like w8a).
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/prepare.sh"

case ${1:-} in
-h | --help)
    sed -n '2,3s/^# //p' "${BASH_SOURCE[0]}"
    exit 0
    ;;
-*) die "quickstart.sh: unknown option '$1' (usage: quickstart.sh [LIBSVM_FILE])" ;;
esac
[ $# -le 1 ] || die "quickstart.sh: too many arguments (usage: quickstart.sh [LIBSVM_FILE])"
if [ $# -eq 1 ]; then
    [ -f "$1" ] && [ -r "$1" ] || die "quickstart.sh: cannot read '$1'"
    set -- "$(realpath "$1")"
fi

install_packages "${build_packages[@]}"
build_preset release -DCTRAIN_BUILD_TESTS=OFF -DCTRAIN_BUILD_BENCHMARKS=OFF
bin=$build/bin
out=$root/build/quickstart
rm -rf "$out"
mkdir -p "$out"
cd "$out"
show() { # print a command as a person would type it, and run it
    local word line=
    for word in "$@"; do
        word=${word#"$bin/"}
        case $word in *[!A-Za-z0-9_./:=+-]*) word="'$word'" ;; esac
        line+=" ${word/#$root\//}"
    done
    printf '\n$%s\n' "$line"
    "$@"
}
title() { printf '\n== %s ==\n' "$*"; }

title "ufednl: logistic regression over 142 federated clients, to a gradient norm of 1e-9"
clients=142
if [ $# -eq 1 ]; then
    data=$1
    rows=$(grep -cE '^[^#]*[0-9]' "$data") || true
    [ "$rows" -ge "$clients" ] || clients=$((rows > 0 ? rows : 1))
else
    data=w8a-like.libsvm
    show "$bin/ufednl-cli" generate "$data"
fi
show "$bin/ufednl-cli" train --clients $clients --compressor topk --tol 1e-9 --report ufednl.html "$data" ufednl.model
show "$bin/ufednl-cli" predict "$data" ufednl.model

title "burtorch: a gradient, the same as C, a small character model, and logistic regression"
show "$bin/burtorch-cli" grad 'g = (a*b + b^3 - (a+b))^2 / 2' a=-41 b=2
show "$bin/burtorch-cli" emit-c 'g = (a*b + b^3 - (a+b))^2 / 2' a b
show "$bin/burtorch-cli" train --text "$root/examples/text/first_names.txt" --report burtorch.html --model-out names.safetensors
show "$bin/burtorch-cli" sample --count 5 --temperature 0.7 names.safetensors
show "$bin/burtorch-cli" train --model linear --data "$data" --epochs 2 --model-out rows.safetensors
show "$bin/burtorch-cli" eval --data "$data" rows.safetensors

title "permk_aes: a server without a key, 8 clients on loopback, AES-128-GCM"
show "$bin/permk-train" keygen group.key
show "$bin/permk-train" local --clients 8 --key group.key --tol 1e-10 --capture seen --report permk_aes.html
say "What the server saw of it, without the key and with it:"
show "$bin/permk-train" inspect seen
show "$bin/permk-train" inspect --key group.key seen

title "Done"
say "Open these reports in a browser:"
for report in ufednl burtorch permk_aes; do
    say "  $out/$report.html"
done
