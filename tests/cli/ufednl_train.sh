#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# ufednl-cli train, predict and generate: what they print and write, how they end, agreement with LIBLINEAR.
program=ufednl-cli
. "$2/tests/support/cli.sh"

# ---- generate ----
code 0 generate --rows 3000 --features 60 --nnz 6 --positive 0.3 --seed 5 data
has out "data: 3000 rows, 60 features"
code 0 generate --rows 3000 --features 60 --nnz 6 --positive 0.3 --seed 5 --quiet same
[ ! -s out ] || fail "--quiet printed"
cmp -s data same || fail "the same seed made another file"
code 0 generate --rows 3000 --features 60 --nnz 6 --positive 0.3 --seed 6 other
cmp -s data other && fail "another seed made the same file"

# ---- train ----
code 0 train --clients 7 --report r.html --jsonl r.jsonl --csv r.csv data data.model
has out "converged"
has out "data.model"
[ ! -s err ] || fail "something on stderr where it is no terminal: $(cat err)"
rounds=$(wc -l <r.jsonl)
[ "$(wc -l <r.csv)" = $((rounds + 1)) ] || fail "CSV and JSON lines differ in length"
has r.csv "round,f,grad_norm"
has r.html "<svg"
has data.model "solver_type L2R_LR"
[ "$(wc -l <data.model)" = 67 ] || fail "a model of 60 features and an intercept has 6 + 61 lines"

code 0 train --json --clients 7 --compressor topk --k 2d data
[ "$(wc -l <out)" = 1 ] || fail "--json: not one line"
json out 'o["status"] == "converged" and o["grad_norm"] <= 1e-9 and o["rows"] == 3000 and o["features"] == 60'
json out 'o["clients"] == 7 and o["k"] == 122 and o["model"] is None and o["rounds"] > 2 and o["seconds"] > 0'
json out 'o["bytes_up"] > 0 and o["bytes_down"] > 0 and o["settings"]["compressor"] == "topk" and 0 < o["f"] < 0.7'
[ ! -e data.model.model ] || fail "a model was written unasked"

# the optimum depends neither on the clients, nor on the compressor, nor on threads
for options in "--clients 1" "--clients 40 --compressor topk --k 50" "--clients 40 --threads 2" "--no-shuffle --clients 3"; do
  # shellcheck disable=SC2086
  code 0 train --json $options --tol 1e-12 data m
  sed 's/.*"f":\([0-9.]\{14\}\).*/\1/' out >>values
done
[ "$(sort -u values | wc -l)" = 1 ] || fail "optima differ: $(cat values)"

code 0 train --quiet --no-intercept data plain.model
[ ! -s out ] || fail "--quiet printed"
has plain.model "bias -1"
[ "$(wc -l <plain.model)" = 66 ] || fail "a model without intercept has 6 + 60 lines"
code 0 train --json --dims 70 data wide.model
json out 'o["features"] == 70'
has wide.model "nr_feature 70"

# ---- other endings ----
code 3 train --json --max-rounds 2 data short.model
json out 'o["status"] == "max_rounds" and o["rounds"] == 2'
[ -s short.model ] || fail "the model of an unfinished run is not there"
code 0 train --json --tol 0 --max-rounds 2 data # no tolerance: all that was asked for is done
json out 'o["status"] == "max_rounds" and o["rounds"] == 2'
code 3 train --json --tol 0 --max-rounds 1000000000 --time-limit 0.2 data
json out 'o["status"] == "time_limit"'

interrupt() { # interrupt SIGNAL CODE: the round is finished, everything asked for is written
  rm -f i.model i.csv i.jsonl
  set -m
  "$cli" train --json --tol 0 --max-rounds 1000000000 --csv i.csv --jsonl i.jsonl data i.model >out 2>err &
  local pid=$! got
  set +m
  for _ in $(seq 100); do
    [ -s i.jsonl ] && break
    sleep 0.05
  done
  kill -s "$1" $pid
  wait $pid
  got=$?
  [ $got = "$2" ] || fail "SIG$1: exit code $got"
  json out 'o["status"] == "interrupted"'
  [ -s i.model ] && [ -s i.csv ] || fail "SIG$1: model or CSV missing"
}
interrupt INT 130
interrupt TERM 143

# ---- predict ----
code 0 predict data data.model predicted
grep -qE '^Accuracy = [0-9.]+% \([0-9]+/3000\)$' out || fail "accuracy: $(cat out)"
has out "Log-loss = 0."
[ "$(wc -l <predicted)" = 3000 ] || fail "not a label a row"
[ "$(sort -u predicted | tr '\n' ' ')" = "-1 1 " ] || fail "labels are not printed as in the data"
correct=$(cut -d' ' -f1 data | sed 's/^+//' | paste -d' ' - predicted | awk '$1 == $2' | wc -l)
has out "($correct/3000)"
code 0 predict --json data data.model
json out "o['correct'] == $correct and o['rows'] == 3000 and 0 < o['log_loss'] < 0.7 and o['unknown_labels'] == 0"

printf '1 1:1\n0 2:1\n1 1:2\n0 2:0.5\n' >zero_one
code 0 train --quiet zero_one zo.model
has zo.model "label 1 0"
code 0 predict zero_one zo.model zo.out
[ "$(tr '\n' ' ' <zo.out)" = "1 0 1 0 " ] || fail "labels 0 and 1: $(cat zo.out)"

if command -v liblinear-predict >/dev/null; then
  liblinear-predict data data.model theirs >/dev/null || fail "liblinear-predict does not read our model"
  cmp -s predicted theirs || fail "liblinear-predict predicts otherwise"
  liblinear-train -q -s 0 -B 1 -c 0.3333333333333333 -e 1e-8 data theirs.model # C = 1 / (lambda rows)
  code 0 predict data theirs.model ours
  liblinear-predict data theirs.model theirs >/dev/null
  cmp -s ours theirs || fail "we predict otherwise with LIBLINEAR's model"
  code 0 predict --json data theirs.model
  cp out theirs.json
  code 0 predict --json data data.model
  if command -v python3 >/dev/null; then
    python3 -c 'import json
a, b = (json.load(open(f))["log_loss"] for f in ("out", "theirs.json"))
assert abs(a - b) < 1e-7, (a, b)' || fail "not LIBLINEAR's optimum"
  fi
fi

finish
