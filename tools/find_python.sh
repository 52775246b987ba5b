#!/bin/sh
# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# usage: find_python.sh 3.12 3.13 ...
# Prints the first interpreter of one of these versions, the preferred one first: from PATH, else from pyenv's versions.
# Every candidate is run, because a pyenv shim exists for versions that do not work here, and because
# distributions ship a python3 without the modules that make a virtual environment.

is_usable() {
    "$1" -c "import ensurepip, sys, venv; sys.exit('%d.%d' % sys.version_info[:2] != '$2')" >/dev/null 2>&1
}

pyenv_root=${PYENV_ROOT:-$(pyenv root 2>/dev/null || echo "$HOME/.pyenv")}
for version in "$@"; do
    for candidate in "python$version" python3 "$pyenv_root/versions/$version".*/bin/python3; do
        if is_usable "$candidate" "$version"; then
            # Of a virtual environment, the interpreter that it was made from: that one stays.
            "$candidate" -c 'import sys; print(sys._base_executable)'
            exit 0
        fi
    done
done
echo "No Python of version $* with venv and ensurepip: not in PATH, not in $pyenv_root/versions." >&2
exit 1
