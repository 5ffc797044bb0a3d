#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# burtorch-cli train --checkpoint and --resume: a run that was ended in between, in any way, ends with the same bytes as one that was not.
program=burtorch-cli
. "$2/tests/support/cli.sh"
names=$2/examples/text/first_names.txt

bad() { refused 2 "$@"; }

awk 'BEGIN { srand(3); for (i = 0; i < 200; i++) { a = rand(); b = rand(); printf "%.4f,%.4f,%d\n", a, b, (a * b > 0.25) } }' >rows.csv

# whole NAME OPTION…: the uninterrupted run; then the same ended by SIGKILL or SIGINT when a checkpoint is there, and resumed.
whole() {
  local name=$1
  shift
  "$cli" train "$@" --quiet --model-out "$name.whole" || fail "$name: exit code $?"
  for signal in KILL INT; do
    rm -f "$name.ckpt" "$name.ckpt.best"
    "$cli" train "$@" --quiet --checkpoint "$name.ckpt" --checkpoint-every 10 --model-out "$name.cut" &
    local pid=$! tries=0
    while [ ! -s "$name.ckpt" ] && [ $tries -lt 3000 ]; do sleep 0.01; tries=$((tries + 1)); done
    kill -$signal $pid 2>/dev/null
    wait $pid 2>/dev/null
    local step
    step=$("$cli" info "$name.ckpt" | sed -n 's/^step = //p')
    "$cli" train "${@:1:2}" --resume "$name.ckpt" --quiet --model-out "$name.resumed" || fail "$name after SIG$signal: exit code $?"
    cmp -s "$name.whole" "$name.resumed" || fail "$name: resumed at step $step after SIG$signal, another model"
  done
}

whole mlp --text "$names" --steps 800
whole gpt --text "$names" --model gpt --steps 60 --context 16 --embed 16 --layers 1 --heads 2 --batch 8 --dropout 0.1 --shards 2 --eval-every 20
whole sgd --data rows.csv --model mlp --steps 3000 --optimizer sgd --momentum 0.9 --lr 0.05 --dropout 0.1 --schedule step --step-every 100
whole linear --data rows.csv --model linear --epochs 300 --target class --clip-norm 1 --batch 30
whole best --data rows.csv --model mlp --hidden 256 --batch 16 --steps 4000 --lr 0.03 --schedule constant --patience 25 --eval-every 40

# A run that was stopped early stays so, with the best model.
"$cli" train --data rows.csv --resume best.ckpt --quiet --checkpoint stopped.ckpt || fail "best: exit code $?"
"$cli" train --data rows.csv --resume stopped.ckpt --quiet --model-out best.again || fail "best again: exit code $?"
cmp -s best.whole best.again || fail "best: a run that was stopped early goes on"

# A run that ended goes on with more steps, and settings that are left out are as they were.
"$cli" train --text "$names" --steps 50 --embed 10 --quiet --checkpoint a.ckpt || fail "checkpoint: exit code $?"
"$cli" train --text "$names" --resume a.ckpt --steps 80 --json >o.json || fail "more steps: exit code $?"
grep -q '"embed":10' o.json && grep -q '"steps":80' o.json || fail "more steps: $(cat o.json)"
"$cli" train --text "$names" --resume a.ckpt --checkpoint a.ckpt --steps 60 --quiet || fail "the same checkpoint again: exit code $?"
"$cli" info a.ckpt | grep -q '^step = 60$' || fail "the same checkpoint again: $("$cli" info a.ckpt)"
"$cli" sample --count 1 a.ckpt >/dev/null || fail "sample from a checkpoint"

bad "a.ckpt: made with --embed 10, not 11" train --text "$names" --resume a.ckpt --embed 11
bad "a.ckpt: made with --lr 0.003, not 0.1" train --text "$names" --resume a.ckpt --lr 0.1
bad "a.ckpt: made with --model mlp, not gpt" train --text "$names" --resume a.ckpt --model gpt
bad "a.ckpt: made with --heads left out, not 2" train --text "$names" --resume a.ckpt --heads 2
bad "60 steps are done, more than --steps 5" train --text "$names" --resume a.ckpt --steps 5
bad "other data" train --text rows.csv --resume a.ckpt --unit line
bad "nowhere" train --text "$names" --resume nowhere
bad "not a safetensors file" train --text "$names" --resume rows.csv
bad "not a checkpoint of train" train --text "$names" --resume mlp.whole
head -c 3000 a.ckpt >cut.ckpt
bad "cut.ckpt" train --text "$names" --resume cut.ckpt
LC_ALL=C sed 's/"settings.lr":"0.003"/"settings.lr":"0.0x3"/' a.ckpt >wrong.ckpt
bad "wrong.ckpt: --lr: '0.0x3' is not a number" train --text "$names" --resume wrong.ckpt
LC_ALL=C sed 's/"settings.model":"mlp"/"settings.model":"MLP"/' a.ckpt >wrong.ckpt
bad "wrong.ckpt: --model: 'MLP'" train --text "$names" --resume wrong.ckpt
LC_ALL=C sed 's/"settings.embed":"10"/"settings.embed":"11"/' a.ckpt >wrong.ckpt
bad "wrong.ckpt" train --text "$names" --resume wrong.ckpt
rm best.ckpt.best
bad "best.ckpt.best" train --data rows.csv --resume best.ckpt

finish
