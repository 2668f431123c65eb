"""``${…}``: what it stands for, of which type, and where it must not be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.definition.document import read
from engine.definition.lookup import Lookup
from engine.definition.shape import Shape
from engine.definition.variables import Resolved, resolve

SCHEMA = {
    "type": "object",
    "properties": {
        "text": {"type": "string"},
        "whole": {"type": "integer"},
        "number": {"type": "number"},
        "flag": {"type": "boolean"},
        "list": {"type": "array", "items": {"type": "string"}},
        "either": {"type": ["string", "integer"]},
        "maybe": {"type": ["string", "null"]},
        "secret": {"type": "string", "x-secret": True},
        "template": {"x-value": "template"},
        "sql": {"type": "string", "x-sql": True},
    },
}
ENVIRON = {
    "N": "7",
    "T": "true",
    "S": "text",
    "L": "a, b",
    "JSON": '["a", 1]',
    "ZERO": "007",
    "EMPTY": "",
    "NULL": "null",
    "BRACES": "{{ 7 * 7 }}{% x %}",
    "ENGINE_SECRET_HUB_TOKEN": "canary",
}


def resolved(text: str, root: Path = Path("/nowhere"), **more: Any) -> tuple[Any, Resolved]:
    document = read("a.yaml", text.encode())
    assert not document.problems
    lookup = Lookup(root, ENVIRON, more.pop("run_secrets", Path("/nowhere")))
    done = resolve(document, Shape.of(SCHEMA, SCHEMA), lookup, more.pop("skip_env", False))
    return document.value, done


TABLE: list[tuple[str, Any]] = [
    ("text: ${N}", "7"),
    ("text: '${N}'", "7"),
    ("whole: ${N}", 7),
    ("whole: '${N}'", 7),
    ("whole: ${ZERO}", "007"),
    ("number: ${N}", 7),
    ("flag: ${T}", True),
    ('flag: "${T}"', True),
    ("flag: ${S}", "text"),
    ("list: ${L}", ["a", "b"]),
    ("list: ${JSON}", ["a", 1]),
    ("either: ${N}", 7),
    ("either: '${N}'", "7"),
    ("either: ${S}", "text"),
    ("free: ${N}", 7),
    ("free: '${N}'", "7"),
    ("free: ${ZERO}", "007"),
    ("free: ${T}", True),
    ("text: x-${N}-${S}", "x-7-text"),
    ("whole: ${NO:-12}", 12),
    ("text: ${EMPTY:-fallback}", "fallback"),
    ("text: ${EMPTY}", ""),
    ("maybe: ${NO:-null}", None),
    ("maybe: '${NULL}'", "null"),
    ("free: ${NO:-null}", None),
    ("text: a $${N} b", "a ${N} b"),
    ("text: $${N}", "${N}"),
    ("text: costs $5", "costs $5"),
    ("template: a ${BRACES}", "a {{ '{' }}{ 7 * 7 }}{{ '{' }}% x %}"),
]


@pytest.mark.parametrize(("text", "value"), TABLE, ids=[text for text, _ in TABLE])
def test_takes_the_type_the_place_asks_for(text: str, value: Any) -> None:
    """A scalar that is one variable is typed by its schema; where anything may stand, by its quotes."""
    found, done = resolved(text)
    assert not done.findings
    assert next(iter(found.values())) == value
    assert type(next(iter(found.values()))) is type(value)


def test_null_takes_an_option_away() -> None:
    """``:-null`` on an option that knows no null leaves it out."""
    assert resolved("text: ${NO:-null}\nwhole: ${NO:-null}\nflag: ${T}")[0] == {"flag": True}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a: ${NO}", "missing-variable"),
        ("a: ${secret:other}", "secret-in-mapping"),
        ("secret: ${secret:other}", "missing-secret"),
        ("a: ${file:no/such}", "missing-file"),
        ("a: ${{ record.id }}", "dollar-template"),
        ("a: ${env:X}", "bad-variable"),
        ("a: ${1X}", "bad-variable"),
        ("a: ${X", "bad-variable"),
        ("secret: ${secret:../x}", "bad-variable"),
        ("a: ${each.column}", "no-for-each"),
        ("a: ${param.x}", "not-yet"),
    ],
)
def test_what_cannot_be_had_is_said_at_its_place(text: str, code: str) -> None:
    """One finding, at the scalar."""
    key = text.partition(":")[0]
    _, done = resolved(text)
    assert [(finding.code, finding.path) for finding in done.findings] == [(code, (key,))]
    assert done.unknown == {(key,)}


def test_skip_env_excuses_what_is_missing_and_nothing_else() -> None:
    """``--skip-env`` is for machines without the environment, not for mistakes."""
    text = "a: ${NO}\nsecret: ${secret:other}\nb: ${{ x }}\nwhole: ${NO}\nflag: ${NO}"
    value, done = resolved(text, skip_env=True)
    assert [finding.code for finding in done.findings] == ["dollar-template"]
    assert value["whole"] == 1
    assert value["flag"] is False


def test_secrets_come_from_three_places_in_order(tmp_path: Path) -> None:
    """The environment, then the project's folder, then the machine's."""
    (tmp_path / "secrets").mkdir()
    (tmp_path / "run").mkdir()
    for folder in ("secrets", "run"):
        (tmp_path / folder / "hub-token").write_text(f"{folder}\n")
        (tmp_path / folder / "second").write_text(f"{folder}\n")
    (tmp_path / "run" / "third").write_text("run\n")
    for name, expected in (("hub-token", "canary"), ("second", "secrets"), ("third", "run")):
        value, done = resolved(f"secret: ${{secret:{name}}}", tmp_path, run_secrets=tmp_path / "run")
        assert value["secret"] == expected
        assert done.secrets == {expected}


def test_a_file_is_read_without_its_last_line_end(tmp_path: Path) -> None:
    """``${file:path}`` is the file's text, relative to the project."""
    (tmp_path / "query.graphql").write_text("one\ntwo\n")
    assert resolved("text: ${file:query.graphql}", tmp_path)[0] == {"text": "one\ntwo"}


def test_sql_is_left_alone() -> None:
    """Nothing is ever put into SQL; the check of SQL refuses it."""
    assert resolved("sql: select ${N}")[0] == {"sql": "select ${N}"}


def test_what_an_environment_puts_into_a_secret_option_is_a_secret() -> None:
    """It is masked by value, wherever it came from."""
    assert resolved("secret: ${S}")[1].secrets == {"text"}
