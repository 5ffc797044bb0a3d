#!/usr/bin/env bash
# Installs the build into an empty folder and uses it as a stranger would: every header alone as C11 and C++17, a program a library by
# find_package and by pkg-config, no symbol without its library's prefix, man pages and completions in place.
# usage: install.sh BUILD_DIR SOURCE_DIR C_COMPILER [FLAG]    (the sanitizer or coverage flag the archives need at the link)
set -euo pipefail
build=$1 source=$2 cc=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
prefix=$work/prefix
fail() { echo "FAILED: $*"; exit 1; }

cmake --install "$build" --prefix "$prefix" >"$work/install.log" || { cat "$work/install.log"; fail "cmake --install"; }
libdir=$(dirname "$(find "$prefix" -name libctrain_common.a)")

flags=(${4:+"$4"})

echo "-- headers stand alone"
cxx=$(command -v g++ || command -v clang++ || true)
while read -r header; do
    printf "#include <%s>\nextern int used;\n" "${header#"$prefix"/include/}" >"$work/header.c"
    "$cc" -std=c11 -Wall -Wextra -Wpedantic -Werror -fsyntax-only -I"$prefix/include" "$work/header.c" || fail "$header as C11"
    [ -z "$cxx" ] || "$cxx" -x c++ -std=c++17 -Wall -Wextra -Werror -fsyntax-only -I"$prefix/include" "$work/header.c" ||
        fail "$header as C++17"
done < <(find "$prefix/include" -name '*.h' | sort)

echo "-- symbols carry their prefix"
check_symbols() { # archive, pattern
    local strange
    strange=$(nm --defined-only --extern-only "$libdir/$1" | awk 'NF == 3 {print $3}' | grep -vE "^($2)|^(__asan|__ubsan|__odr_asan|__tsan|__gcov|__sanitizer)" || true)
    [ -z "$strange" ] || fail "$1 exports: $(echo "$strange" | tr '\n' ' ')"
    [ "$(nm --defined-only --extern-only "$libdir/$1" | awk 'NF == 3' | wc -l)" -gt 0 ] || fail "$1 exports nothing"
}
check_symbols libctrain_common.a ct_
check_symbols libburtorch.a bt_
check_symbols libufednl.a fednl_
check_symbols libpermk_aes.a permk_

echo "-- find_package"
CFLAGS="${flags[*]}" cmake -S "$source/tests/install/consumer" -B "$work/consumer" -DCMAKE_C_COMPILER="$cc" \
    -DCMAKE_PREFIX_PATH="$prefix" >"$work/log" 2>&1 || { cat "$work/log"; fail "find_package"; }
cmake --build "$work/consumer" >"$work/log" 2>&1 || { cat "$work/log"; fail "build by find_package"; }

echo "-- pkg-config"
export PKG_CONFIG_PATH=$libdir/pkgconfig
for library in common burtorch ufednl permk_aes; do
    pc=$library
    [ "$library" != common ] || pc=ctrain_common
    # shellcheck disable=SC2046 # pkg-config prints words
    "$cc" -std=c11 "${flags[@]}" "$source/tests/install/consumer/use_$library.c" $(pkg-config --cflags --libs "$pc") \
        -o "$work/use_$library" || fail "build by pkg-config $pc"
    (cd "$work" && "$work/consumer/use_$library" && "$work/use_$library") || fail "use_$library does not run"
done

echo "-- man pages and completions"
for program in burtorch-cli ufednl-cli permk-train; do
    "$prefix/bin/$program" --version >/dev/null || fail "$program --version"
    grep -q '^\.TH' "$prefix/share/man/man1/$program.1" || fail "man page of $program"
    bash -n "$prefix/share/bash-completion/completions/$program" || fail "bash completion of $program"
    grep -q "#compdef $program" "$prefix/share/zsh/site-functions/_$program" || fail "zsh completion of $program"
    grep -q "complete -c $program" "$prefix/share/fish/vendor_completions.d/$program.fish" || fail "fish completion of $program"
done

echo "-- no machine-specific or value-changing flags"
if grep -nE -- '-march=native|-mtune=native|-ffast-math|-Ofast' "$build/compile_commands.json"; then
    fail "a flag that must not reach a library"
fi
echo "ok"
