#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Where secrets must not be: key and identity files that others may read are refused; no byte of a key, binary or as text, is in anything a run
# writes or a server sees, on a command line, in an environment, in a server's memory; a program that has a key leaves no core file.
program=permk-train
. "$2/tests/support/cli.sh"
trap 'kill $(jobs -p) 2>/dev/null; wait 2>/dev/null; rm -rf "$work" "$work".*' EXIT
mkdir secret run
"$cli" keygen --quiet secret/key || fail keygen
"$cli" keygen --quiet secret/other || fail keygen
for i in 0 1 2; do "$cli" identity secret/id$i --name "member $i"; done >roster

# ---- looking for secrets ----
# The secrets of all files, as hexadecimal digits.
secrets=$(sed -n 's/^key //p; s/^secret //p' secret/*)
[ "$(wc -w <<<"$secrets")" = 5 ] || fail "not 5 secrets: $secrets"

# Halves of them, for a piece is bad enough, as they would stand in a text, and in the digits of a file's bytes: bytes, or a text's.
for s in $secrets; do
  for half in "${s:0:32}" "${s:32}"; do
    echo "$half"
    printf %s "$half" | od -An -v -tx1 | tr -d ' \n'
    echo
  done
done >"$work.needles"
# holds FILE: a secret, or half of one, is in it.
holds() { { cat "$1"; od -An -v -tx1 "$1" | tr -d ' \n'; } | grep -aqiFf "$work.needles"; }
# clean WHAT FILE…: none holds a secret; none of them is missing.
clean() {
  local what=$1 file
  shift
  for file; do
    if [ ! -e "$file" ]; then
      fail "$what: no $file to look into"
    elif holds "$file"; then
      fail "$what: a secret is in $file"
    fi
  done
}
# A search that finds nothing anywhere proves nothing.
one=$(sed -n 's/^secret //p' secret/id1)
# shellcheck disable=SC2001
printf 'x%b' "$(sed 's/../\\x&/g' <<<"${one:32}")" >sample
tr a-f A-F <<<"..$one.." >sample.upper
for file in secret/* sample sample.upper; do holds "$file" || fail "the search does not find the secret in $file"; done
holds roster && fail "the roster holds a secret"
rm sample sample.upper

# ---- files that others can read or write ----
for mode in 0640 0604 0620 0602 0644 0666 0700 0610; do
  chmod $mode secret/key secret/id1
  refused 2 "chmod 600 secret/key" client --id 0 --port 1 --key secret/key
  refused 2 "chmod 600 secret/key" local --clients 2 --dim 10 --key secret/key
  refused 2 "chmod 600 secret/id1" client --id 1 --port 1 --identity secret/id1 --roster roster
  refused 2 "chmod 600 secret/id1" identity --print secret/id1
done
chmod 600 secret/key secret/id1
sed 's/^key ./key Z/; s/^secret ./secret Z/' secret/id1 >bad && chmod 600 bad
refused 2 "bad: altered" identity --print bad
refused 2 "secret/key: not an identity file" identity --print secret/key
refused 2 "secret/id1: not a key file" client --id 0 --port 1 --key secret/id1
refused 2 "never overwritten" keygen secret/key
refused 2 "never overwritten" identity secret/id1

# ---- what runs write ----
# serve NAME OPTION…: a server for 3 clients in the background; its port is in $port.
serve() {
  local name=$1
  shift
  rm -f port
  "$cli" server --clients 3 --port-file port --capture "run/$name.capture" --json "$@" >"run/$name.server" 2>"run/$name.server.err" &
  server=$!
  for _ in $(seq 200); do [ -s port ] && break; sleep 0.02; done
  port=$(cat port)
}
# join NAME I OPTION…: client I in the background, with everything written that it can write; its process is in pid[I].
join() {
  local name=$1 i=$2
  local base=run/$name$i
  shift 2
  "$cli" client --id "$i" --port "$port" --clients 3 --dim 60 --step 0.02 --tol 0 --json --model-out "$base.model" --report "$base.html" \
    --jsonl "$base.jsonl" --csv "$base.csv" --checkpoint "$base.state" --checkpoint-every 3 "$@" >"$base.json" 2>"$base.err" &
  pid[i]=$!
}
ends() { # ends WHAT PID CODE
  wait "$2"
  local got=$?
  [ $got = "$3" ] || fail "$1: exit code $got instead of $3: $(cat run/"$1"*.err)"
}
written() { # NAME I: what client I was asked to write
  for kind in model html jsonl csv state json err; do echo "run/$1$2.$kind"; done
}
for name in key agreed signed; do
  serve $name
  for i in 2 1 0; do
    case $name in
    key) join key $i --max-rounds 9 --key secret/key --secret-ownership --key-rounds 4 ;;
    agreed) join agreed $i --max-rounds 9 --identity secret/id$i --roster roster ;;
    signed) join signed $i --max-rounds 9 --key secret/key --identity secret/id$i --roster roster --signed ;;
    esac
  done
  for i in 0 1 2; do
    ends $name "${pid[$i]}" 0
    # shellcheck disable=SC2046
    clean $name $(written $name $i)
  done
  ends $name $server 0
  clean $name run/$name.capture run/$name.server run/$name.server.err
done
code 0 inspect --key secret/key --json run/key.capture
clean "inspect with the key" out err

# what goes wrong is told without secrets too: another key, another identity, a roster of others
serve wrong
for i in 0 1; do join wrong $i --max-rounds 9 --key secret/key; done
join wrong 2 --max-rounds 9 --key secret/other
for i in 0 1 2; do wait "${pid[$i]}" && fail "a run with two keys"; done
wait $server
serve stranger --accept-timeout 2
for i in 0 1; do join stranger $i --max-rounds 9 --identity secret/id$i --roster roster; done
join stranger 2 --max-rounds 9 --identity secret/id1 --roster roster
for i in 0 1; do wait "${pid[$i]}" && fail "a run with a stranger"; done
ends stranger2 "${pid[2]}" 2
has run/stranger2.err "the roster has another key for client 2"
kill $server 2>/dev/null
wait $server
clean "runs that fail" run/wrong* run/stranger*

# ---- while it runs ----
ulimit -c unlimited 2>/dev/null
serve live --min-clients 2
for i in 0 1 2; do join live $i --min-clients 2 --max-rounds 1000000000 --eval-every 1000000 --key secret/key --identity secret/id$i --roster roster; done
for _ in $(seq 200); do [ -s run/live0.jsonl ] && break; sleep 0.02; done
for process in $server "${pid[@]}"; do
  for what in cmdline environ; do
    cat "/proc/$process/$what" >"$work.seen" 2>/dev/null && clean "$what of a process" "$work.seen"
  done
done

# ---- core files ----
cores() { find . -maxdepth 1 -name 'core*' -type f; }
bash -c "sh -c 'kill -SEGV \$\$'; true" 2>/dev/null
if [ -z "$(cores)" ]; then
  echo "core files cannot be made here: not looked for"
else
  rm -f ./core*
  kill -SEGV "${pid[1]}"
  wait "${pid[1]}" 2>/dev/null
  [ -z "$(cores)" ] || fail "a client left a core file"
  rm -f ./core*
fi
if kill -0 $server 2>/dev/null; then
  kill -SEGV $server
  wait $server 2>/dev/null
  # shellcheck disable=SC2046
  clean "memory of the server" $(cores)
fi
kill "${pid[@]}" 2>/dev/null
for i in 0 1 2; do wait "${pid[$i]}" 2>/dev/null; done

finish
