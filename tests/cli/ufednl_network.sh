#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# ufednl-cli server, client and local as processes on loopback: the model of train, bit for bit; clients that are killed, silent, twice there or do
# not fit; a killed server; partial participation with a client that is lost and comes back; checkpoints.
program=ufednl-cli
. "$2/tests/support/cli.sh"
trap 'kill -CONT $(jobs -p) 2>/dev/null; kill -9 $(jobs -p) 2>/dev/null; wait 2>/dev/null; rm -rf "$work" "$work".*' EXIT

"$cli" generate --quiet --rows 3000 --features 60 --nnz 6 --positive 0.3 --seed 5 data || fail generate

# serve NAME N OPTION…: a server for N clients in the background; its port is in $port.
serve() {
  local name=$1 n=$2
  shift 2
  rm -f port
  "$cli" server --clients "$n" --port-file port "$@" >"$name.out" 2>"$name.err" &
  server=$!
  for _ in $(seq 200); do [ -s port ] && break; sleep 0.05; done
  port=$(cat port)
}
# join NAME ID OPTION…: a client in the background with a part of data; its process is in pid[ID].
join() {
  local name=$1 id=$2
  shift 2
  "$cli" client --id "$id" --port "$port" "$@" >"$name$id.out" 2>"$name$id.err" &
  pid[$id]=$!
}
# ends NAME PID CODE: wait for it.
ends() {
  wait "$2"
  local got=$?
  [ $got = "$3" ] || fail "$1: exit code $got, expected $3: $(cat "$1".err "$1".out 2>/dev/null)"
}
says() { grep -qF -- "$2" "$1" || fail "$1 lacks '$2': $(cat "$1")"; }
# field FILE KEY: of a JSON object.
field() { grep -o "\"$2\":[^,}]*" "$1" | head -1; }

# ---- the same bits as in process ----
for options in "" "--compressor topk --k 2d" "--algorithm fednl --option B --compressor randk" "--algorithm fednl-pp --participants 2 --compressor natural" \
  "--algorithm fednl-bc --compressor randseqk" "--algorithm lbfgs" "--compressor rankr --rank 2 --max-rounds 30 --tol 0" "--weights equal --label-skew 0.5"; do
  # shellcheck disable=SC2086
  "$cli" train --json --clients 5 $options data here.model >here.json 2>here.err || fail "train $options: $(cat here.err)"
  # shellcheck disable=SC2086
  "$cli" local --json --clients 5 $options data there.model >there.json 2>there.err || fail "local $options: $(cat there.err)"
  cmp -s here.model there.model || fail "$options: the models differ"
  for key in rounds bytes_up bytes_up_indices bytes_down; do
    [ "$(field here.json $key)" = "$(field there.json $key)" ] || fail "$options: $(field here.json $key) here, $(field there.json $key) there"
  done
done

# clients with files of their own; a model for each
"$cli" split --quiet --clients 3 --out part data 2>/dev/null || fail split
serve own 3 all.model --json
files=(part.*)
for i in 2 0 1; do join own $i "${files[$i]}" "own$i.model"; done
for i in 0 1 2; do
  ends own$i "${pid[$i]}" 0
  cmp -s all.model own$i.model || fail "client $i has another model"
done
ends own $server 0
says own0.out converged

# ---- clients that are lost ----
slow="--tol 0 --max-rounds 1000000 --algorithm gd"
# shellcheck disable=SC2086
serve kill 3 $slow --round-timeout 20
for i in 0 1 2; do join kill $i --clients 3 data; done
sleep 0.7
kill -9 "${pid[2]}"
ends kill $server 1
says kill.err "client 2"
says kill.err "round"
for i in 0 1; do
  ends kill$i "${pid[$i]}" 1
  [ "$(wc -l <kill$i.err)" = 1 ] || fail "client $i: not one line: $(cat kill$i.err)"
done
wait "${pid[2]}" 2>/dev/null

# shellcheck disable=SC2086
serve silent 2 $slow --round-timeout 0.6
for i in 0 1; do join silent $i --clients 2 data; done
sleep 0.5
kill -STOP "${pid[1]}"
ends silent $server 1
says silent.err "client 1"
kill -CONT "${pid[1]}"
for i in 0 1; do ends silent$i "${pid[$i]}" 1; done

# shellcheck disable=SC2086
serve gone 2 $slow
for i in 0 1; do join gone $i --clients 2 data; done
sleep 0.5
kill -9 $server
wait $server 2>/dev/null
for i in 0 1; do
  ends gone$i "${pid[$i]}" 1
  says gone$i.err "server"
  [ "$(wc -l <gone$i.err)" = 1 ] || fail "client $i: not one line: $(head -c 300 gone$i.err)"
done

# an interrupted server ends everybody in order, with a model
# shellcheck disable=SC2086
serve stop 2 $slow stop.model
for i in 0 1; do join stop $i --clients 2 data; done
sleep 0.5
kill -INT $server
ends stop $server 130
for i in 0 1; do ends stop$i "${pid[$i]}" 0; done
[ -s stop.model ] || fail "no model of an interrupted run"

# ---- clients that do not fit ----
serve twice 2 --accept-timeout 1.5
join twice 0 --clients 2 data
sleep 0.4
"$cli" client --id 0 --port "$port" --clients 2 data 2>id.err && fail "an id twice"
says id.err "0"
ends twice $server 1
says twice.err "1"
wait "${pid[0]}" 2>/dev/null

printf '3 1:1 2:1\n4 2:1\n3 1:2\n' >labels
serve labels 2
join labels 0 --clients 2 data
join labels 1 labels
ends labels $server 2
says labels.err "label"
for i in 0 1; do ends labels$i "${pid[$i]}" 2; done

serve dims 2 --dims 59
join dims 0 --clients 2 data
join dims 1 --clients 2 data
ends dims $server 2
says dims.err "59"
for i in 0 1; do ends dims$i "${pid[$i]}" 2; done

# ---- partial participation: lost, and back ----
serve partial 4 --algorithm fednl-pp --compressor topk --participants 2 --min-clients 2 --tol 0 --max-rounds 100000000 --time-limit 3 --json
for i in 0 1 2 3; do join partial $i --clients 4 data; done
sleep 0.7
kill -9 "${pid[3]}"
wait "${pid[3]}" 2>/dev/null
sleep 0.5
join partial 3 --clients 4 data
ends partial $server 3
says partial.out '"status":"time_limit"'
for i in 0 1 2 3; do ends partial$i "${pid[$i]}" 0; done
says partial.err "client 3"
command -v python3 >/dev/null && python3 -c 'import json
r = json.load(open("partial.out"))
assert r["grad_norm"] < 1e-9, r["grad_norm"]' || fail "the optimum was not found again after a client came back: $(field partial.out grad_norm)"
[ "$(grep -c "client 3" partial.err)" -ge 2 ] || fail "not said that client 3 is lost, and that it is back: $(cat partial.err)"

# ---- checkpoints ----
common="--clients 3 --compressor topk --k 2d --algorithm fednl --option B --tol 1e-11"
# shellcheck disable=SC2086
"$cli" train --quiet $common data whole.model || fail "train whole"
for command in train local; do
  # shellcheck disable=SC2086
  "$cli" $command --quiet $common --max-rounds 5 --checkpoint ck-$command data first.model
  [ $? = 3 ] || fail "$command: a run of 5 rounds"
  # shellcheck disable=SC2086
  "$cli" $command --quiet $common --resume ck-$command data second.model || fail "$command: resume"
  cmp -s whole.model second.model || fail "$command: a resumed run has another model"
done
# shellcheck disable=SC2086
refused 2 ck-train train $common --resume ck-train --lambda 1e-2 data
head -c 200 ck-train >short
# shellcheck disable=SC2086
refused 2 short train $common --resume short data

refused 2 "--id" client --port 1 data
refused 2 "--clients" server
refused 2 "--min-clients has no effect" server --clients 3 --min-clients 2
refused 2 missing client --id 0 --port 1 missing
finish
