# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An emulated EC2, with a stand-in for vLLM in each of its boxes: the server dies with its box."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import boto3
from moto.core import DEFAULT_ACCOUNT_ID
from moto.ec2.models import ec2_backends
from moto.server import ThreadedMotoServer

from tests.stand_in import StandIn
from tests.support.server import Server

REGION = "eu-central-1"
# The server of the n-th box, by the identifiers of all boxes.
_SERVER_URL = "{{ urls[(found.instances | map(attribute='instance_id') | sort).index(box.instance_id)] }}"


class Cloud:
    """A context manager for an account with room for two boxes, whose servers have the key.

    Attributes:
        variables, environment: with which the example runs here.
        served_at_the_end: what each server served when its box was ended.
    """

    def __init__(self, adapters: Path, api_key: str) -> None:
        self.served_at_the_end: list[dict[str, str]] = []
        self._key = api_key
        self._servers = [StandIn(base_models=("base",), api_key=api_key) for _replica in range(2)]
        self._emulation = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self._backend = ec2_backends[DEFAULT_ACCOUNT_ID][REGION]
        self._opened = ExitStack()
        self.adapters = [{"name": "sql", "path": str(adapters / "first"), "base_model": "base"}]

    def __enter__(self) -> Cloud:
        logging.getLogger("werkzeug").setLevel(logging.WARNING)
        for server in self._servers:
            self._opened.enter_context(server)
        self._emulation.start()
        self._opened.callback(self._emulation.stop)
        self._opened.callback(self._backend.reset)
        host, port = self._emulation.get_host_and_port()
        self.environment = {
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
            # The emulation takes any.
            "AWS_ACCESS_KEY_ID": "emulated",
            "AWS_SECRET_ACCESS_KEY": "emulated",
            "VLLM_API_KEY": self._key,
        }
        self._ec2 = boto3.client(
            "ec2",
            region_name=REGION,
            endpoint_url=self.environment["AWS_ENDPOINT_URL"],
            aws_access_key_id="emulated",
            aws_secret_access_key="emulated",
        )
        image = self._ec2.describe_images(MaxResults=5)["Images"][0]["ImageId"]
        urls = [server.url for server in self._servers]
        self.variables = {"image_id": image, "server_url": _SERVER_URL, "urls": urls, "lora_adapters": self.adapters}
        # The boxes are this machine, so that it may ask at its loopback address.
        self.variables["ansible_host"] = "127.0.0.1"
        self._let_servers_die_with_their_boxes()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._opened.close()

    def boxes(self, *states: str) -> list[dict[str, Any]]:
        """The boxes in one of these states, by default in any, as EC2 describes them."""
        filters = [{"Name": "instance-state-name", "Values": list(states)}] if states else []
        found = self._ec2.describe_instances(Filters=filters)["Reservations"]
        return sorted((box for group in found for box in group["Instances"]), key=lambda box: box["InstanceId"])

    def attribute(self, box: dict[str, Any], name: str) -> str:
        """Such as "userData", which is encoded in base 64."""
        answer = self._ec2.describe_instance_attribute(InstanceId=box["InstanceId"], Attribute=name)
        return answer[name[0].upper() + name[1:]]["Value"]

    def _let_servers_die_with_their_boxes(self) -> None:
        terminate = self._backend.terminate_instances

        def terminate_and_kill(instance_ids: list[str]) -> Any:
            identifiers = [box["InstanceId"] for box in self.boxes()]
            running = {box["InstanceId"] for box in self.boxes("running")}
            for server in (self._servers[identifiers.index(box)] for box in running.intersection(instance_ids)):
                self.served_at_the_end.append(Server(server.url, self._key).served())
                server.kill()
            return terminate(instance_ids)

        # The emulation forgets this when it is reset.
        self._backend.terminate_instances = terminate_and_kill
