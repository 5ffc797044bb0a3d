#!/usr/bin/env bash
# Set up what is missing, build, and run the whole test suite. usage: tools/check.sh [PRESET…]   (default: release)
# CC=clang uses clang; CTRAIN_DATA names a folder of real data sets (tests that need one skip without it).
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/prepare.sh"

case ${1:-} in
-h | --help)
    sed -n '2,3s/^# //p' "${BASH_SOURCE[0]}"
    exit 0
    ;;
esac
[ $# -gt 0 ] || set -- release

packages=("${build_packages[@]}" g++ libcmocka-dev pkg-config xz-utils liblinear-tools python3)
[ "${CC:-gcc}" = gcc ] || packages+=("${CC}")
case " $* " in *" fuzz "*) packages+=(clang libclang-rt-14-dev) ;; esac
install_packages "${packages[@]}"

for preset in "$@"; do
    if [ "$preset" = fuzz ]; then unset CC; fi
    strict=OFF # sanitizers make gcc warn of what is none
    case ${CI:-}$preset in truerelease | truedebug) strict=ON ;; esac
    build_preset "$preset" -DCTRAIN_BUILD_TESTS=ON -DCTRAIN_WERROR=$strict
    say "Testing ($preset${CC:+, $CC}) …"
    only=()
    [ "$preset" != fuzz ] || only=(-L fuzz) # libFuzzer for a while; other presets run the rest
    (cd "$build" && ctest --output-on-failure "${only[@]}")
done
