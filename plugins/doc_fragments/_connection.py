# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options for the address of a server and for requests to it."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  base_url:
    description:
      - Address of the vLLM server, such as V(http://node:8000).
      - A trailing V(/), V(/v1) or V(/v1/) is accepted. The scheme is V(http) or V(https). The address must not contain a
        user or password.
      - Address every server instance directly, never through a load balancer, since each instance has its own adapters.
      - If not set, the host variable C(vllm_base_url) is used, or else the environment variable E(VLLM_BASE_URL).
    type: str
  api_key:
    description:
      - Key of the server, sent as bearer token.
      - If neither this option nor O(api_key_env) is set, the host variable C(vllm_api_key) or C(vllm_api_key_env) is used, or
        else the environment variable E(VLLM_API_KEY). That variable is looked up on the controller, where AWX injects it, and
        then on the host that runs the module.
      - Empty text means that the server has no key. E(VLLM_API_KEY) is then not used.
      - The key in a host variable is sent only to the host's own server. If O(base_url) is another address than
        C(vllm_base_url) of the host, the key is not sent.
    type: str
  api_key_env:
    description:
      - Name of the environment variable of the controller that holds the key, in place of O(api_key). If it is not set on the
        controller, the task fails, and the server is not asked.
      - The host variable is C(vllm_api_key_env). The inventory P(sovereign.vllm.vllm#inventory) sets it for an endpoint with its
        own key.
      - Do not set both O(api_key) and O(api_key_env), nor both host variables. If C(vllm_api_key) of a host is empty, the host has
        no key, and C(vllm_api_key_env) is ignored.
    type: str
  ask_from:
    description:
      - The machine that sends the requests. Files such as O(ca_path) are files of that machine.
      - V(host) is the host of the task, by its connection and with its Python. With a local connection, Ansible itself sends the
        requests, and starts no module.
      - V(controller) has Ansible itself send the requests, with its own Python, whatever connection, Python and C(become) the
        host has. The task cannot have C(async), unless the connection of the host is local.
      - The keyword C(delegate_to) wins over this option. The task then runs on that host.
      - If the controller would ask at a loopback address, such as V(http://127.0.0.1:8000), for a host that is another machine, the
        task fails. Hosts that the inventory P(sovereign.vllm.vllm#inventory) has asked are exempt, since it asked from the controller.
      - The host variable is C(vllm_ask_from).
    type: str
    choices: [controller, host]
    default: host
  server_of:
    description:
      - Host of the inventory whose server is asked, in place of the host of the task. All C(vllm_*) variables then come from that
        host, as Ansible shows them in C(hostvars). It cannot be combined with O(base_url).
      - The keyword C(delegate_to) alone changes the machine that asks, not the server.
    type: str
  validate_certs:
    description:
      - Whether to verify the certificate of the server.
      - The host variable is C(vllm_validate_certs).
    type: bool
    default: true
  timeout:
    description:
      - Longest time for one answer, in seconds.
      - A connection attempt is given up after 10 seconds, or after O(timeout) if that is less.
      - The host variable is C(vllm_timeout).
    type: float
    default: 30.0
  retries:
    description:
      - Number of repetitions of a request, if the server is unreachable or answers 429, 502, 503 or 504.
      - Only reads are repeated unchanged. If the answer to a write is lost, the module first reads the list of models.
      - The host variable is C(vllm_retries).
    type: int
    default: 2
  unreachable_as:
    description:
      - Result of the task if the server gives no usable answer.
      - V(unreachable) is Ansible's own UNREACHABLE. It takes the host out of the play and skips C(rescue).
      - V(failed) is for hosts that are fine while their vLLM is down, and for C(until) and C(rescue).
      - The host variable is C(vllm_unreachable_as).
    type: str
    choices: [unreachable, failed]
    default: unreachable
notes:
  - "The connection belongs to the host. Each option of the connection has a host variable with the prefix C(vllm_), which can be in
    C(host_vars) and C(group_vars), in a vault, and a template. The first of these counts: the option of the task or of
    C(module_defaults), the task keyword C(environment) for E(VLLM_BASE_URL) and E(VLLM_API_KEY), the host variable, the environment of
    the controller, the environment of the host that runs the module, the default. Null and C(omit) mean that nothing is set. A host
    variable that is needed and cannot be resolved is an error."
requirements:
  - requests, in Ansible's own Python if the controller sends the requests, or else in the Python of the host
"""

    # The options that modules and inventory share.
    SHARED = r"""
options:
  ca_path:
    description:
      - File with the certificates of trusted authorities, in PEM, or directory with such files under the names that
        C(openssl rehash) gives them. No other authority is then trusted.
      - If not set, the file or directory in E(REQUESTS_CA_BUNDLE) is used, otherwise E(CURL_CA_BUNDLE), otherwise
        E(SSL_CERT_FILE) together with E(SSL_CERT_DIR), which can list several directories. Only the first of these that is
        set counts.
      - If none of these variables is set, the authorities of the system are trusted, and those of the Python library certifi
        if it is installed.
      - The variables are those of the host that runs the module, with those of the task keyword C(environment). The event
        source C(sovereign.vllm.drift) follows the same rule.
      - Modules read the host variable C(vllm_ca_path).
    type: path
  client_cert:
    description:
      - File with the client certificate. Unless O(client_key) is set, the file also holds the key.
      - Modules read the host variables C(vllm_client_cert) and C(vllm_client_key), for the host's own server only, unless the task
        sets one of the two options.
    type: path
  client_key:
    description: File with the key of the client certificate.
    type: path
  retry_delay:
    description:
      - Seconds before the first repetition. The delay doubles with each repetition, up to O(timeout), with some jitter.
      - If the answer has a C(Retry-After), the module waits for that time. If it is longer than O(timeout), the module does
        not repeat the request.
      - Modules read the host variable C(vllm_retry_delay).
    type: float
    default: 1.0
  use_proxy:
    description:
      - Whether to use the proxy that the environment names.
      - E(https_proxy) or E(http_proxy) names it, by the scheme of the server's address, or else E(all_proxy). E(no_proxy) lists hosts,
        domains, addresses and networks that are asked directly. Names in capitals are read if those in lower case are not set.
      - The event source C(sovereign.vllm.drift) follows the same rule.
      - Modules read the host variable C(vllm_use_proxy).
    type: bool
    default: true
"""

    # The options of modules that load adapters.
    WRITE = r"""
options:
  load_timeout:
    description:
      - Longest time for one load, in seconds. vLLM reads a large adapter slowly.
      - vLLM finishes a load even if the client disconnects. If the answer is lost, or is a 5xx from something other than vLLM,
        the module polls the list of models for this time, and at least for O(timeout), before it reports a result.
      - The module waits for a C(Retry-After) of a load or an unload up to this time. If it gave up in the middle of a swap, the
        name would not be served.
      - The host variable is C(vllm_load_timeout).
    type: float
    default: 300.0
  drain_timeout:
    description:
      - Before an adapter is unloaded for good, the module waits at most this time, in seconds, until no request for it runs or
        waits. All adapters of the task share the time. With 0, the module does not wait.
      - A name that gets another artifact is not waited for, since the name stays in use. With V(replace), requests in flight
        finish on the old weights.
      - The server's metrics tell which names have requests, see O(sovereign.vllm.vllm_server_info#module:drain). Requests that
        begin during the wait count as well, so first direct new requests elsewhere.
      - If the time is over, or the metrics cannot be read, the module unloads the adapter and warns. vLLM still answers the
        requests that run, as long as the directory of the adapter stays.
    type: float
    default: 0.0
  reload_strategy:
    description:
      - The way in which a served name gets another artifact.
      - V(replace) first loads the new artifact under a temporary name, which validates the artifact while the old one is still
        served. The module then unloads and loads the real name, and unloads the temporary name. If the first step fails,
        nothing has changed. If a later step fails, the module loads the old artifact again. The name is missing for the time
        of two requests, tens of milliseconds for a small adapter. Requests in flight finish on the old weights.
      - V(in_place) also loads the new artifact under a temporary name first. The module then loads the real name in one request
        (vLLM 0.15 and later), and unloads the temporary name. The name is never missing. Requests in flight continue with
        mixed weights.
      - From 0.15 to 0.32, vLLM keeps the flag of V(in_place) with the adapter. Until the adapter is unloaded, vLLM reads the
        adapter from disk at every step. Generating is then about two to three times slower, and the server crashes if the
        directory is removed. From 0.33 on, vLLM forgets the flag after the load.
    type: str
    choices: [replace, in_place]
    default: replace
"""

    # The options that declare one adapter.
    ADAPTER = r"""
options:
  name:
    description:
      - Name by which requests choose the adapter.
      - It must not be the name of a base model that the server serves.
    type: str
    required: true
    aliases: [lora_name]
  path:
    description:
      - Directory of the adapter on the node, as the server sees it. If the server runs in a container, this is a path in the
        container.
      - Required unless O(state=absent). Paths are compared normalised, so that V(/a/b/) is V(/a/b), and sent as
        written.
      - The path must be absolute unless O(allow_hub=true). A path that begins with V(~) is always refused, since the server
        would look in the home directory of the user that runs it.
    type: str
    aliases: [lora_path]
  base_model:
    description:
      - Name of a base model that the server must serve. An alias of the base model is accepted.
      - This is an assertion. vLLM loads every adapter onto the base model that it serves. If the server does not serve this
        base model, the task fails before anything is written.
    type: str
    aliases: [base_model_name]
  is_3d_lora_weight:
    description:
      - Whether to load the weights of a mixture-of-experts adapter as three-dimensional (vLLM 0.22 and later).
      - The server does not list this option for a loaded adapter. A change of the option is therefore never drift, and takes
        effect at the next load.
      - If the model is wrapped in two dimensions, the server also needs C(--enable-mixed-moe-lora-format).
    type: bool
    default: false
  allow_hub:
    description:
      - Whether to allow a relative O(path).
      - vLLM looks for a relative path in the directory that it was started in. If the path does not exist there, vLLM takes
        it for the name of a repository on a model hub, and downloads the repository while all generating waits.
    type: bool
    default: false
  state:
    description:
      - V(present) loads the adapter if it is missing. If it is served from another path, the artifact at O(path) replaces the
        old one.
      - V(reloaded) does the same, and loads the adapter again even if it is served from O(path). This is always a change.
      - V(absent) unloads the adapter.
    type: str
    choices: [present, absent, reloaded]
    default: present
"""

    # The options that all endpoints of an inventory share.
    INVENTORY = r"""
options:
  api_key:
    description:
      - Key of the servers, sent as bearer token. It never becomes a variable.
      - It may be a template, such as a lookup.
    type: str
    env:
      - name: VLLM_API_KEY
  validate_certs:
    description: Whether to verify the certificates of the servers.
    type: bool
    default: true
  timeout:
    description:
      - Longest time for all answers of one server, in seconds.
      - A connection attempt is given up after 10 seconds, or after O(timeout) if that is less.
    type: float
    default: 30.0
  retries:
    description:
      - Number of repetitions of a request, if the server is unreachable or answers 429, 502, 503 or 504.
      - Each repetition adds up to one O(timeout) to the time for a dead site.
    type: int
    default: 0
requirements:
  - requests, in Ansible's own Python
"""
