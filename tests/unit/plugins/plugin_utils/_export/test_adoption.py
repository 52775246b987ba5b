# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A declaration of what a server serves: no adapter differs from it, and the file that holds it is read back as it was."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

if sys.version_info < (3, 10):
    pytest.skip("These run on the controller.", allow_module_level=True)

import yaml
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.declaration import declare_all
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.models import (
    REHEARSAL_SUFFIX,
    BaseModel,
    Card,
    Observed,
)
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.plan import plan
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.pruning import Pruning
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError
from ansible_collections.sovereign.vllm.plugins.plugin_utils._export.adoption import Place, adopt, directory_of
from ansible_collections.sovereign.vllm.plugins.plugin_utils._host.files import Unsafe, as_yaml, write_file

TINY = BaseModel("tiny", "/models/tiny", 256, ("chat",))
OTHER = BaseModel("other", "/models/other", 256)


def observed(*cards: tuple[str, str, str | None], base_models: tuple[BaseModel, ...] = (TINY,)) -> Observed:
    return Observed("http://edge1:8000", base_models, tuple(Card(*card) for card in cards))


def test_the_server_is_in_sync_with_what_is_adopted() -> None:
    seen = observed(
        ("sql", "/srv//sql/", "tiny"),
        ("hub", "acme/sql-lora", "tiny"),
        ("relative", "a/b/c", "tiny"),
        ("{{ name }}", "/srv/{# x", "other"),
        ("stray", "/srv/stray", "unlisted"),
        base_models=(OTHER, TINY),
    )
    adoption = adopt(seen)
    assert adoption.left_out == ()
    assert adoption.adapters[:2] == (
        {"name": "sql", "path": "/srv//sql/", "base_model": "tiny"},
        {"name": "hub", "path": "acme/sql-lora", "base_model": "tiny", "allow_hub": True},
    )
    assert adoption.adapters[-1] == {"name": "stray", "path": "/srv/stray"}
    decided = plan(declare_all(adoption.adapters), seen, Pruning(prune=True))
    assert (decided.changed, decided.verdict) == (False, "in_sync")


def test_temporary_names_are_nobodys_adapters() -> None:
    adoption = adopt(observed((f"sql{REHEARSAL_SUFFIX}", "/srv/sql", "tiny")))
    assert (adoption.adapters, adoption.left_out) == ((), ())


@pytest.mark.parametrize(
    ("name", "root", "reason"),
    [
        ("tiny", "/srv/a", "a base model of the server has this name"),
        ("chat", "/srv/a", "a base model of the server has this name"),
        ("sql", "/srv/b", "the server lists this name twice, and '/srv/a' comes first"),
        ("a\u202eb", "/srv/a", "control or invisible characters"),
        ("home", "~/a", "relative to the home directory"),
        ("nowhere", "", "path is empty"),
        ("keyed", "/srv/********/a", "holds the key of the server"),
    ],
)
def test_what_cannot_be_declared_is_left_out_and_named(name: str, root: str, reason: str) -> None:
    adoption = adopt(observed(("sql", "/srv/a", "tiny"), (name, root, "tiny")))
    assert [adapter["name"] for adapter in adoption.adapters] == ["sql"]
    (sentence,) = adoption.left_out
    assert reason in sentence and sentence.isprintable()
    assert name.replace("\u202e", "\\u202e") in sentence


def test_unsafe_text_is_written_so_that_no_template_is_read() -> None:
    texts = ["{{ x }}", "{% x %}", "{# x", "yes", "1e3", "null", "a: b", "#a", "'\"\\", "*a", "é", "- a", "sql"]
    text = as_yaml({"lora_adapters": [{"name": Unsafe(one)} for one in texts]})
    assert text.count("!unsafe") == 3
    assert text.startswith("lora_adapters:\n  - name: !unsafe")

    class Loader(yaml.SafeLoader):
        pass

    Loader.add_constructor("!unsafe", Loader.construct_yaml_str)
    assert [item["name"] for item in yaml.load(text, Loader)["lora_adapters"]] == texts


@pytest.mark.parametrize("site", ["", ".", "..", "../edge1", "/etc", "a/b"])
def test_no_name_of_a_host_leaves_the_directory(tmp_path: Path, site: str) -> None:
    with pytest.raises(VllmError, match="cannot be the name of a directory"):
        Place(tmp_path, site).check()


@pytest.mark.parametrize("name", ["edge1.yml", "edge1.yaml", "edge1.json", "edge1"])
def test_a_file_that_ansible_would_ignore_is_refused(tmp_path: Path, name: str) -> None:
    place = Place(tmp_path, "edge1")
    place.check()
    (tmp_path / "host_vars").mkdir()
    (tmp_path / "host_vars" / name).write_text("a: 1\n")
    with pytest.raises(VllmError, match="Ansible reads either that file or the directory"):
        place.check()


def test_the_directory_is_that_of_the_first_source_that_has_one(tmp_path: Path) -> None:
    file = tmp_path / "sites" / "hosts.yml"
    file.parent.mkdir()
    file.write_text("")
    for sources in (
        ["a,b,", str(file), str(tmp_path)],
        [str(file.parent), str(tmp_path)],
        [str(tmp_path / "no"), str(file)],
    ):
        assert directory_of(None, sources) == file.parent
    assert directory_of("~", [str(file)]) == Path.home()
    assert directory_of(" ", [str(file)]) == file.parent
    for sources in ([], ["a,b,"]):
        with pytest.raises(VllmError, match="give adopt_directory"):
            directory_of(None, sources)


def test_a_file_is_replaced_at_once_with_its_mode_and_through_its_link(tmp_path: Path) -> None:
    file, link = tmp_path / "new" / "file.yml", tmp_path / "link.yml"
    assert write_file(file, "a\n", check_mode=True)["changed"] and not file.parent.exists()
    assert write_file(file, "a\n", check_mode=False)["diff"]["before"] == ""
    assert file.stat().st_mode & 0o777 == 0o644
    file.chmod(0o600)
    link.symlink_to(file)
    assert write_file(link, "b\n", check_mode=False)["changed"]
    assert not write_file(file, "b\n", check_mode=False)["changed"]
    assert (file.read_text(), file.stat().st_mode & 0o777, link.is_symlink()) == ("b\n", 0o600, True)
    assert [one.name for one in file.parent.iterdir()] == ["file.yml"]
    (tmp_path / "plain").write_text("")
    with pytest.raises(VllmError, match="cannot be written on the controller"):
        write_file(tmp_path / "plain" / "file.yml", "a\n", check_mode=False)
