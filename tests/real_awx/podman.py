# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stands in for podman: runs a command of a job in an environment of this machine, instead of in an image. Needs root.

The directories that the image would see are mounted where the image would see them, for the command alone. REAL_AWX_IMAGES
names, as JSON, the directory with programs and the variables of each image; "" stands for every other image.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
from pathlib import Path


def main() -> None:
    if sys.argv[1:2] != ["run"]:
        # AWX also lists and removes containers: there is none.
        return
    parser = argparse.ArgumentParser()
    for flag in ("--rm", "--tty", "--interactive", "--quiet"):
        parser.add_argument(flag, action="store_true")
    for ignored in ("--name", "--user", "--network", "--pull"):
        parser.add_argument(ignored)
    parser.add_argument("--workdir")
    parser.add_argument("--env-file", type=Path)
    parser.add_argument("--volume", "-v", action="append", default=[])
    parser.add_argument("image")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    run = parser.parse_args(sys.argv[2:])

    images = json.loads(os.environ["REAL_AWX_IMAGES"])
    image = images.get(run.image, images[""])
    variables = {"HOME": "/root", "LC_ALL": "C.UTF-8", **image["variables"]}
    variables["PATH"] = os.pathsep.join([image["programs"], "/usr/local/bin", "/usr/bin", "/bin"])
    for line in run.env_file.read_text(encoding="utf-8").splitlines():
        name, _equals, value = line.partition("=")
        variables[name] = value

    steps = []
    for volume in run.volume:
        source, destination, *_label = volume.split(":")
        steps += [["mkdir", "-p", destination], ["mount", "--bind", source.rstrip("/"), destination.rstrip("/")]]
    steps += [["cd", run.workdir], ["exec", *run.command]]
    script = "set -e\n" + "\n".join(map(shlex.join, steps))
    os.execvpe("unshare", ["unshare", "--mount", "sh", "-c", script], variables)


if __name__ == "__main__":
    main()
