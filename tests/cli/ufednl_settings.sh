#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# ufednl-cli: settings that have no effect or do not go together are refused; those of compare and local reach the solver.
program=ufednl-cli
. "$2/tests/support/cli.sh"

"$cli" generate --rows 300 --features 12 --nnz 4 --positive 0.4 --seed 5 --quiet data || fail "generate"

# ---- compare: --k holds for methods of LIST that name none of their own ----
"$cli" compare --clients 5 --json --methods topk --k 2d data >by_option || fail "compare --k"
"$cli" compare --clients 5 --json --methods topk/2d data >by_list || fail "compare topk/2d"
"$cli" compare --clients 5 --json --methods topk/2d --k 8d data >both || fail "compare topk/2d --k 8d"
bytes() { sed 's/.*:bytes_up":\([0-9]*\).*/\1/' "$1"; }
[ "$(bytes by_option)" = "$(bytes by_list)" ] || fail "--k has no effect: $(bytes by_option) and $(bytes by_list) bytes"
[ "$(bytes both)" = "$(bytes by_list)" ] || fail "--k overrules the list: $(bytes both) and $(bytes by_list) bytes"
rm -f by_option by_list both

refused 2 "'8d' of 'identity/8d'" compare --methods identity/8d data
refused 2 "'topk' of 'lbfgs/topk'" compare --methods lbfgs/topk data
refused 2 "'newton' of 'fednl/newton'" compare --methods fednl/newton data
refused 2 "'2d' of 'topk/8d/2d'" compare --methods topk/8d/2d data
refused 2 "'2d/3' of 'fednl/topk/2d/3'" compare --methods fednl/topk/2d/3 data
refused 2 "'' of 'topk/'" compare --methods topk/ data
refused 2 "'' of 'topk//3d'" compare --methods topk//3d data
refused 2 "'top' of 'top'" compare --methods identity,top data
refused 2 "'' is no method" compare --methods identity,,topk data

# ---- local: as many processes as sizes ----
timeout 60 "$cli" local --sizes 100,150,50 data m >out 2>err || fail "local --sizes: $(cat err)"
grep -q "3 clients" out || fail "local --sizes: $(cat out)"
timeout 60 "$cli" train --sizes 100,150,50 data n >out 2>err || fail "train --sizes: $(cat err)"
cmp -s m n || fail "local and train with --sizes: other models"
rm -f m n out err
refused 2 "3 sizes for 4 clients" local --clients 4 --sizes 100,150,50 data
refused 2 "--sizes" local --sizes 100,x data

# ---- local: the clients' files are named after the one of --resume ----
timeout 60 "$cli" local --clients 2 --quiet --max-rounds 2 --checkpoint a data
refused 2 "--checkpoint: must be the same file as --resume" local --clients 2 --resume a --checkpoint b data
timeout 60 "$cli" local --clients 2 --quiet --resume a --checkpoint a data m 2>err || fail "resume: $(cat err)"
rm -f a a.client-* m err

# ---- what has no effect ----
refused 2 "--regularise-intercept has no effect with --no-intercept" train --no-intercept --no-regularise-intercept data
"$cli" train --quiet --max-rounds 1 --checkpoint c data start.model
refused 2 "--start has no effect with --resume" train --start start.model --resume c data
refused 2 "--checkpoint-every has no effect without --checkpoint" train --checkpoint-every 3 data
rm -f c start.model
refused 2 "9 of 3 clients" local --clients 3 --algorithm fednl-pp --min-clients 9 data
refused 2 "9 of 3 clients" server --clients 3 --algorithm fednl-pp --min-clients 9

# ---- a run that diverges: its end is told, and the last checkpoint stays ----
"$cli" train --algorithm gd --step-size 10 --lambda 1 --checkpoint c --checkpoint-every 2 data m >out 2>err
[ $? = 3 ] || fail "divergence with --checkpoint: $(cat err)"
grep -q diverged out || fail "divergence with --checkpoint: $(cat out)"
[ -s c ] || fail "no checkpoint of before the divergence"
[ ! -e m ] || fail "a model of a run that diverged"

finish
