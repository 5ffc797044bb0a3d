# shellcheck shell=bash
# Sourced by quickstart.sh and check.sh: install the Debian packages that are missing, then configure and build.
# Leaves the build folder in $build.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cores=$(nproc)
export CMAKE_BUILD_PARALLEL_LEVEL=$cores CTEST_PARALLEL_LEVEL=$cores
log=$root/build/log

say() { printf '%s\n' "$*"; }
die() {
    printf '%s\n' "$*" >&2
    exit 1
}

# install_packages PACKAGE…: nothing where all are there; otherwise apt-get as root or through sudo, or the line to run and exit 1.
install_packages() {
    if ! command -v dpkg-query >/dev/null; then
        say "This is no Debian system: taking it that what these packages hold is installed: $*"
        return
    fi
    local missing=() package
    for package in "$@"; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    local install="apt-get install -y --no-install-recommends ${missing[*]}" sudo=()
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null || ! { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
            die "Some packages are missing and this user may not install them. As root, run:
  apt-get update && $install"
        fi
        sudo=(sudo)
    fi
    say "Installing Debian packages: ${missing[*]}"
    mkdir -p "$(dirname "$log")"
    { "${sudo[@]}" apt-get update -q && DEBIAN_FRONTEND=noninteractive "${sudo[@]}" $install; } >"$log" 2>&1 || {
        tail -n 15 "$log" >&2
        die "Could not install them (whole log: $log). By hand, as root:
  apt-get update && $install"
    }
}

# build_preset PRESET [CMAKE_OPTION…]: configure and build into build/PRESET, or build/PRESET-COMPILER where CC is set.
build_preset() {
    local preset=$1
    shift
    build=$root/build/$preset${CC:+-$CC}
    log=$build/build.log
    mkdir -p "$build"
    say "Building ($preset${CC:+, $CC}, $cores cores) …"
    { (cd "$root" && cmake --preset "$preset" -B "$build" "$@") && cmake --build "$build"; } >"$log" 2>&1 || {
        tail -n 40 "$log" >&2
        die "The build failed (whole log: $log)."
    }
    ! grep -E 'warning:' "$log" || say "(warnings: see $log)"
}

build_packages=(cmake gcc libc6-dev make libssl-dev libopenblas0)
