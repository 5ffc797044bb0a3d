#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# permk-train simulate and keygen: published numbers, exit codes, outputs, every kind of bad input.
program=permk-train
. "$2/tests/support/cli.sh"

# exits CODE ARGUMENT…: exit code, and nothing on stdout unless the code is 0 or 3.
exits() {
  local code=$1 got
  shift
  "$cli" "$@" >"$work/out" 2>"$work/err"
  got=$?
  [ $got = "$code" ] || fail "$*: exit code $got, expected $code: $(cat "$work/err")"
}

bad() { refused 2 "$@"; }

has() { grep -qF -- "$1" "$work/out" || fail "stdout lacks '$1': $(cat "$work/out")"; }

# published: 92 steps of GD to 1e-4
exits 0 simulate --method gd --step 0.1 --tol 1e-4 --json
[ "$(wc -l <"$work/out")" = 1 ] || fail "--json: more than one line"
[ ! -s "$work/err" ] || fail "--json: something on stderr: $(cat "$work/err")"
has '"status":"converged","rounds":92,'
has '"clients":50'
# uplink of a sealed block of 20 doubles: header 12, tag 16
exits 0 simulate --tol 0 --max-rounds 3 --json
has '"status":"max_rounds","rounds":3,"client_bytes_up":564,"client_bytes_down":27636,"client_bytes_up_per_round":188,"client_bytes_down_per_round":9212,'

# the cipher changes nothing but says when it does not protect
small=(--clients 4 --dim 30 --step 0.02 --tol 0 --max-rounds 50 --json)
hash() { grep -o '"x_sha256":"[0-9a-f]*"' "$work/out"; }
exits 0 simulate "${small[@]}" && expected=$(hash)
for cipher in aes-256-gcm aes-128-ctr none; do
  exits 0 simulate "${small[@]}" --cipher $cipher
  [ "$(hash)" = "$expected" ] || fail "$cipher: other iterates"
  case $cipher in
    aes-256-gcm) [ ! -s "$work/err" ] || fail "$cipher: a warning" ;;
    *) grep -q 'warning.*measurement only' "$work/err" || fail "$cipher: no warning" ;;
  esac
done
[ -n "$expected" ] || fail "no x_sha256"

# plain: converges to the default tolerance, and says so
exits 0 simulate --clients 4 --dim 100
has "converged after"
exits 0 simulate --clients 4 --dim 100 --json
has '"tol":1e-10'
has '"status":"converged"'

# ends without the tolerance: 3; diverges: 3, and no model is written
exits 3 simulate --tol 1e-20 --max-rounds 5
exits 3 simulate --step 0.5 --max-rounds 500 --model-out "$work/diverged"
has diverged
[ ! -e "$work/diverged" ] || fail "a diverged model was written"

# outputs
exits 0 simulate "${small[@]}" --model-out "$work/m" --report "$work/r.html" --jsonl "$work/r.jsonl" --csv "$work/r.csv"
[ "$(head -2 "$work/m" | tr '\n' ' ')" = "permk-model 1 dimension 30 " ] || fail "model head"
[ "$(wc -l <"$work/m")" = 32 ] || fail "model length"
[ "$(wc -l <"$work/r.jsonl")" = 51 ] || fail "jsonl rows"
[ "$(wc -l <"$work/r.csv")" = 52 ] || fail "csv rows"
grep -q '<svg' "$work/r.html" || fail "no plot in the report"

if [ -c /dev/full ]; then
  exits 1 simulate "${small[@]}" --jsonl /dev/full --model-out "$work/full"
  grep -qF "/dev/full: No space left" "$work/err" || fail "--jsonl /dev/full: $(cat "$work/err")"
  [ -s "$work/full" ] || fail "--jsonl /dev/full: no model"
fi

bad "are of --method permk" simulate --method gd --rule permutation
bad "--clients" simulate --clients 0
bad "--dim" simulate --dim 0
bad "--cipher" simulate --cipher rot13
bad "--method" simulate --method newton
bad "--step" simulate --step 0
bad "--step" simulate --step -1
bad "--step" simulate --step 0.1x
bad "--tol" simulate --tol nan
bad "--max-rounds" simulate --max-rounds 0
bad "65535" simulate --max-rounds 70000
bad "--frobnicate" simulate --frobnicate
bad "mu = 20, L = 10" simulate --convexity 20
bad "no/such/folder" simulate --model-out "$work/no/such/folder/m" --max-rounds 1

# keygen never overwrites and gives nothing away
exits 0 keygen "$work/k"
[ "$(stat -c %a "$work/k")" = 600 ] || fail "mode of the key file"
secret=$(sed -n 's/^key //p' "$work/k")
[ ${#secret} = 64 ] || fail "no key in the key file"
! grep -q "$secret" "$work/out" "$work/err" || fail "keygen prints the key"
before=$(sha256sum <"$work/k")
bad "never overwritten" keygen "$work/k"
[ "$(sha256sum <"$work/k")" = "$before" ] || fail "the key file was changed"
exits 2 keygen
bad "no/such/folder" keygen "$work/no/such/folder/k"

# sizes whose product is beyond the numbers: refused, and told as they were given
exits 1 simulate --clients 4 --dim 60 --samples 4611686018427387916
grep -qF "4 x 4611686018427387916 samples" "$work/err" || fail "samples: $(cat "$work/err")"

finish
