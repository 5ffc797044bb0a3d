#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# burtorch-cli train --data and eval: classes and numbers, LIBSVM and CSV, linear, mlp and cnn; what is learnt, and bad input.
program=burtorch-cli
. "$2/tests/support/cli.sh"

bad() { refused 2 "$@"; }

# 400 rows: class by the sign of a sum of two of three features, in both formats; a number that is linear in them; and 4 by 4 images, dark or
# light in the upper half.
awk 'BEGIN {
  srand(7)
  print "a,b,c,kind" >"classes.csv"
  print "price,a,b,c" >"numbers.csv"
  for (i = 0; i < 400; i++) {
    a = rand() - 0.5; b = 100 * rand(); c = rand()
    kind = a + (b - 50) / 100 > 0 ? 7 : 3
    printf "%.4f, %.4f, %.4f, %d\n", a, b, c, kind >"classes.csv"
    printf "%d 1:%.4f 2:%.4f 3:%.4f\n", kind, a, (b - 50) / 100, c >"classes.libsvm"
    printf "%.4f,%.4f,%.4f,%.4f\n", 1e5 + 3e4 * a - 200 * b, a, b, c >"numbers.csv"
    up = i % 2
    printf "%d", up >"images.libsvm"
    for (k = 1; k <= 16; k++)
      printf " %d:%.2f", k, rand() + (up == (k <= 8)) >"images.libsvm"
    print "" >"images.libsvm"
  }
}'

"$cli" train --model linear --data classes.csv --json --report r.html --jsonl r.jsonl --model-out c.st >c.json 2>err || fail "linear: $(cat err)"
grep -q '<svg' r.html && grep -q 'accuracy' r.html || fail "linear: no curves"
"$cli" train --model mlp --data classes.libsvm --json --model-out l.st >l.json 2>err || fail "mlp: $(cat err)"
"$cli" train --model mlp --data numbers.csv --label price --epochs 60 --json --model-out n.st >n.json 2>err || fail "numbers: $(cat err)"
"$cli" train --model cnn --data images.libsvm --image 1x4x4 --channels 4 --json --model-out i.st >i.json 2>err || fail "cnn: $(cat err)"
if command -v python3 >/dev/null; then
  python3 - <<'PY' || fail "training of rows"
import json
c, l, n, i = (json.load(open(name + ".json")) for name in "clni")
for o in (c, l, i):
    assert o["target"] == "class" and o["classes"] == 2 and o["status"] == "completed", o
    assert o["validation_accuracy"] > 0.94 > o["baseline_accuracy"] and o["validation_loss"] < o["baseline_loss"] / 2, o
    assert o["train_rows"] == 360 and o["validation_rows"] == 40 and 2000 <= o["steps"] < 2005, o
assert c["settings"]["standardize"] == "yes" and l["settings"]["standardize"] == "no" and c["features"] == 3, o
assert n["target"] == "real" and n["validation_loss"] < 0.02 and 0.7 < n["baseline_loss"] < 1.5, n
assert n["validation_rmse"] < 1500 and n["classes"] == 0, n
rows = [json.loads(line) for line in open("r.jsonl")]
assert rows[-1]["validation_accuracy"] == c["validation_accuracy"] and rows[0]["step"] == 0, rows
PY
fi

# eval: the file it was trained on; labels in any order of the rows, labels it does not know.
"$cli" eval --data classes.csv c.st >e || fail "eval: exit code $?"
grep -qE '^Accuracy = 9[5-9]|^Accuracy = 100' e && grep -q '(3[89][0-9]/400)\|(400/400)' e || fail "eval: $(cat e)"
grep -v ' 3$' classes.csv >sevens.csv
"$cli" eval --data sevens.csv c.st >e && grep -qE '^Accuracy = (9|100)' e || fail "eval of one class: $(cat e)"
sed 's/ 3$/ 4/' classes.csv >unknown.csv
"$cli" eval --json --data unknown.csv c.st >u.json || fail "eval: exit code $?"
"$cli" eval --data numbers.csv n.st >e && grep -qE '^RMSE = [0-9]{2,3}(\.[0-9]*)? \(400 rows\)$' e || fail "eval of numbers: $(cat e)"
"$cli" eval --data images.libsvm i.st >e && grep -qE '^Accuracy = (9|100)' e || fail "eval of images: $(cat e)"
if command -v python3 >/dev/null; then
  python3 - <<'PY' || fail "eval --json: $(cat u.json)"
import json
o = json.load(open("u.json"))
threes = sum(line.endswith(" 3\n") for line in open("classes.csv"))
assert o["unknown_labels"] == threes > 100 and o["rows"] == 400 and o["correct"] > 0.9 * (400 - threes), o
assert o["accuracy"] == o["correct"] / 400 and o["loss"] < 0.2, o
PY
fi
"$cli" info i.st >e && grep -q '^image = 1x4x4$' e && grep -qE '^conv1.weight +F32 +\(4, 1, 3, 3\)' e || fail "info: $(cat e)"

# Nothing but --shards changes the model; several threads, f64, --target, --label first.
small=(train --model mlp --data classes.csv --epochs 3 --layers 2 --dropout 0.2 --quiet)
"$cli" "${small[@]}" --shards 4 --model-out t1.st && "$cli" "${small[@]}" --shards 4 --threads 2 --model-out t2.st || fail "threads: exit code $?"
cmp -s t1.st t2.st || fail "--threads changes the model"
same=(train --model mlp --data classes.csv --epochs 3 --dtype f64 --json)
"$cli" "${same[@]}" >s1.json && "$cli" "${same[@]}" --shards 4 --accumulate 2 --threads 2 >s2.json || fail "shards: exit code $?"
if command -v python3 >/dev/null; then
  python3 - <<'PY' || fail "parts of a batch are not the batch: $(cat s1.json s2.json)"
import json
a, b = (json.load(open(name)) for name in ("s1.json", "s2.json"))
assert all(abs(a[key] - b[key]) < 1e-8 for key in ("train_loss", "validation_loss")), (a, b)
PY
fi
"$cli" train --model linear --data classes.csv --target real --dtype f64 --standardize no --steps 20 --optimizer sgd --lr 1e-5 --json >real.json &&
  grep -q '"target":"real"' real.json && grep -q '"steps":20' real.json || fail "--target real: $(cat real.json)"
"$cli" train --model linear --data numbers.csv --label first --epochs 2 --validation 0 --quiet || fail "--label first"

printf '1 1:2\n-1 1:x\n' >broken.libsvm
printf 'a,b\n1,2\n3\n' >broken.csv
printf '1 1:2\n1 1:3\n' >one.libsvm
printf '1,2,3\n4,5,7\n' >narrow.csv
bad "--model linear needs --data FILE" train --model linear
bad "--model cnn needs --data FILE" train --model cnn --text classes.csv
bad "--model gpt needs --text FILE" train --model gpt --data classes.csv
bad "needs --image CxHxW" train --model cnn --data images.libsvm
bad "'4x4' is not CxHxW" train --model cnn --data images.libsvm --image 4x4
bad "1x3x4 is smaller than 4 by 4" train --model cnn --data images.libsvm --image 1x3x4
bad "1x4x5 are 20 numbers, but a row has 16" train --model cnn --data images.libsvm --image 1x4x5
bad "nowhere" train --model linear --data nowhere
bad "broken.libsvm:2:" train --model linear --data broken.libsvm
bad "broken.csv:3:" train --model linear --data broken.csv
bad "all rows have the label 1" train --model linear --data one.libsvm --batch 1 --validation 0
bad "rows to train on, fewer than --batch 64" train --model linear --data one.libsvm --batch 64
head -20 classes.csv >few.csv
"$cli" train --model linear --data few.csv --steps 20 --json | grep -q '"batch":18' || fail "--batch of few rows"
bad "nosuch" train --model linear --data numbers.csv --label nosuch
bad "--label has no effect on a LIBSVM file" train --model linear --data classes.libsvm --label a
bad "--dims has no effect on a CSV file" train --model linear --data classes.csv --dims 9
bad "classes.libsvm:1:" train --model linear --data classes.libsvm --dims 2
bad "--format" train --model linear --data classes.csv --format xml
bad "--context has no effect with --model linear" train --model linear --data classes.csv --context 3
bad "--hidden has no effect with --model linear" train --model linear --data classes.csv --hidden 3
bad "--unit has no effect with --model mlp --data" train --data classes.csv --unit line
bad "--steps and --epochs exclude each other" train --data classes.csv --steps 3 --epochs 3
bad "is a model of rows: it needs --data FILE" eval --text classes.csv c.st
bad "2 features, but the model has 3" eval --data narrow.csv c.st
bad "images.libsvm:1:" eval --data images.libsvm --format libsvm l.st
bad "numbers.csv" eval --data numbers.csv --label nosuch n.st
head -c 200 c.st >cut.st
bad "cut.st" eval --data classes.csv cut.st
LC_ALL=C sed 's/"features":"3"/"features":"9"/' c.st >wrong.st
bad "wrong.st: the arrays are not of the sizes in the metadata" eval --data classes.csv wrong.st
LC_ALL=C sed 's/"classes":"3 7"/"classes":"3,7"/' c.st >wrong.st
bad "wrong.st: the metadata 'classes' is malformed" eval --data classes.csv wrong.st
LC_ALL=C sed 's/"activation":"relu"/"activation":"relx"/' l.st >wrong.st
bad "wrong.st: the metadata 'activation' is missing or unknown" eval --data classes.libsvm wrong.st
LC_ALL=C sed 's/rows-linear/rows-linexr/' c.st >wrong.st
bad "wrong.st" eval --data classes.csv wrong.st

# Real data.
if [ -n "${CTRAIN_DATA:-}" ] && [ -e "$CTRAIN_DATA/a9a.xz" ]; then
  xz -dc "$CTRAIN_DATA/a9a.xz" >a9a
  xz -dc "$CTRAIN_DATA/a9a.t.xz" >a9a.t
  "$cli" train --model linear --data a9a --dims 123 --epochs 5 --quiet --model-out a9a.st || fail "a9a: exit code $?"
  "$cli" eval --data a9a.t a9a.st >e && grep -qE '^Accuracy = 8[45]' e || fail "a9a: $(cat e)"
fi

finish
