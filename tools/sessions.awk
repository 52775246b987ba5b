# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Prints name and description of each session in noxfile.py, without an environment: `make help` works before anything is installed.
/^@/ {
    session = 1
    if (match($0, /name="[a-z-]+"/)) name = substr($0, RSTART + 6, RLENGTH - 7)
}
/^def / && session {
    split($2, word, "(")
    if (name == "") name = word[1]
}
/^    """/ && session {
    gsub(/^ *"""|"""$/, "")
    print name "\t" $0
    name = ""
    session = 0
}
