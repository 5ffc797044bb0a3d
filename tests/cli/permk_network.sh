#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# permk-train server and client as processes on loopback: the iterates of simulate, bit for bit; bad
# keys, ids and addresses; a killed client; an interrupted server. The server's code has no cipher.
program=permk-train
. "$2/tests/support/cli.sh"
trap 'kill $(jobs -p) 2>/dev/null; wait 2>/dev/null; rm -rf "$work" "$work".*' EXIT

"$cli" keygen --quiet k || fail keygen
"$cli" keygen --quiet other || fail keygen
problem=(--clients 4 --dim 60 --step 0.02)

# serve NAME OPTION…: a server for 4 clients in the background; its port is in $port.
serve() {
  local name=$1
  shift
  rm -f port
  "$cli" server --clients 4 --port-file port "$@" >"$name.out" 2>"$name.err" &
  server=$!
  for _ in $(seq 100); do [ -s port ] && break; sleep 0.05; done
  port=$(cat port)
}
# join NAME ID OPTION…: a client in the background; its process is in pid[ID].
join() {
  local name=$1 id=$2
  shift 2
  "$cli" client --id "$id" --key k --port "$port" "${problem[@]}" --json "$@" >"$name$id.out" 2>"$name$id.err" &
  pid[$id]=$!
}
# ends NAME PID CODE: wait for it.
ends() {
  wait "$2"
  local got=$?
  [ $got = "$3" ] || fail "$1: exit code $got, expected $3: $(cat "$1".err 2>/dev/null)"
}
hash() { grep -o '"x_sha256":"[0-9a-f]*"' "$1"; }
says() { grep -qF -- "$2" "$1" || fail "$1 lacks '$2': $(cat "$1")"; }

# the same iterates as simulate, for both methods and rules
for options in "--tol 1e-4" "--method gd --tol 0 --max-rounds 40" "--rule permutation --tol 0 --max-rounds 40 --cipher aes-256-gcm" \
  "--method diana --tol 0 --max-rounds 20" "--method ef21 --compressor topk --tol 0 --max-rounds 20 --value f32" \
  "--tol 0 --max-rounds 30 --cipher none"; do
  "$cli" simulate "${problem[@]}" $options --json >sim.out 2>sim.err || fail "simulate $options"
  serve same
  for i in 3 1 0 2; do join same $i $options --model-out "m$i"; done
  for i in 0 1 2 3; do
    ends same$i "${pid[$i]}" 0
    [ "$(hash same$i.out)" = "$(hash sim.out)" ] || fail "$options: client $i has other iterates"
    cmp -s m0 m$i || fail "$options: model $i differs"
  done
  ends same $server 0
  says same.out served
done
[ -n "$(hash sim.out)" ] || fail "no hash"
secret=$(sed -n 's/^key //p' k)
! grep -rq "$secret" ./*.out ./*.err m? || fail "the key is in an output"

# another key: the others name the client and write no model
serve key
for i in 0 1 2; do join key $i --model-out "bad$i"; done
"$cli" client --id 3 --key other --port "$port" "${problem[@]}" >key3.out 2>key3.err &
pid[3]=$!
for i in 0 1 2; do
  ends key$i "${pid[$i]}" 1
  says key$i.err "client 3"
  says key$i.err "failed to verify"
  [ ! -e bad$i ] || fail "a model after a failed tag"
done
ends key3 "${pid[3]}" 1
ends key $server 1

# other settings are named
serve settings
for i in 0 1 2; do join settings $i; done
join settings 3 --seed 2
ends settings0 "${pid[0]}" 2
says settings0.err "'seed=2', here 'seed=1'"
for i in 1 2; do ends settings$i "${pid[$i]}" 2; done
ends settings3 "${pid[3]}" 2
ends settings $server 1

# a client that is killed is named by the server, and the others end
serve kill --round-timeout 20
for i in 0 1 2 3; do join kill $i --tol 0 --max-rounds 60000; done
sleep 0.7
kill -9 "${pid[2]}"
ends kill $server 1
says kill.err "client 2"
for i in 0 1 3; do
  ends kill$i "${pid[$i]}" 1
  says kill$i.err "client 2"
done
wait "${pid[2]}" 2>/dev/null

# Ctrl-C at a client: it ends with 130, the others at the same iterate with 3
serve interrupt
for i in 0 1 2 3; do join interrupt $i --tol 0 --max-rounds 60000; done
sleep 0.7
kill -INT "${pid[1]}"
ends interrupt1 "${pid[1]}" 130
for i in 0 2 3; do
  ends interrupt$i "${pid[$i]}" 3
  [ "$(hash interrupt$i.out)" = "$(hash interrupt1.out)" ] || fail "interrupted: other iterates"
done
ends interrupt $server 0

# Ctrl-C at the server
serve stopped
for i in 0 1 2 3; do join stopped $i --tol 0 --max-rounds 60000; done
sleep 0.7
kill -TERM $server
ends stopped $server 143
for i in 0 1 2 3; do
  ends stopped$i "${pid[$i]}" 1
  says stopped$i.err "server was stopped"
done

# Ctrl-C at a terminal goes to the whole group: each says so, whoever ended first
serve group
for i in 0 1 2 3; do join group $i --tol 0 --max-rounds 60000; done
sleep 0.7
kill -INT "${pid[@]}" $server # one after the other: a client must not hear of the server's end before its own signal
wait $server
code=$?
[ $code = 130 ] || [ $code = 0 ] || fail "a signal to all: the server ended with $code"
for i in 0 1 2 3; do
  wait "${pid[$i]}"
  code=$?
  [ $code = 130 ] || [ $code = 3 ] || fail "a signal to all: client $i ended with $code: $(cat group$i.err)"
done
# and a client that is alone when its server goes
serve alone
join alone 0
sleep 0.4
kill -STOP "${pid[0]}"
kill -TERM $server "${pid[0]}"
ends alone $server 143
kill -CONT "${pid[0]}"
ends alone0 "${pid[0]}" 143

# a client that hears nobody blames nobody
serve early
for i in 0 1; do join early $i --round-timeout 0.5; done
for i in 0 1; do
  ends early$i "${pid[$i]}" 1
  says early$i.err "nothing from any of the other 3 clients in time"
done
kill -TERM $server
ends early $server 143

# nobody comes: the server names who is missing; its port is taken meanwhile
serve lonely --accept-timeout 1.5
"$cli" server --clients 4 --port "$port" >taken.out 2>taken.err
[ $? = 2 ] || fail "port in use: not exit code 2"
says taken.err "$port"
# ids: out of range, and taken
"$cli" client --id 4 --key k --port "$port" "${problem[@]}" 2>id.err
[ $? = 2 ] || fail "id out of range: not exit code 2"
"$cli" client --id 7 --key k --port "$port" --clients 9 --dim 60 2>id.err
code=$?
[ $code = 1 ] || [ $code = 2 ] || fail "id the server does not have: exit code $code"
[ -s id.err ] || fail "id the server does not have: silent"
join lonely 1
sleep 0.4
"$cli" client --id 1 --key k --port "$port" "${problem[@]}" 2>id.err && fail "an id twice"
says id.err "1"
ends lonely $server 1
says lonely.err "0"
ends lonely1 "${pid[1]}" 1

# keys
cp k loose && chmod 644 loose
head -c 60 k >short && chmod 600 short
head -c 500 /dev/urandom >garbage && chmod 600 garbage
sed 's/^key ./key Z/' k >altered && chmod 600 altered
for bad in missing loose short garbage altered; do
  "$cli" client --id 0 --key $bad --port 1 "${problem[@]}" >bad.out 2>bad.err
  [ $? = 2 ] || fail "key file $bad: not exit code 2"
  says bad.err $bad
  [ "$(wc -l <bad.err)" = 1 ] || fail "key file $bad: not one line"
done

# no server there
"$cli" client --id 0 --key k --port "$port" "${problem[@]}" --connect-timeout 0.3 >bad.out 2>bad.err
[ $? = 1 ] || fail "no server: not exit code 1"
says bad.err "$port"
"$cli" client --key k --port 1 2>bad.err
[ $? = 2 ] || fail "no id: not exit code 2"
"$cli" server --clients 0 2>bad.err
[ $? = 2 ] || fail "a server for 0 clients: not exit code 2"
"$cli" server 2>bad.err
[ $? = 2 ] || fail "a server for nobody: not exit code 2"

# what the server is made of references no cipher
archive=$1/../lib/libpermk_aes.a
if [ -e "$archive" ] && command -v nm >/dev/null; then
  symbols=$(cd "$work" && ar x "$archive" server.c.o capture.c.o && nm -u server.c.o capture.c.o)
  [ -n "$symbols" ] || fail "no symbols of the server"
  echo "$symbols" | grep -E 'EVP_|AES|RAND_|SHA|OPENSSL|HKDF|permk_(key|session)|permk__(aead|hkdf|key)' &&
    fail "the server references cryptography"
fi

finish
