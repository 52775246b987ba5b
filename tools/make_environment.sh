#!/bin/sh
# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# usage: make_environment.sh DIRECTORY "3.12 3.13 ..." PIP-ARGUMENT ...
# Makes a virtual environment with the first of these Pythons, or of all that the tools run on if none is named, and tells
# pip to install into it. Does nothing when that was done before with the same arguments and the same requirements*.txt:
# many sessions share an environment.
set -eu
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore

directory=$1
pythons=${2:-3.12 3.13 3.14 3.11 3.10}
shift 2
wanted=$(echo "$@" && cat requirements*.txt)
if [ "$wanted" = "$(cat "$directory/.complete" 2>/dev/null)" ]; then
    exit 0
fi

# Without the file, an earlier run was cut short: what lies there is not worth keeping.
if ! [ -e "$directory/.complete" ]; then
    echo "Making $directory ..."
    rm -rf "$directory"
    # A word for each version, so without quotes.
    # shellcheck disable=SC2086
    "$(tools/find_python.sh $pythons)" -m venv "$directory"
fi
# Most of what is installed is never imported, and compiling it takes as long as the rest.
"$directory/bin/pip" install -qq --no-compile "$@"
echo "$wanted" >"$directory/.complete"
