#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# burtorch-cli train and sample: it learns, files come out, the seed decides, and bad input is refused.
program=burtorch-cli
. "$2/tests/support/cli.sh"
names=$2/examples/text/first_names.txt

bad() { refused 2 "$@"; }

"$cli" train --text "$names" --steps 3000 --json --report r.html --jsonl r.jsonl --csv r.csv --model-out m.safetensors >one.json 2>err ||
  fail "train: exit code $?: $(cat err)"
[ ! -s err ] || fail "train: wrote to stderr: $(cat err)"
[ -s r.html ] && [ -s m.safetensors ] || fail "train: no report or no model"
[ "$(wc -l <r.csv)" = $(($(wc -l <r.jsonl) + 1)) ] || fail "train: CSV and JSON lines differ in length"
if command -v python3 >/dev/null; then
  python3 - <<'PY' || fail "train: $(cat one.json)"
import json
o = json.load(open("one.json"))
assert o["validation_loss"] < o["unigram_loss"] - 0.4, o
assert o["train_loss"] < o["validation_loss"], o
assert abs(o["bits_per_char"] - o["validation_loss"] / 0.6931471805599453) < 1e-9, o
assert o["status"] == "completed" and o["steps"] == 3000 and o["model_bytes"] > 0, o
assert len(o["samples"].split("\n")) == 10, o
rows = [json.loads(line) for line in open("r.jsonl")]
assert rows[0]["step"] == 0 and rows[-1]["step"] == 3000, rows
assert rows[0]["validation_loss"] > 3 and rows[-1]["validation_loss"] == o["validation_loss"], rows
PY
fi
"$cli" train --text "$names" --steps 200 --sample 3 >a 2>/dev/null || fail "train: exit code $?"
"$cli" train --text "$names" --steps 200 --sample 3 >b 2>/dev/null
"$cli" train --text "$names" --steps 200 --sample 3 --seed 2 >c 2>/dev/null
[ "$(tail -n 3 a)" = "$(tail -n 3 b)" ] || fail "the same seed gave other samples"
[ "$(tail -n 3 a)" != "$(tail -n 3 c)" ] || fail "another seed gave the same samples"

"$cli" sample --count 100 m.safetensors >s || fail "sample: exit code $?"
[ "$(wc -l <s)" = 100 ] || fail "sample: not 100 lines"
grep -vqE '^[a-z]*$' s && fail "sample: other than letters: $(grep -vE '^[a-z]*$' s)"

head -c 5000 /dev/urandom >random
"$cli" train --text random --unit running --steps 20 --sample 1 >out 2>err || fail "random bytes: $(cat err)"
printf 'Die Br\xfccke f\xc3\xbchrt weiter.\n' >umlaut
"$cli" train --text umlaut --unit running --validation 0 --batch 8 --steps 20 --sample 1 >out 2>err ||
  fail "bytes beyond 127: $(cat err)"

# SIGINT: exit code 130, and the model and the object are there.
"$cli" train --text "$names" --steps 100000000 --json --model-out i.safetensors >i.json 2>err &
pid=$!
sleep 1
kill -INT $pid
wait $pid
code=$?
[ $code = 130 ] || fail "SIGINT: exit code $code"
grep -q '"status":"interrupted"' i.json || fail "SIGINT: $(head -c 300 i.json)"
"$cli" sample --count 1 i.safetensors >/dev/null || fail "SIGINT: no usable model"

# Divergence: exit code 3, the reports say so, no model is written.
"$cli" train --text "$names" --steps 300 --lr 1e6 --json --report d.html --model-out d.safetensors >d.json 2>err
[ $? = 3 ] && grep -q '"status":"diverged"' d.json && grep -q "smaller --lr" err || fail "divergence: $(cat err d.json)"
[ -s d.html ] && [ ! -e d.safetensors ] || fail "divergence: the files"

if [ -c /dev/full ]; then
  "$cli" train --text "$names" --steps 20 --jsonl /dev/full --model-out f.safetensors >out 2>err
  [ $? = 1 ] && [ ! -s out ] && grep -qF "/dev/full: No space left" err || fail "--jsonl /dev/full: $(cat out err)"
  [ -s f.safetensors ] || fail "--jsonl /dev/full: no model"
fi

: >empty
printf 'abc' >short
printf '\n\n' >blank
bad "--text FILE is missing" train
bad "nowhere" train --text nowhere
bad "empty: there is no text" train --text empty
bad "blank: there is no text" train --text blank
bad "3 characters to train on, not more than --context 4" train --text short --unit running --validation 0
bad "fewer than --batch 64" train --text short --validation 0
bad "--hidden" train --text "$names" --hidden 0
bad "--lr" train --text "$names" --lr 0
bad "--lr" train --text "$names" --lr -1
bad "--lr" train --text "$names" --lr nan
bad "--steps" train --text "$names" --steps 10x
bad "--temperature" train --text "$names" --temperature 0
bad "--validation" train --text "$names" --validation 1.5
bad "--model" train --text "$names" --model gpt2
bad "--unit" train --text "$names" --unit word
bad "nowhere" sample nowhere
bad "not a safetensors file" sample "$names"
head -c 1000 m.safetensors >cut.safetensors
bad "cut.safetensors" sample cut.safetensors
bad "--count" sample --count 0 m.safetensors
# refused before the training begins
bad "no/such/folder/m" train --text "$names" --steps 100000000 --model-out no/such/folder/m
bad "no/such/folder/r" train --text "$names" --steps 100000000 --report no/such/folder/r
"$cli" train --text "$names" --steps 1 --quiet >out 2>err || fail "--quiet: exit code $?"
[ ! -s out ] && [ ! -s err ] || fail "--quiet: wrote something"

finish
