#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# ufednl-cli stats, split, convert, generate and predict: what they print and write, and bad input.
program=ufednl-cli
. "$2/tests/support/cli.sh"

code 0 generate --quiet --rows 2000 --features 50 --nnz 5 --positive 0.3 --seed 5 data
printf '2 1:0.5 4:1\n1 2:1\n3 1:0.5 4:1\n1\n2 3:-0.25\n' >three

# ---- convert ----
code 0 convert data data.ctd
has out "data.ctd: binary, 2000 rows, 50 features"
[ "$(wc -c <data.ctd)" -lt $(($(wc -c <data) / 2)) ] || fail "the binary format is not small: $(ls -l data data.ctd)"
code 0 convert data.ctd back
has out "back: text"
cmp -s data back || fail "text, binary, text: not the same"
code 0 convert --quiet --to text data again
[ ! -s out ] || fail "--quiet printed"
cmp -s data again || fail "text to text: not the same"
code 0 convert --dims 70 data wide.ctd
has out "70 features"
code 0 stats --json wide.ctd # text would have forgotten them
json out 'o["features"] == 70 and o["used_features"] == 50'
code 0 generate --quiet --rows 2000 --features 50 --nnz 5 --positive 0.3 --seed 5 --to binary generated.ctd
cmp -s data.ctd generated.ctd || fail "generate --to binary is not convert of generate"
code 0 convert --to binary /dev/stdin piped.ctd <data
cmp -s data.ctd piped.ctd || fail "a pipe is not converted"
code 0 train --quiet --clients 3 data text.model
code 0 train --quiet --clients 3 data.ctd binary.model
cmp -s text.model binary.model || fail "the formats do not train to the same bits"

head -c 500 data.ctd >short.ctd
{ head -c 300 data.ctd && printf x && tail -c +302 data.ctd; } >damaged.ctd
printf '+1 1:1\n-1 2:x\n' >malformed
rm -f out err
refused 2 "short.ctd: damaged: its length is not what its header says" convert short.ctd x
refused 2 "damaged.ctd: damaged: its checksum is wrong" convert damaged.ctd x
refused 2 "damaged.ctd: damaged" stats damaged.ctd
refused 2 "damaged.ctd: damaged" train damaged.ctd x
refused 2 "malformed:2: value 'x' of feature 2" convert malformed x
refused 2 "no_such_file" convert no_such_file x
refused 2 "/no/such/folder/x" convert data /no/such/folder/x
refused 2 "--to" convert --to csv data x
refused 2 "OUT" convert data
refused 2 "--form" convert --form text data x

# ---- split ----
code 0 split --clients 12 data
ls data.00 data.11 >/dev/null || fail "names: $(ls)"
[ "$(ls data.?? | wc -l)" = 12 ] || fail "not 12 files: $(ls)"
[ "$(wc -l <out)" = 14 ] || fail "not a line a client and two more: $(cat out)"
has out "data.07"
sort data.?? | cmp -s - <(sort data) || fail "the parts are not the whole"
for i in 00 06 11; do
  rows=$(wc -l <data.$i)
  [ "$rows" = 166 ] || [ "$rows" = 167 ] || fail "data.$i has $rows rows"
done
mkdir parts
code 0 split --clients 12 --out parts/p --quiet data
[ ! -s out ] || fail "--quiet printed"
for i in 00 05 11; do cmp -s data.$i parts/p.$i || fail "the same seed dealt other rows to client $i"; done
code 0 split --clients 12 --seed 2 --out parts/q --quiet data
cmp -s data.00 parts/q.00 && fail "another seed dealt the same rows"
code 0 split --sizes 100,1500,400 --no-shuffle --out parts/r data
cat parts/r.0 parts/r.1 parts/r.2 | cmp -s - data || fail "--no-shuffle does not keep the order"
[ "$(wc -l <parts/r.1)" = 1500 ] || fail "--sizes: $(wc -l parts/r.*)"
code 0 split --clients 5 --label-skew 0.05 --out parts/s data
has out "label -1"
sort parts/s.? | cmp -s - <(sort data) || fail "skewed parts are not the whole"
awk '/parts\/s/ && ($3 > 95 || $5 > 95) {n++} END {exit !(n >= 3)}' out || fail "--label-skew 0.05 is not skewed: $(cat out)"
code 0 split --clients 2 --to binary --out parts/b --dims 60 data
code 0 stats --json parts/b.0
json out 'o["features"] == 60 and o["rows"] == 1000'
code 0 split --clients 2 --positive-label 3 --out parts/t three
[ "$(cut -d' ' -f1 parts/t.? | sort | tr '\n' ' ')" = "-1 -1 -1 -1 1 " ] || fail "--positive-label: $(cat parts/t.?)"

rm -rf out err parts data.??
refused 2 "--clients or --sizes is missing" split data
refused 2 "2001 clients for 2000 rows" split --clients 2001 data
refused 2 "--clients" split --clients 0 data
refused 2 "add up to 1999 rows" split --sizes 1000,999 data
refused 2 "--sizes: 2 sizes for 3 clients" split --clients 3 --sizes 1000,1000 data
refused 2 "--sizes" split --sizes 1000,x data
refused 2 "exclude each other" split --sizes 1000,1000 --label-skew 1 data
refused 2 "--label-skew" split --clients 2 --label-skew 0 data
refused 2 "malformed:2:" split --clients 2 malformed
refused 2 "no row has the label 7" split --clients 2 --positive-label 7 three
refused 2 "/no/such/folder/p" split --clients 2 --out /no/such/folder/p data

# one of the files cannot take its place: none of the others is left under its first name
mkdir -p taken/p.3/x
code 2 split --clients 5 --out taken/p data
has err "taken/p.3"
[ -z "$(find taken -name '*unfinished*')" ] || fail "unfinished files: $(ls taken)"
rm -rf taken out err

# ---- stats ----
code 0 stats data
has out "2000 rows, 50 features"
has out "values       all 1"
has out "condition number"
code 0 stats --json --clients 4 --lambda 0.01 --no-intercept data
json out 'o["rows"] == 2000 and o["dimension"] == 50 and o["clients"] == 4 and o["value_min"] == o["value_max"] == 1'
json out 'o["label:1"] + o["label:-1"] == 2000 and o["label:1"] == 600 and 0 < o["distinct_rows"] <= o["merged_rows"] <= 2000'
json out 'abs(o["nonzeros"] - 10000) < 500 and abs(o["density"] - o["nonzeros"] / 1e5) < 1e-12 and o["mu"] == 0.01'
json out 'abs(o["condition_number"] - o["L"] / 0.01) < 1e-9 and 0.1 < o["L"] < 5 and 0 < o["pattern_share"] <= 1'
json out 'o["pattern_mean"] * 4 == o["pattern"] and o["solver_memory_bytes"] > 100000'
cp out serial
code 0 stats --json --clients 4 --lambda 0.01 --no-intercept --threads 3 data
json out '{k: v for k, v in o.items() if k not in ("settings", "seconds_read")} == {k: v for k, v in json.load(open("serial")).items() if k not in ("settings", "seconds_read")}'
code 0 stats --clients 4 --label-skew 0.5 --report s.html --csv s.csv --jsonl s.jsonl data
has out "s.html"
has s.html "<svg"
[ "$(wc -l <s.csv)" = 5 ] && [ "$(wc -l <s.jsonl)" = 4 ] || fail "not a row a client: $(cat s.csv)"
has s.csv "client,rows,distinct_rows,active,pattern,share:-1,share:1"
[ "$(awk -F, 'NR > 1 {n += $2} END {print n}' s.csv)" = 2000 ] || fail "rows of the clients: $(cat s.csv)"
code 0 stats --json three
json out 'o["label:1"] == 2 and o["label:2"] == 2 and o["label:3"] == 1 and o["distinct_rows"] == 4 and o["value_min"] == -0.25'
for i in $(seq 15 -1 1); do echo "$i.5 1:$i"; done >measurements # the ten smallest labels are shown
code 0 stats --json measurements
json out 'o["label:1.5"] == 1 and o["label:10.5"] == 1 and o["label:others"] == 5 and "label:11.5" not in o'
code 0 split --clients 3 --no-shuffle measurements
has out "others"
has out "100.0 %"
rm -f measurements.?
code 0 stats --lambda 0 three
has out "condition number L/mu = inf"
printf '1 3000000:1\n2 1:1\n' >very_wide # what no Hessian fits
code 0 stats very_wide
has out "d = 3000001 is too large"

rm -f out err
refused 2 "no_such_file" stats no_such_file
refused 2 "malformed:2:" stats malformed
refused 2 "6 clients for 5 rows" stats --clients 6 three
refused 2 "--lambda" stats --lambda -1 three
refused 2 "/no/such/folder/x" stats --report /no/such/folder/x three
refused 2 "--rounds" stats --rounds 3 three
refused 2 "FILE" stats

# ---- predict ----
code 0 predict --probabilities data text.model probabilities
has out "AUC = 0."
[ "$(head -1 probabilities)" = "labels 1 -1" ] || fail "header: $(head -1 probabilities)"
[ "$(wc -l <probabilities)" = 2001 ] || fail "not a line a row"
awk 'NR > 1 && (NF != 3 || $2 + $3 < 0.999999 || $2 + $3 > 1.000001 || ($2 > 0.5) != ($1 == 1)) {exit 1}' probabilities ||
  fail "probabilities: $(head -3 probabilities)"
code 0 predict data.ctd text.model labels
[ "$(tail -n +2 probabilities | cut -d' ' -f1 | cmp - labels)" = "" ] || fail "labels differ from those with probabilities"
code 0 predict --json data text.model
json out '0.5 < o["auc"] < 1 and o["unknown_labels"] == 0'
if command -v liblinear-predict >/dev/null; then
  liblinear-predict -b 1 data text.model theirs >/dev/null || fail "liblinear-predict -b 1 does not read our model"
  paste -d' ' probabilities theirs | awk 'NR == 1 {if ($0 != "labels 1 -1 labels 1 -1") exit 1; next}
    $1 != $4 || ($2 - $5)^2 > 1e-10 || ($3 - $6)^2 > 1e-10 {exit 1}' || fail "not liblinear-predict's probabilities"
fi
code 0 train --quiet --positive-label 2 three three.model
code 0 predict --json --positive-label 2 three three.model
json out 'o["rows"] == 5 and o["unknown_labels"] == 0'
code 0 predict --json three three.model # labels 1 and -1 of the model; 2 and 3 are not known to it
json out 'o["unknown_labels"] == 3 and o["auc"] is None'
printf '1 1:1\n-1 2:1\n' >narrow # fewer features than the model
code 0 predict narrow text.model labels
[ "$(wc -l <labels)" = 2 ] || fail "rows with fewer features"

rm -f out err
refused 2 "--probabilities: there is no OUTPUT" predict --probabilities data text.model
refused 2 "damaged.ctd: damaged" predict damaged.ctd text.model
refused 2 "malformed:2:" predict malformed text.model
refused 2 "no row has the label 9" predict --positive-label 9 data text.model
refused 2 "--probability" predict --probability data text.model x

finish
