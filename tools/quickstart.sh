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
show() {
    printf '\n\033[1m$ %s\033[0m\n' "${*//$root\//}"
    "$@"
}
