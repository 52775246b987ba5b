#!/bin/sh
# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later

# Runs the story, and then the teardown even if the story failed, since the boxes cost money.
set -u
cd "$(dirname "$0")" || exit 1
# Ctrl-C and a lost terminal end the story, but not this script.
trap : INT TERM HUP
ansible-playbook beats.yml "$@"
outcome=$?
ansible-playbook teardown.yml "$@" || exit 1
exit "$outcome"
