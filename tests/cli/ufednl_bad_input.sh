#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# ufednl-cli on bad input: exit code 2 (1 where the machine is at fault), one line that says where, nothing half-written.
program=ufednl-cli
. "$2/tests/support/cli.sh"

printf '+1 1:0.5 3:1\n-1 2:1\n+1 1:1\n-1 3:0.25\n' >good
: >empty
printf '\177ELF\001\002\003\000\000\377\376' >binary
printf '+1 1:0.5 3:1\n-1 2' >truncated
printf '+1 1:1\n-1 4294967295:1\n' >index_too_large
printf '+1 1:1\n-1 500000:1\n' >index_huge
printf '+1 1:1\n+1 2:1\n' >one_class
printf '1 1:1\n2 2:1\n3 1:1\n' >three_labels
printf '+1 1:1\n-1 2:1e999\n' >too_large
printf '+1 1:1\n-1 2:nan\n' >not_finite
printf '+1 0:1\n-1 2:1\n' >index_zero
mkdir folder

refused 2 "no_such_file" train no_such_file m
refused 2 "empty" train empty m
refused 2 "binary:1:" train binary m
refused 2 "truncated:2:" train truncated m
refused 2 "index_too_large:2:" train index_too_large m
refused 1 "GB" train index_huge m
refused 2 "one_class" train one_class m
refused 2 "three_labels" train three_labels m
refused 2 "too_large:2:" train too_large m
refused 2 "not_finite:2:" train not_finite m
refused 2 "index_zero:1:" train index_zero m
refused 2 "good:1:" train --dims 2 good m
refused 2 "folder: Is a directory" train folder m
rm -f out err

refused 2 "--lambda" train --lambda -1 good m
refused 2 "--lambda" train --lambda nan good m
refused 2 "--lambda" train --lambda 1e-3x good m
refused 2 "--clients" train --clients 0 good m
refused 2 "--clients" train --clients abc good m
refused 2 "5 clients are more than the 4 rows" train --clients 5 good m
refused 2 "--tol" train --tol -1e-9 good m
refused 2 "--threads" train --threads 9999 good m
refused 2 "--compressor" train --compressor top good m
refused 2 "--algorithm" train --algorithm adam good m
for k in 0 0d -1 1.5 8x d 8dd ""; do
  refused 2 "--k" train --compressor topk --k="$k" good m
done
refused 2 "10 entries" train --compressor topk --k 11 good m
refused 2 "--k has no effect with --compressor identity" train --k 3 good m
refused 2 "10 entries" train --compressor topk --k 3d good m
refused 2 "k = 0.4 is less than 1 entry" train --compressor topk --k 0.1d good m
refused 2 "k = 0.1 is less than 1 entry" train --compressor topk --k 0.01 good m
refused 2 "--kk" train --kk 3 good m
refused 2 "FILE" train
refused 2 "good" train good m good # one operand too many
refused 2 "tran" tran good m

# a place that cannot be written to is found before the training
for option in --report --csv --jsonl; do
  "$cli" train $option /no/such/folder/x good m >out 2>err
  code=$?
  { [ $code = 1 ] || [ $code = 2 ]; } && [ "$(wc -l <err)" = 1 ] && grep -q /no/such/folder err || fail "$option: $code, $(cat err)"
  [ ! -e m ] || fail "$option: the model was written"
done
"$cli" train no_such_file /no/such/folder/m >out 2>err
grep -q /no/such/folder/m err || fail "MODEL is not tried first: $(cat err)"
rm -f out err
echo old >m
refused 2 "three_labels" train three_labels m
[ "$(cat m)" = old ] || fail "a model was damaged by a run that failed"
rm -f m

# a disk that is full for the JSON lines: their name is said, and the model is there all the same
if [ -c /dev/full ]; then
  "$cli" train --jsonl /dev/full good m >out 2>err
  [ $? = 1 ] && [ ! -s out ] && grep -qF "/dev/full: No space left" err || fail "--jsonl /dev/full: $(cat out err)"
  [ -s m ] || fail "--jsonl /dev/full: no model"
  rm -f out err m
fi

# a signal while FILE is awaited ends the program, with the old model in place
mkfifo pipe
echo old >m
set -m # in the background of a script SIGINT is ignored otherwise
for signal in INT:130 TERM:143; do
  timeout 20 "$cli" train pipe m >out 2>err &
  pid=$!
  sleep 0.3
  kill -s "${signal%:*}" -- -$pid
  wait $pid
  code=$?
  # timeout(1) itself ends by the signal
  [ $code = "${signal#*:}" ] || fail "SIG${signal%:*} at a pipe: exit code $code"
  [ "$(cat m)" = old ] && [ ! -s out ] || fail "SIG${signal%:*} at a pipe: $(head -3 out m)"
done
set +m
rm -f out err m pipe

# lambda = 0 with a column that nothing determines
printf '+1 1:1 2:1\n-1 1:1 2:1\n+1 1:2 2:2\n-1 1:3 2:3\n' >singular
refused 1 "positive definite" train --lambda 0 --no-intercept --option B singular m

# ---- predict ----
"$cli" train --quiet good good.model || fail "the good file does not train"
printf '+1 7:1\n-1 1:1\n' >wider
printf 'solver_type L2R_LR\nnr_class 2\nlabel 1 -1\nnr_feature 3\nbias 1\nw\n1\n2\n' >short.model
printf 'solver_type L2R_LR\nnr_class 2\nlabel 1 -1\nnr_feature 3\nbias 1\nw\n1\n2\n3\nx\n' >word.model
printf 'solver_type L2R_L2LOSS_SVC\nnr_class 2\n' >svm.model
refused 2 "no_such.model" predict good no_such.model out.txt
refused 2 "no_such_file" predict no_such_file good.model out.txt
refused 2 "good:1: not a line of a LIBLINEAR model" predict good good out.txt
refused 2 "empty:1:" predict good empty out.txt
refused 2 "binary:1:" predict good binary out.txt
refused 2 "short.model:9: fewer weights" predict good short.model out.txt
refused 2 "word.model:10: not a number" predict good word.model out.txt
refused 2 "svm.model:1: solver_type" predict good svm.model out.txt
refused 2 "wider: feature 7, but the model knows only 3" predict wider good.model out.txt
"$cli" predict good good.model /no/such/folder/out >out 2>err && fail "an output that cannot be written"
rm -f out err

# ---- generate ----
refused 2 "--rows" generate --rows 0 g
refused 2 "--positive" generate --positive 1.5 g
refused 2 "--positive" generate --positive 1 g
refused 2 "--nnz: 4 is more than the 3 features" generate --features 3 --nnz 4 g

# a model that cannot be written does not cost the lines of an earlier run
echo old >kept.jsonl
refused 2 "/no/such/folder/m" train --jsonl kept.jsonl good /no/such/folder/m
[ "$(cat kept.jsonl)" = old ] || fail "kept.jsonl: $(cat kept.jsonl)"

finish
