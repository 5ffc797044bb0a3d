#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# burtorch-cli train --text, sample and eval: it learns, files come out, the seed decides and --threads does not, and bad input is refused.
program=burtorch-cli
. "$2/tests/support/cli.sh"
names=$2/examples/text/first_names.txt

bad() { refused 2 "$@"; }

"$cli" train --text "$names" --steps 2000 --json --report r.html --jsonl r.jsonl --csv r.csv --model-out m.safetensors >one.json 2>err ||
  fail "train: exit code $?: $(cat err)"
[ ! -s err ] || fail "train: wrote to stderr: $(cat err)"
[ -s r.html ] && [ -s m.safetensors ] || fail "train: no report or no model"
grep -q '<svg' r.html && grep -q 'validation loss' r.html || fail "train: no curves"
[ "$(wc -l <r.csv)" = $(($(wc -l <r.jsonl) + 1)) ] || fail "train: CSV and JSON lines differ in length"
if command -v python3 >/dev/null; then
  python3 - <<'PY' || fail "train: $(cat one.json)"
import json
o = json.load(open("one.json"))
assert o["validation_loss"] < o["unigram_loss"] - 0.4, o
assert o["train_loss"] < o["validation_loss"], o
assert abs(o["bits_per_char"] - o["validation_loss"] / 0.6931471805599453) < 1e-9, o
assert o["status"] == "completed" and o["steps"] == 2000 and o["model_bytes"] > 0, o
assert o["settings"]["lr"] == 0.003 and o["settings"]["unit"] == "line" and o["samples_per_second"] > 0, o
assert len(o["samples"].split("\n")) == 10, o
rows = [json.loads(line) for line in open("r.jsonl")]
assert rows[0]["step"] == 0 and rows[-1]["step"] == 2000 and len(rows) == 21, rows
assert rows[0]["validation_loss"] > 3 and rows[-1]["validation_loss"] == o["validation_loss"], rows
PY
fi
few=(train --text "$names" --steps 100)
"$cli" "${few[@]}" --sample 3 --model-out a.st >a 2>/dev/null || fail "train: exit code $?"
"$cli" "${few[@]}" --sample 3 --model-out b.st >b 2>/dev/null
"$cli" "${few[@]}" --sample 3 --seed 2 --model-out c.st >c 2>/dev/null
[ "$(tail -n 3 a)" = "$(tail -n 3 b)" ] && cmp -s a.st b.st || fail "the same seed gave another model"
[ "$(tail -n 3 a)" != "$(tail -n 3 c)" ] && ! cmp -s a.st c.st || fail "another seed gave the same model"

# The number of threads changes nothing, that of shards little.
gpt=(train --model gpt --text "$names" --steps 12 --context 16 --embed 16 --layers 2 --heads 2 --batch 8 --dropout 0.1 --quiet)
"$cli" "${gpt[@]}" --shards 4 --threads 1 --model-out t1.st || fail "gpt: exit code $?"
"$cli" "${gpt[@]}" --shards 4 --threads 2 --model-out t2.st || fail "gpt --threads 2: exit code $?"
cmp -s t1.st t2.st || fail "gpt: --threads changes the model"
"$cli" "${few[@]}" --shards 2 --accumulate 2 --threads 2 --optimizer sgd --momentum 0.9 --nesterov --lr 0.05 --schedule step --step-every 50 \
  --clip-norm 1 --warmup 10 --dropout 0.1 --activation gelu --dtype f64 --quiet --model-out t3.st || fail "many options: exit code $?"
"$cli" sample --count 1 t1.st >/dev/null && "$cli" sample --count 1 t3.st >/dev/null || fail "sample: models of many options"

"$cli" sample --count 100 m.safetensors >s || fail "sample: exit code $?"
[ "$(wc -l <s)" = 100 ] || fail "sample: not 100 lines"
grep -vqE '^[a-z]*$' s && fail "sample: other than letters: $(grep -vE '^[a-z]*$' s)"
"$cli" sample --count 5 --prompt mar m.safetensors >p && [ "$(grep -c '^mar' p)" = 5 ] || fail "sample: does not begin with the prompt: $(cat p)"
out=$("$cli" sample --prompt 'm7' m.safetensors 2>&1)
[ $? = 2 ] && [[ $out == *"byte 2 of the prompt"* ]] || fail "sample: takes a prompt of other letters: $out"

# eval: on all of the text with nothing held back it is what train says of what is held back.
"$cli" eval --text "$names" m.safetensors >e || fail "eval: exit code $?"
grep -qE '^11739 characters, [12]\.[0-9]{4} nats/char' e || fail "eval: $(cat e)"
"$cli" eval --json --text "$names" m.safetensors >e.json || fail "eval --json: exit code $?"
head -c 3000 "$2/README.md" >running
"$cli" train --text running --unit running --steps 30 --validation 0.5 --batch 16 --json --model-out h.st >h.json || fail "running: exit code $?"
if command -v python3 >/dev/null; then
  python3 - <<'PY' || fail "eval: $(cat e.json)"
import json
o = json.load(open("e.json"))
assert o["chars"] == 11739 and 1 < o["loss"] < 2 and abs(o["bits_per_char"] - o["loss"] / 0.6931471805599453) < 1e-9, o
h, data = json.load(open("h.json")), open("running", "rb").read()
open("tail", "wb").write(data[-h["validation_chars"]:])
open("expected", "w").write("%.9f" % h["validation_loss"])
PY
  "$cli" eval --json --text tail h.st | python3 -c '
import json,sys
assert abs(json.load(sys.stdin)["loss"] - float(open("expected").read())) < 1e-5' || fail "eval of what was held back"
fi

# --patience: it stops, and the best model is what is written.
"$cli" train --text "$names" --steps 3000 --eval-every 100 --patience 2 --lr 0.02 --schedule constant --json --jsonl p.jsonl --model-out p.st >p.json || fail "patience: exit code $?"
if command -v python3 >/dev/null; then
  python3 - <<'PY' || fail "patience: $(cat p.json)"
import json
o = json.load(open("p.json"))
rows = [json.loads(line) for line in open("p.jsonl")]
best = min(rows, key=lambda r: r["validation_loss"])
assert o["status"] == "stopped_early" and o["best_step"] == best["step"] < o["steps"] < 3000, o
assert o["validation_loss"] == best["validation_loss"] and len([r for r in rows if r["step"] > best["step"]]) == 2, o
PY
fi

# Real data: names, and a little of a play.
if [ -n "${CTRAIN_DATA:-}" ] && [ -e "$CTRAIN_DATA/names.txt.xz" ] && command -v python3 >/dev/null; then
  xz -dc "$CTRAIN_DATA/names.txt.xz" >names.txt
  xz -dc "$CTRAIN_DATA/input.txt.xz" >input.txt
  "$cli" train --text names.txt --json >names.json || fail "names: exit code $?"
  "$cli" train --model gpt --text input.txt --steps 100 --json >gpt.json || fail "input: exit code $?"
  python3 - <<'PY' || fail "real data: $(cat names.json gpt.json)"
import json
names, gpt = json.load(open("names.json")), json.load(open("gpt.json"))
assert names["validation_loss"] < 2.15 and names["train_chars"] + names["validation_chars"] == 228146, names
assert gpt["validation_loss"] < 2.7 and gpt["unigram_loss"] > 3.2 and len(gpt["samples"]) > 300, gpt
PY
fi

head -c 5000 /dev/urandom >random
"$cli" train --text random --unit running --steps 20 --sample 1 >out 2>err || fail "random bytes: $(cat err)"
printf 'Die Br\xfccke f\xc3\xbchrt weiter.\n' >umlaut
"$cli" train --text umlaut --unit running --validation 0 --batch 8 --steps 20 --sample 1 >out 2>err ||
  fail "bytes beyond 127: $(cat err)"

# SIGINT: exit code 130, and the model and the object are there.
"$cli" train --text "$names" --steps 100000000 --json --model-out i.safetensors >i.json 2>err &
pid=$!
sleep 2
kill -INT $pid
wait $pid
code=$?
[ $code = 130 ] || fail "SIGINT: exit code $code"
grep -q '"status":"interrupted"' i.json || fail "SIGINT: $(head -c 300 i.json)"
"$cli" sample --count 1 i.safetensors >/dev/null || fail "SIGINT: no usable model"

# Divergence: exit code 3, the reports say so, no model is written.
"$cli" train --text "$names" --steps 300 --optimizer sgd --lr 1e6 --json --report d.html --model-out d.safetensors --checkpoint d.ckpt >d.json 2>err
[ $? = 3 ] && grep -q '"status":"diverged"' d.json && grep -q "smaller --lr" err || fail "divergence: $(cat err d.json)"
[ -s d.html ] && [ ! -e d.safetensors ] && [ ! -e d.ckpt ] || fail "divergence: the files"

if [ -c /dev/full ]; then
  "$cli" train --text "$names" --steps 20 --jsonl /dev/full --model-out f.safetensors >out 2>err
  [ $? = 1 ] && [ ! -s out ] && grep -qF "/dev/full: No space left" err || fail "--jsonl /dev/full: $(cat out err)"
  [ -s f.safetensors ] || fail "--jsonl /dev/full: no model"
fi

: >empty
printf 'abc' >short
printf '\n\n' >blank
bad "--text FILE or --data FILE is missing" train
bad "nowhere" train --text nowhere
bad "empty: there is no text" train --text empty
bad "blank: there is no text" train --text blank
bad "3 characters to train on, not more than --context 8" train --text short --unit running --validation 0
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
bad "--text and --data exclude each other" train --text "$names" --data "$names"
# options without effect
bad "--heads has no effect with --model mlp --text" train --text "$names" --heads 2
bad "--hidden has no effect with --model gpt" train --model gpt --text "$names" --hidden 2
bad "--image has no effect" train --model gpt --text "$names" --image 1x8x8
bad "--epochs has no effect" train --text "$names" --epochs 2
bad "--momentum has no effect without --optimizer sgd" train --text "$names" --momentum 0.9
bad "--nesterov has no effect without --optimizer sgd and --momentum" train --text "$names" --optimizer sgd --nesterov
bad "--beta1 has no effect without --optimizer adam or adamw" train --text "$names" --optimizer sgd --beta1 0.5
bad "--step-factor has no effect without --schedule step" train --text "$names" --step-factor 0.5
bad "--floor has no effect without a --schedule that falls" train --text "$names" --schedule constant --floor 0.001
bad "--floor 1 is above --lr" train --text "$names" --floor 1
bad "--patience has no effect without --validation" train --text "$names" --patience 2 --validation 0
bad "--checkpoint-every has no effect without --checkpoint" train --text "$names" --checkpoint-every 2
bad "--threads has no effect without --shards" train --text "$names" --threads 2
bad "--batch 64 is not a multiple of --shards 3 times --accumulate 1" train --text "$names" --shards 3
bad "heads" train --model gpt --text "$names" --embed 10 --heads 3
bad "the same file" train --text "$names" --checkpoint x --model-out x
bad "nowhere" sample nowhere
bad "not a safetensors file" sample "$names"
head -c 1000 m.safetensors >cut.safetensors
bad "cut.safetensors" sample cut.safetensors
bad "--count" sample --count 0 m.safetensors
bad "is a model of characters: it needs --text FILE" eval m.safetensors
bad "it needs --text FILE alone" eval --data "$names" m.safetensors
bad "nowhere" eval --text nowhere m.safetensors
bad "empty: there is no text" eval --text empty m.safetensors
bad "umlaut: byte 0 is 0x44, which the model has never seen" eval --text umlaut m.safetensors
# refused before the training begins
bad "no/such/folder/m" train --text "$names" --steps 100000000 --model-out no/such/folder/m
bad "no/such/folder/r" train --text "$names" --steps 100000000 --report no/such/folder/r
bad "no/such/folder/c" train --text "$names" --steps 100000000 --checkpoint no/such/folder/c
"$cli" train --text "$names" --steps 1 --quiet >out 2>err || fail "--quiet: exit code $?"
[ ! -s out ] && [ ! -s err ] || fail "--quiet: wrote something"

finish
