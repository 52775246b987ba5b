# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options that say where a server is and how it is spoken to."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  base_url:
    description:
      - Address of the vLLM server, such as V(http://node:8000).
      - A trailing V(/), V(/v1) or V(/v1/) is accepted. The scheme is V(http) or V(https), and no user and password
        may be in it.
      - Address every server instance directly, never through a load balancer, since each has adapters of its own.
      - If not set, the environment variable E(VLLM_BASE_URL) is used.
    type: str
    required: true
  api_key:
    description:
      - Key of the server, sent as bearer token.
      - If not set, the environment variable E(VLLM_API_KEY) is used. It is looked up on the controller, where AWX
        injects it, and then on the host that runs the module. The task keyword C(environment) wins over both.
      - A host with the variable C(vllm_api_key_env), as the inventory P(sovereign.vllm.vllm#inventory) sets it for an
        endpoint with a key of its own, has its key in the variable of the controller that is named there, and in no other.
    type: str
  validate_certs:
    description: Whether the certificate of the server is verified.
    type: bool
    default: true
  timeout:
    description:
      - Seconds that one answer may take.
      - Connecting is given up after 10 seconds or after O(timeout), whichever is less.
    type: float
    default: 30.0
  retries:
    description:
      - How often a request is repeated that found the server unreachable, or was answered 429, 502, 503 or 504.
      - Only reads are repeated as they are. After a write whose answer was lost, the list of models is read before
        anything else.
    type: int
    default: 2
  unreachable_as:
    description:
      - How a server that gives no usable answer is reported.
      - V(unreachable) is Ansible's own UNREACHABLE. It takes the host out of the play and skips C(rescue).
      - V(failed) is for hosts that are fine while their vLLM is down, and for C(until) and C(rescue).
    type: str
    choices: [unreachable, failed]
    default: unreachable
requirements:
  - requests, on the host that runs the module, or in Ansible's own Python where the task runs on the controller
"""

    # The options that modules and inventory have alike.
    SHARED = r"""
options:
  ca_path:
    description:
      - File with the certificates of the authorities that are trusted, in PEM, or directory with such files under the names
        that C(openssl rehash) gives them. No other authority is trusted then.
      - If not set, the file or directory that E(REQUESTS_CA_BUNDLE) names is used, or else E(CURL_CA_BUNDLE), or else
        E(SSL_CERT_FILE) together with E(SSL_CERT_DIR), which can list several directories. The first that is set counts alone.
      - If none of them is set, the authorities of the system are trusted, and those of the Python library certifi if it is
        there.
      - The variables are those of the host that runs the module, with those of the task keyword C(environment). The event
        source C(sovereign.vllm.drift) follows the same rule.
    type: path
  client_cert:
    description: File with the client certificate, and with its key unless O(client_key) names another file.
    type: path
  client_key:
    description: File with the key of the client certificate.
    type: path
  retry_delay:
    description:
      - Seconds before the first repetition. They double with each one, up to O(timeout), with some jitter.
      - A C(Retry-After) is complied with instead. One that asks for more than O(timeout) ends the repetitions.
    type: float
    default: 1.0
  use_proxy:
    description:
      - Whether a proxy that the environment names is used.
      - E(https_proxy) or E(http_proxy) names it, by the scheme of O(base_url), or else E(all_proxy). E(no_proxy) lists hosts,
        domains, addresses and networks that are asked directly. Names in capitals are read if those in lower case are not set.
      - The event source C(sovereign.vllm.drift) follows the same rule.
    type: bool
    default: true
"""

    # The options of modules that load adapters.
    WRITE = r"""
options:
  load_timeout:
    description:
      - Seconds that one load may take. Reading a large adapter takes long.
      - A load goes on when its client has gone. When its answer is lost, or is a 5xx that is not vLLM's own, the list of
        models is polled until this has passed, and at least for O(timeout), before judging.
      - A C(Retry-After) for a load or an unload is complied with up to this, since giving up in the middle of a swap would
        leave a name unserved.
    type: float
    default: 300.0
  reload_strategy:
    description:
      - How a name that is served gets another artifact.
      - V(replace) loads the new artifact under a temporary name, which validates it while the served one is
        untouched, then unloads and loads the real name, and unloads the temporary one. If the first step fails,
        nothing has changed. If a later one fails, the old artifact is loaded again. The name is missing for the time
        of two requests, tens of milliseconds for a small adapter. Requests in flight finish on the old weights.
      - V(in_place) also loads the new artifact under a temporary name first, then loads the real name in one request
        (vLLM 0.15 and later), and unloads the temporary one. The name is never missing. Requests in flight go on with
        mixed weights.
      - From 0.15 to 0.32, vLLM keeps the flag of V(in_place) with the adapter. Until the adapter is unloaded, vLLM then
        reads it from disk at every step, which makes generating about two to three times slower, and removing the
        directory kills the server. From 0.33 on, vLLM forgets the flag after the load.
    type: str
    choices: [replace, in_place]
    default: replace
"""

    # The options that declare one adapter.
    ADAPTER = r"""
options:
  name:
    description:
      - Name under which requests ask for the adapter.
      - It must not be the name of a base model that the server serves.
    type: str
    required: true
    aliases: [lora_name]
  path:
    description:
      - Directory of the adapter on the node, as the server sees it, which is inside its container if it runs in one.
      - Required unless O(state=absent). Paths are compared normalised, so that V(/a/b/) is V(/a/b), and sent as
        written.
      - It must be absolute unless O(allow_hub=true). A path that begins with V(~) is always refused, since the server would
        look below the home directory of the user that it runs as.
    type: str
    aliases: [lora_path]
  base_model:
    description:
      - Name of a base model that the server has to serve.
      - This is an assertion. vLLM loads every adapter onto the base model that it serves, so a server that does not
        serve this one fails the task before anything is written. An alias of the base model does as well.
    type: str
    aliases: [base_model_name]
  is_3d_lora_weight:
    description:
      - Whether the weights of a mixture-of-experts adapter are laid out in three dimensions (vLLM 0.22 and later).
      - A server does not tell how an adapter was loaded. The option takes effect at the next load and never is drift
        by itself.
      - Where the model is wrapped in two dimensions, the server needs C(--enable-mixed-moe-lora-format) as well.
    type: bool
    default: false
  allow_hub:
    description:
      - Whether O(path) may be relative.
      - vLLM takes a path that is not absolute, and not there below the directory that it was started in, for the name of a
        repository on a model hub, and downloads it while all generating waits.
    type: bool
    default: false
  state:
    description:
      - V(present) loads the adapter if it is missing, and puts the artifact at O(path) in its place if it is served
        from elsewhere.
      - V(reloaded) does the same, and loads it anew even if it is served from O(path). This is always a change.
      - V(absent) unloads it.
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
    description: Whether the certificates of the servers are verified.
    type: bool
    default: true
  timeout:
    description:
      - Seconds that one server may take for all its answers.
      - Connecting is given up after 10 seconds or after O(timeout), whichever is less.
    type: float
    default: 30.0
  retries:
    description:
      - How often a request is repeated that found the server unreachable, or was answered 429, 502, 503 or 504.
      - Each time adds up to another O(timeout) to what a dead site costs.
    type: int
    default: 0
requirements:
  - requests, in Ansible's own Python
"""
