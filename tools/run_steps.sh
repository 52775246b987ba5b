#!/usr/bin/env bash
# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# usage: run_steps.sh STEP ...
# Runs `make STEP` for each one, goes on after a failure so that one run shows all of them, and sums up at the end.
set -uo pipefail

logs=.build/log
mkdir -p "$logs"
summary=""
failed=0
for step in "$@"; do
    printf '\n=== make %s\n' "$step"
    began=$SECONDS
    if "${MAKE:-make}" --keep-going "$step" 2>&1 | tee "$logs/$step.log"; then
        result=ok
    else
        result=FAILED
        failed=1
    fi
    counts=$(grep -oE '[0-9]+ (passed|failed|error|skipped)[^=]* in [0-9.]+s' "$logs/$step.log" | paste -sd ';')
    summary+=$(printf '%-16s %-6s %5d s  %s' "$step" "$result" "$((SECONDS - began))" "$counts")$'\n'
done
printf '\n=== Summary\n%s' "$summary"
exit "$failed"
