#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# permk-train local: the iterates of simulate over real sockets, for every method and problem; keys that are agreed upon, signed messages; a client
# that is killed; checkpoints; rows of one's own; what a capture shows with the key and without.
program=permk-train
. "$2/tests/support/cli.sh"
trap 'kill $(jobs -p) 2>/dev/null; wait 2>/dev/null; rm -rf "$work" "$work".*' EXIT
mkdir tmp && export TMPDIR=$work/tmp

# rows NAME SEED: 200 rows of 20 features, two of them in each row.
rows() {
  awk -v seed="$2" 'BEGIN { srand(seed); for (i = 0; i < 200; i++) { a = 1 + int(10 * rand()); b = 11 + int(10 * rand());
    print ((a + rand() * 6 > 8) ? "+1" : "-1"), a ":1", b ":" int(100 * rand()) / 100 } }' >"$1"
}
rows data 1
field() { grep -o "\"$2\":[^,}]*" "$1" | head -1; }
# same NAME OPTION…: local ends like simulate, bit for bit, and leaves nothing behind.
same() {
  local name=$1
  shift
  "$cli" simulate --json --clients 3 --tol 0 "$@" >sim.out 2>sim.err || fail "$name: simulate: $(cat sim.err)"
  # shellcheck disable=SC2086
  "$cli" local --json --clients 3 --tol 0 "$@" $extra >local.out 2>local.err || fail "$name: local: $(cat local.err)"
  for key in x_sha256 rounds client_bytes_up client_bytes_down client_bytes_up_per_round; do
    [ -n "$(field sim.out $key)" ] || fail "$name: no $key"
    [ "$(field sim.out $key)" = "$(field local.out $key)" ] || fail "$name: $(field sim.out $key) here, $(field local.out $key) there"
  done
  [ -z "$(ls tmp)" ] || fail "$name: left behind: $(ls tmp)"
}

# ---- the same bits as in one process ----
extra=
quadratic=(--dim 40 --max-rounds 12)
for options in "--method gd" "--rule permutation" "--rule lines" "--compressor randk" "--compressor topk" "--compressor natural" "--compressor identity" \
  "--method diana" "--method diana --compressor randk" "--method diana --compressor natural" "--method marina" "--method marina --compressor natural" \
  "--method ef21" "--method ef21 --compressor topk --k 7" "--value f32" "--value bf16" "--cipher aes-256-gcm" "--key-rounds 3" \
  "--schedule harmonic --step-half 5"; do
  # shellcheck disable=SC2086
  same "$options" "${quadratic[@]}" $options
  [ ! -s local.err ] || fail "$options: $(cat local.err)"
done
same "chunks" --dim 500 --max-rounds 4 --method gd --chunk 1
for extra in "--agree" "--signed" "--signed --agree"; do # the iterates are those without, the messages are longer
  "$cli" simulate --json --clients 3 --tol 0 "${quadratic[@]}" >sim.out || fail "simulate"
  # shellcheck disable=SC2086
  "$cli" local --json --clients 3 --tol 0 "${quadratic[@]}" $extra >local.out 2>local.err || fail "$extra: $(cat local.err)"
  [ "$(field sim.out x_sha256)" = "$(field local.out x_sha256)" ] || fail "$extra: other iterates"
  [ -z "$(ls tmp)" ] || fail "$extra: left behind: $(ls tmp)"
done
extra=
for options in "" "--method diana" "--method marina" "--method ef21 --label-skew 0.5" "--batch 8 --step 0.3" "--regulariser nonconvex --no-intercept --no-shuffle" \
  "--problem mlp --step 0.3 --hidden 4" "--problem mlp --step 0.3 --batch 5 --method diana"; do
  # shellcheck disable=SC2086
  same "rows $options" --data data --max-rounds 12 $options
  grep -q '"client_bytes_up_evaluations":0,' local.out && fail "rows $options: f was not evaluated by all"
done
same "text" --problem gpt --data data --step 0.3 --batch 2 --embed 8 --heads 2 --layers 1 --context 8 --max-rounds 4

# the unsafe ones say so, once, and no file is left open in the clear
"$cli" local --clients 2 --dim 20 --tol 0 --max-rounds 3 --cipher none --quiet >out 2>err || fail "cipher none"
[ "$(grep -c 'warning: cipher none' err)" = 1 ] || fail "cipher none: $(cat err)"
[ "$(wc -l <err)" = 1 ] || fail "cipher none: more than a warning: $(cat err)"

# outputs are client 0's
"$cli" local --clients 3 --dim 40 --tol 1e-4 --model-out m --report r.html --jsonl r.jsonl --csv r.csv >out 2>err || fail "outputs: $(cat err)"
has out "converged after"
[ "$(wc -l <m)" = 42 ] || fail "model length"
grep -q '<svg' r.html || fail "no plot in the report"
has r.csv client_bytes_up_evaluations
has r.csv clients_present
command -v python3 >/dev/null && python3 -c 'import json
rows = [json.loads(l) for l in open("r.jsonl")]
assert rows[0]["round"] == 0 and rows[-1]["grad_norm_squared"] < 1e-4 and rows[-1]["clients_present"] == 3' || fail "jsonl"
code 3 local --clients 3 --dim 40 --step 1 --max-rounds 500 --model-out diverged
has out diverged
[ ! -e diverged ] || fail "a diverged model was written"
[ -z "$(ls tmp)" ] || fail "left behind: $(ls tmp)"

# ---- a client that is killed ----
# slow NAME OPTION…: a run that does not end in the background; its process is in $local.
slow() {
  local name=$1
  shift
  "$cli" local --clients 4 --dim 60 --tol 0 --max-rounds 100000000 --json "$@" >"$name.out" 2>"$name.err" &
  local=$!
}
# victim ID: the process of that client.
victim() {
  local pid
  for _ in $(seq 200); do
    for pid in $(cat "/proc/$local/task/$local/children" 2>/dev/null); do
      tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -q -- "client --quiet --id=$1 " && echo "$pid" && return
    done
    sleep 0.02
  done
}
ends() {
  wait "$2"
  local got=$?
  [ $got = "$3" ] || fail "$1: exit code $got, expected $3: $(cat "$1.err")"
  [ -z "$(ls tmp)" ] || fail "$1: left behind: $(ls tmp)"
}
if [ -e /proc/self/task/$$/children ] || [ -e "/proc/$$/task/$$/children" ]; then
  slow killed
  kill_this=$(victim 2)
  sleep 0.3
  kill -9 "$kill_this"
  ends killed $local 1
  has killed.err "client 2 was ended by signal 9"
  has killed.err "client 2 is gone"

  slow going --min-clients 3
  kill_this=$(victim 2)
  sleep 0.3
  kill -9 "$kill_this"
  sleep 0.3
  kill -INT $local
  ends going $local 130
  has going.err "client 2 is lost"
  has going.err "client 2 was ended by signal 9"
  json going.out 'o["absences"] > 0 and o["rounds"] > 10'

  slow fewer --min-clients 4 # all of them: the first that is lost ends the run
  kill_this=$(victim 1)
  sleep 0.3
  kill -9 "$kill_this"
  ends fewer $local 1
  has fewer.err "client 1"
fi
slow stopped
sleep 0.5
kill -TERM $local
ends stopped $local 143
json stopped.out 'o["status"] == "interrupted"'

# ---- checkpoints: under new keys, to the same bits ----
common=(--clients 3 --dim 40 --tol 0 --method diana --json)
"$cli" simulate "${common[@]}" --max-rounds 50 >whole.out || fail "whole"
for command in simulate local; do
  "$cli" $command "${common[@]}" --max-rounds 30 --checkpoint ck-$command --checkpoint-every 20 >first.out 2>err || fail "$command: $(cat err)"
  "$cli" $command "${common[@]}" --max-rounds 50 --resume ck-$command >second.out 2>err || fail "$command: resume: $(cat err)"
  [ "$(field whole.out x_sha256)" = "$(field second.out x_sha256)" ] || fail "$command: a resumed run has other iterates"
  [ "$(field first.out session)" != "$(field second.out session)" ] || fail "$command: a resumed run has the old session"
done
[ -e ck-local.client-2 ] || fail "no checkpoint of client 2"
refused 2 seed local "${common[@]}" --max-rounds 50 --resume ck-local --seed 7
refused 2 missing local "${common[@]}" --resume missing
head -c 100 ck-local.client-0 >short.client-0
refused 2 short.client-0 local "${common[@]}" --resume short

# ---- what a server sees ----
"$cli" keygen --quiet k && "$cli" keygen --quiet other
"$cli" local --clients 3 --dim 40 --tol 0 --max-rounds 30 --key k --capture seen --json >out 2>err || fail "capture: $(cat err)"
secret=$(sed -n 's/^key //p' k)
! grep -q "$secret" out err seen ck-* || fail "the key is in an output"
code 0 inspect seen
has out "opened        0 of 91 chunks"
has out "as of random bytes"
has out "method=dcgd"
code 0 inspect --key k seen
has out "opened        91 of 91 chunks, 30 rounds"
has out "sent in round 0: "
code 1 inspect --key other seen
has out "opened        0 of 91 chunks"
has err "failed to verify"
code 0 inspect --key k --json seen
json out 'o["verified"] == o["chunks"] == 91 and o["client_2:blocks"] == 30 and o["with_key"] and o["client_0:smallest_block_bytes"] == o["client_2:largest_block_bytes"]'
# one byte is altered in the file
size=$(stat -c %s seen)
cp seen altered
at=$((size / 2))
printf "\\x$(printf %02x $(($(od -An -tu1 -j$at -N1 seen) ^ 1)))" >byte
dd if=byte of=altered bs=1 seek=$at conv=notrunc 2>/dev/null
code 1 inspect --key k altered
has err "altered"
head -c $((size - 5)) seen >cut
code 2 inspect cut
has err "cut: frame"
refused 2 "not a capture" inspect data
refused 2 missing inspect missing

"$cli" local --clients 3 --dim 40 --tol 0 --max-rounds 5 --agree --capture seen >out 2>err || fail "capture: $(cat err)"
code 0 inspect seen
has out "nobody has it any more"
"$cli" local --clients 3 --data data --tol 0 --max-rounds 5 --method marina --key k --key-rounds 2 --capture seen >out 2>err || fail "capture: $(cat err)"
code 0 inspect --key k --json seen
json out 'o["verified"] == o["chunks"] and o["epochs"] >= 2 and o["client_1:measures"] == 6'
"$cli" local --clients 2 --dim 4000 --method gd --chunk 4 --tol 0 --max-rounds 3 --cipher none --capture seen >out 2>err || fail "capture: $(cat err)"
code 0 inspect --json seen
json out 'o["verified"] == o["chunks"] and o["bytes_look"].startswith("NOT")'

# ---- identities, rosters, and rows of one's own, by hand ----
for i in 0 1 2; do "$cli" identity id$i --name "member $i"; done >roster
for i in 0 1 2; do rows own$i $((i + 2)); done
# together NAME OPTION…: a server and three clients; client i has own$i and id$i.
together() {
  local name=$1 pids=()
  shift
  rm -f port
  "$cli" server --clients 3 --port-file port --capture seen --quiet 2>server.err &
  server=$!
  for _ in $(seq 200); do [ -s port ] && break; sleep 0.02; done
  for i in 2 1 0; do
    "$cli" client --id $i --port "$(cat port)" --identity id$i --roster roster --data own$i --dim 20 --step 0.5 --json "$@" >"$name$i.out" 2>"$name$i.err" &
    pids+=($!)
  done
  codes=
  for pid in "${pids[@]}"; do wait "$pid"; codes+="$? "; done
  wait $server
}
together own --tol 1e-6 --method gd
[ "$codes" = "0 0 0 " ] || fail "rows of their own: $codes: $(cat own0.err)"
for i in 1 2; do [ "$(field own$i.out x_sha256)" = "$(field own0.out x_sha256)" ] || fail "client $i has other iterates"; done
json own0.out 'o["status"] == "converged" and o["clients_in_all"] == 3 and o["client_bytes_up_evaluations"] > 0'
together signed --tol 0 --max-rounds 4 --signed --key k
[ "$codes" = "0 0 0 " ] || fail "signed: $codes: $(cat signed0.err)"
code 0 inspect --key k --roster roster --json seen
json out 'o["verified"] == o["chunks"] > 0'
code 0 inspect seen
has out "opened        0 of"
code 1 inspect --key k seen
has err "roster"
sed '2s/^./z/' roster >broken
refused 2 "broken:2" client --id 0 --port 1 --identity id0 --roster broken --dim 20
sed -n '1p;3p;2p' roster >swapped
rm -f port
"$cli" server --clients 1 --port-file port --quiet 2>/dev/null &
server=$!
for _ in $(seq 200); do [ -s port ] && break; sleep 0.02; done
refused 2 "1 clients" client --id 0 --port "$(cat port)" --identity id0 --roster roster --dim 20
wait $server

# ---- what is refused ----
refused 2 "--agree" local --key k --agree
refused 2 "--min-clients" local --clients 3 --min-clients 4
refused 2 "--signed needs" client --id 0 --port 1 --key k --signed
refused 2 "--key is missing" client --id 0 --port 1
refused 2 "--identity has no effect without --roster" client --id 0 --port 1 --identity id0
refused 2 "--shuffle has no effect without --clients" client --id 0 --port 1 --key k --data own0 --shuffle
refused 2 "--clients is missing" client --id 0 --port 1 --key k --data own0 --problem mlp
refused 2 "missing" local --data missing
refused 2 "unbiased" local --method diana --compressor topk --clients 2 --dim 20
finish
