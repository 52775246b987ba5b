#!/bin/sh
# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# usage: sign.sh PRIVATE-KEY DIRECTORY
# Signs all files of a directory as model_signing does, with openssl alone, and writes DIRECTORY/model.sig.
# The key is one of the curve P-256. openssl can also use it from a smart card or an HSM.
set -eu
LC_ALL=C
export LC_ALL

key=$(realpath "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$2"

find . -type f ! -path './.git/*' ! -path './.github/*' ! -path ./.gitattributes ! -path ./.gitignore ! -path ./model.sig |
    sed 's|^\./||' | sort >"$work/names"
if grep -q '[^A-Za-z0-9 ._/+@=,~-]' "$work/names"; then
    echo "Rename this file, whose name would need quotes: $(grep -m 1 '[^A-Za-z0-9 ._/+@=,~-]' "$work/names")" >&2
    exit 1
fi

separator=
while read -r name; do
    openssl dgst -sha256 -binary "$name" >>"$work/digests"
    digest=$(openssl dgst -sha256 -r "$name" | cut -c 1-64)
    printf '%s{"name": "%s", "algorithm": "sha256", "digest": "%s"}' "$separator" "$name" "$digest"
    separator=', '
done <"$work/names" >"$work/resources"

{
    printf '{"_type": "https://in-toto.io/Statement/v1", "subject": [{"name": "%s", ' "$(basename "$PWD")"
    printf '"digest": {"sha256": "%s"}}], ' "$(openssl dgst -sha256 -r "$work/digests" | cut -c 1-64)"
    printf '"predicateType": "https://model_signing/signature/v1.0", "predicate": {"serialization": {"method": "files", '
    printf '"hash_type": "sha256", "allow_symlinks": false, "ignore_paths": '
    printf '[".git", ".github", ".gitattributes", ".gitignore", "model.sig"]}, "resources": ['
    cat "$work/resources"
    printf ']}}'
} >"$work/payload"

type=application/vnd.in-toto+json
{
    printf 'DSSEv1 %d %s %d ' "${#type}" "$type" "$(wc -c <"$work/payload")"
    cat "$work/payload"
} >"$work/to-sign"

{
    printf '{"mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json", "verificationMaterial": '
    printf '{"publicKey": {"hint": "%s"}, ' "$(openssl pkey -in "$key" -pubout | openssl dgst -sha256 -r | cut -c 1-64)"
    printf '"tlogEntries": []}, "dsseEnvelope": {"payload": "%s", ' "$(openssl base64 -A -in "$work/payload")"
    printf '"payloadType": "%s", "signatures": [{"sig": "%s", "keyid": ""}]}}\n' "$type" \
        "$(openssl dgst -sha256 -sign "$key" "$work/to-sign" | openssl base64 -A)"
} >"$work/model.sig"
cp "$work/model.sig" model.sig
