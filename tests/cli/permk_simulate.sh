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
# uplink of a sealed block of 20 doubles: header 12, flags 1, tag 16
exits 0 simulate --tol 0 --max-rounds 3 --json
has '"status":"max_rounds","rounds":3,"client_bytes_up":567,"client_bytes_down":27783,"client_bytes_up_per_round":189,"client_bytes_down_per_round":9261,'

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

# keys that are replaced, and chunks, change nothing either
exits 0 simulate "${small[@]}" --key-rounds 3
[ "$(hash)" = "$expected" ] || fail "--key-rounds: other iterates"
has '"epochs":16'
long=(--clients 3 --dim 500 --samples 3 --method gd --tol 0 --max-rounds 5 --json)
exits 0 simulate "${long[@]}" && expected=$(hash)
exits 0 simulate "${long[@]}" --chunk 1
[ "$(hash)" = "$expected" ] || fail "--chunk: other iterates"
has '"client_bytes_up_per_round":4116,' # 4000 in four frames of 12, 1 and 16 more

# every method goes with every compressor, but diana and marina need unbiased ones
for method in dcgd diana marina ef21; do
  for compressor in permk randk topk natural identity; do
    case $method/$compressor in
      diana/topk | marina/topk) bad "unbiased" simulate --method $method --compressor $compressor ;;
      *) exits 0 simulate "${small[@]}" --step 0.005 --method $method --compressor $compressor ;;
    esac
  done
done
for value in f32 f16 bf16; do exits 0 simulate "${small[@]}" --value $value; done

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

# what has no effect is refused
bad "--rule has no effect with --method gd" simulate --method gd --rule permutation
bad "--compressor has no effect with --method gd" simulate --method gd --compressor randk
bad "--rule has no effect with --compressor randk" simulate --compressor randk --rule lines
bad "--k has no effect with --compressor permk" simulate --k 3
bad "--seed has no effect with --compressor topk" simulate --compressor topk --seed 3
bad "--secret-ownership has no effect" simulate --compressor natural --secret-ownership
bad "--step-half has no effect without --schedule harmonic" simulate --step-half 5
bad "--checkpoint-every has no effect without --checkpoint" simulate --checkpoint-every 5
bad "--lambda has no effect on the problem quadratic" simulate --lambda 1
bad "--batch has no effect on the problem quadratic" simulate --batch 3
bad "--data is missing" simulate --problem logistic
bad "--data is missing" simulate --problem gpt
bad "k = 31 is more than there are coordinates (30)" simulate --clients 2 --dim 30 --compressor randk --k 31
bad "--clients" simulate --clients 0
bad "--dim" simulate --dim 0
bad "--cipher" simulate --cipher rot13
bad "--method" simulate --method newton
bad "--step" simulate --step 0
bad "--step" simulate --step -1
bad "--step" simulate --step 0.1x
bad "--tol" simulate --tol nan
bad "--max-rounds" simulate --max-rounds 0
bad "--frobnicate" simulate --frobnicate
bad "mu = 20, L = 10" simulate --convexity 20
bad "no/such/folder" simulate --model-out "$work/no/such/folder/m" --max-rounds 1

# rows: four that are told apart, and what can be wrong with them
printf '+1 1:1\n-1 2:1\n+1 1:0.5 3:1\n-1 2:2 3:1\n' >"$work/rows"
for options in "--method gd" "--method diana --tol 1e-4" "--batch 1 --step 0.1 --tol 0 --max-rounds 20" "--regulariser nonconvex --method gd --tol 1e-4" \
  "--problem mlp --hidden 3 --step 0.1 --tol 0 --max-rounds 5"; do
  # shellcheck disable=SC2086
  exits 0 simulate --data "$work/rows" --clients 2 $options --json
  has '"problem_kind":"'
done
bad "--smoothness has no effect on the problem logistic" simulate --data "$work/rows" --clients 2 --smoothness 3
bad "--lambda has no effect on the problem mlp" simulate --problem mlp --data "$work/rows" --clients 2 --lambda 3
bad "give a step size" simulate --problem mlp --data "$work/rows" --clients 2
bad "rows" simulate --data "$work/rows" --clients 5
bad "missing.rows" simulate --data "$work/missing.rows"
printf '1 1:1\n2 x\n' >"$work/broken"
bad "broken:2" simulate --data "$work/broken" --clients 2

# the honest table: gd's rounds for all that gd is under, ciphers by formula
exits 0 compare --clients 4 --dim 100 --report "$work/c.html" --csv "$work/c.csv" --json
has '"gd_plain:rounds":80,'
has '"gd_aes:rounds":80,'
has '"gd_ckks_16384:client_bytes_up":56310080,'
has '"gd_masks:client_bytes_down_per_round":800,'
has '"dcgd_permk_aes:status":"converged"'
grep -q 'DIANA/PermK + AES' "$work/c.html" || fail "no line of DIANA in the comparison"
exits 0 compare --clients 4 --dim 30 --step-permk 0.03 --max-rounds 3
has "not reached"

# an identity: its line is printed, its secret is not
exits 0 identity "$work/id" --name someone
grep -qE '^[0-9a-f]{64} someone$' "$work/out" || fail "identity: $(cat "$work/out")"
[ "$(stat -c %a "$work/id")" = 600 ] || fail "mode of the identity"
line=$(cat "$work/out")
bad "never overwritten" identity "$work/id"
exits 0 identity "$work/id" --name someone --print
[ "$(cat "$work/out")" = "$line" ] || fail "identity --print: another line"
secret=$(sed -n 's/^secret //p' "$work/id")
[ ${#secret} = 64 ] || fail "no secret in the identity"
! grep -q "$secret" "$work/out" "$work/err" || fail "identity prints its secret"

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
