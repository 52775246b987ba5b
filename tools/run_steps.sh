#!/usr/bin/env bash
# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# usage: run_steps.sh NOX
# Runs all of nox's default sessions, goes on after a failure so that one run shows all of them, and sums up at the end.
# That is what nox does, too, but for a log of each session, the times, and how many tests there were.
set -uo pipefail

nox=$1
logs=.build/log
mkdir -p "$logs"
summary=""
failed=0
while read -r session; do
    printf '\n=== %s\n' "$session"
    began=$SECONDS
    if "$nox" --session "$session" </dev/null 2>&1 | tee "$logs/$session.log"; then
        result=ok
    else
        result=FAILED
        failed=1
    fi
    counts=$(grep -oE '[0-9]+ (passed|failed|error|skipped)[^=]* in [0-9.]+s' "$logs/$session.log" | paste -sd ';')
    summary+=$(printf '%-24s %-6s %5d s  %s' "$session" "$result" "$((SECONDS - began))" "$counts")$'\n'
done < <("$nox" --list | sed -n 's/^\* \([^ ]*\).*/\1/p')
printf '\n=== Summary\n%s' "$summary"
exit "$failed"
