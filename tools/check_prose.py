# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""usage: check_prose.py [WORD ...]

Count the sentences that begin with a clause, the words that few operators use, and the task names with a pronoun or without a
verb at the beginning, by file. With words, show these sentences and names in the files whose paths contain one of the words.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import yaml

PROJECT = Path(__file__).resolve().parents[1]
PAGES = ("*.md", "docs/docsite/rst/*.rst")
PLUGINS = ("plugins/*/*.py", "extensions/eda/plugins/event_source/*.py")
SPECIFICATIONS = ("roles/*/meta/argument_specs.yml",)
TASKS = ("roles/*/tasks/**/*.yml", "roles/*/handlers/*.yml", "playbooks/**/*.yml", "examples/**/*.yml")
TASKS += ("extensions/molecule/**/*.yml",)

CLAUSE = re.compile(r"(What|Whatever|Whoever|Who|Whether(?! to\b)|That|How(?! to\b)|Where)\b(?!.*\?$)")
RARE = re.compile(
    r"\b(anew|alone|whoever|somebody|nobody|besides|all the same|as declared|in its place|of its own|of their own)\b",
    re.I,
)
# A task name is read alone in a log, so it repeats the noun.
PRONOUN = re.compile(r"\b(it|its|they|them|their|itself|themselves)\b", re.I)
NO_VERB = re.compile(r"(What|Who|Whether|That|How|Where|When|The|An?|All|Each|Every|Nothing|No|Not|Only|If|[a-z])\b")

_CODE = re.compile(
    r"(?s:```.*?```)|^( *)\.\. (?:code-block|literalinclude|toctree|_).*\n(?:(?:\1 +.*)?\n)*|^ *[=~^\"'-]{4,}$",
    re.MULTILINE,
)
# A blank line, a list item, a cell of a table and a directive each begin a new text.
_BREAK = re.compile(r"\n\s*\n|\n\s*(?:[*-] )+|\n\s*\d+\. |\n\s*\|?(?=\.\. |\|)")
_DIRECTIVE = re.compile(r"\.\. [\w-]+::|:[\w-]+: |^[\s*#|>-]+")
_PROSE_KEYS = {"description", "short_description", "details", "notes", "requirements"}


@dataclass
class Found:
    """The counts of one file, and the texts that break a rule."""

    sentences: int = 0
    words: int = 0
    clauses: list[str] = field(default_factory=list)
    rare: list[str] = field(default_factory=list)
    tasks: list[str] = field(default_factory=list)

    def read(self, text: str) -> None:
        """Count the sentences of a text."""
        for sentence in re.split(r"(?<=[.!?:])\s+(?=[A-Z`*])", re.sub(r"\s+", " ", text).strip()):
            words = len(sentence.split())
            if words < 5:
                continue
            self.sentences += 1
            self.words += words
            self.clauses += [sentence] if CLAUSE.match(sentence) else []
            self.rare += [sentence] * len(RARE.findall(sentence))

    def read_tasks(self, names: Iterable[str]) -> None:
        """Keep the names that have a pronoun, or begin with something other than a verb."""
        self.tasks += [name for name in names if PRONOUN.search(name) or NO_VERB.match(name)]


class _Loader(yaml.SafeLoader):
    """Reads files with the tags of Ansible."""


_Loader.add_multi_constructor("!", lambda loader, _tag, node: loader.construct_scalar(node))


def documents(text: str) -> list:
    """Return the documents of a YAML file."""
    return list(yaml.load_all(text, _Loader))


def page_texts(page: str) -> Iterator[str]:
    """Yield the paragraphs of a page, without its code."""
    for text in _BREAK.split("\n" + _CODE.sub("\n\n", page)):
        yield _DIRECTIVE.sub("", text)


def documented_texts(node: object, key: str = "") -> Iterator[str]:
    """Yield the texts of a documentation in YAML."""
    if isinstance(node, dict):
        for name, value in node.items():
            yield from documented_texts(value, name)
    elif isinstance(node, list):
        for value in node:
            yield from documented_texts(value, key)
    elif isinstance(node, str) and key in _PROSE_KEYS:
        yield node


def task_names(node: object) -> Iterator[str]:
    """Yield the names of plays, blocks and tasks."""
    for entry in node if isinstance(node, list) else ():
        if not isinstance(entry, dict):
            continue
        is_task = any(str(key).count(".") == 2 or key in ("hosts", "block", "import_playbook") for key in entry)
        if is_task and isinstance(entry.get("name"), str):
            yield entry["name"]
        for key in ("tasks", "pre_tasks", "post_tasks", "handlers", "block", "rescue", "always"):
            yield from task_names(entry.get(key))


def _strings(source: str) -> Iterator[tuple[str, str]]:
    """Yield the constants of a plugin or a documentation fragment that hold YAML."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and "\n" in str(node.value.value):
            yield getattr(node.targets[0], "id", ""), str(node.value.value)


def read(file: Path) -> Found:
    """Return what a page, a plugin, a specification or a file of tasks has."""
    found, text = Found(), file.read_text(encoding="utf-8")
    if file.suffix == ".py":
        strings = [(name, document) for name, string in _strings(text) for document in documents(string)]
        found.read_tasks(
            name for constant, document in strings if constant == "EXAMPLES" for name in task_names(document)
        )
        paragraphs = [text for name, document in strings if name != "EXAMPLES" for text in documented_texts(document)]
    elif file.suffix == ".yml":
        found.read_tasks(name for document in documents(text) for name in task_names(document))
        paragraphs = list(documented_texts(documents(text))) if file.name == "argument_specs.yml" else []
    else:
        paragraphs = list(page_texts(text))
    for paragraph in paragraphs:
        found.read(paragraph)
    return found


def check() -> dict[str, Found]:
    """Return what was found, by file."""
    files = sorted(file for pattern in (*PAGES, *PLUGINS, *SPECIFICATIONS, *TASKS) for file in PROJECT.glob(pattern))
    return {str(file.relative_to(PROJECT)): read(file) for file in files}


def summary(found: Iterable[Found]) -> tuple[float, float, int]:
    """Return the percentage of clauses, the rare words in 1,000, and the number of task names to change."""
    files = list(found)
    sentences, words = sum(file.sentences for file in files), sum(file.words for file in files)
    clauses, rare = sum(len(file.clauses) for file in files), sum(len(file.rare) for file in files)
    return 100 * clauses / max(1, sentences), 1000 * rare / max(1, words), sum(len(file.tasks) for file in files)


def main(words: list[str]) -> None:
    found = check()
    print("{:.1f}% clauses, {:.1f} rare words in 1,000, {} task names".format(*summary(found.values())))
    for name, file in sorted(found.items(), key=lambda item: -len(item[1].clauses + item[1].rare + item[1].tasks)):
        if file.clauses or file.rare or file.tasks:
            counts = (
                f"{len(file.clauses)} of {file.sentences} clauses, {len(file.rare)} rare, {len(file.tasks)} task names"
            )
            print(f"{name}: {counts}")
            if any(word in name for word in words):
                print(*(f"    {text}" for text in (*file.clauses, *file.rare, *file.tasks)), sep="\n")


if __name__ == "__main__":
    main(sys.argv[1:])
