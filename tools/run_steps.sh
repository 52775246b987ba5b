#!/usr/bin/env bash
# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# usage: run_steps.sh NOX
# Runs all of nox's default sessions, goes on after a failure so that one run shows all of them, and sums up at the end.
# Beside what nox does, this script keeps a log of each session, tells its time, its CPU time and its number of tests, and
# runs three sessions at a time, except those that keep both cores busy.
set -uo pipefail

nox=$1
logs=.build/log
mkdir -p "$logs"

# The sessions that nox would run with these arguments.
sessions() {
    "$nox" --list "$@" | sed -n 's/^\* \([^ ]*\).*/\1/p'
}

# Shows what a session printed when it has ended, and leaves a line for the summary. Fails when the session does.
step() {
    local session=$1 began=$SECONDS result=ok TIMEFORMAT='%U %S' cpu counts
    { time "$nox" --session "$session" </dev/null >"$logs/$session.log" 2>&1 || result=FAILED; } 2>"$logs/$session.cpu"
    cpu=$(awk '{ print int($1 + $2) }' "$logs/$session.cpu")
    counts=$(grep -oE '[0-9]+ (passed|failed|error|skipped)[^=]* in [0-9.]+s' "$logs/$session.log" | paste -sd ';')
    printf '%-26s %-6s %5d s %5d s CPU  %s\n' "$session" "$result" "$((SECONDS - began))" "$cpu" "$counts" >"$logs/$session.result"
    printf '\n=== %s\n%s\n' "$session" "$(cat "$logs/$session.log")"
    [[ $result == ok ]]
}
export nox logs
export -f step

# Formatters only report then.
export CI=true
# antsibull-nox's `lint` only starts others.
all=$(sessions | grep -vxF lint)
busy=$(sessions --tags busy)
failed=0
for session in $busy; do
    step "$session" || failed=1
done
# The dearest are listed last and run first, so that none is left running alone for long.
grep -vxF "$busy" <<<"$all" | tac | xargs -P 3 -I SESSION bash -c 'step "$1"' step SESSION || failed=1

printf '\n=== Summary\n'
for session in $all; do
    cat "$logs/$session.result"
done | awk -v wall="$SECONDS" '
    { print; cpu += $5 }
    END { printf "%d sessions in %.1f minutes, with %.1f minutes of CPU\n", NR, wall / 60, cpu / 60 }'
exit "$failed"
