"""The files that say shapes are part of what a reload looks at, and are read once."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.compiler.shapes.files import MAX_BYTES, Files, Unreadable
from engine.service.footprint import look, named


def test_a_reload_sees_them_change(tmp_path: Path) -> None:
    """``tables:``, ``schema:``, ``openapi:`` name files of the project."""
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "connections").mkdir()
    (tmp_path / "connections" / "db.yaml").write_text("connections: {db: {sql: {url: x, tables: shop.sql}}}\n")
    (tmp_path / "pipelines" / "p.yaml").write_text(
        "pipeline: p\nsource: {http: {url: x, schema: {openapi: api.yaml, operation: x}}}\n"
        "target: {graphql: {connection: x, schema: 'hub.json'}}\n"
    )
    assert {path.name for path in named(tmp_path)} == {"shop.sql", "api.yaml", "hub.json"}
    before = look(tmp_path)
    (tmp_path / "shop.sql").write_text("create table t (a int);")
    assert look(tmp_path) != before


def test_a_file_is_read_once_a_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Be it good or bad."""
    (tmp_path / "a.json").write_text("{}")
    (tmp_path / "b.json").write_text("{")
    read: list[str] = []
    whole = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: read.append(path.name) or whole(path))
    files = Files(tmp_path)
    for _ in range(3):
        assert files.data("a.json") == {}
        with pytest.raises(Unreadable, match="is not JSON"):
            files.data("b.json")
    assert read == ["a.json", "b.json"]


@pytest.mark.parametrize(
    ("name", "content", "fact"),
    [
        ("../a.json", b"{}", "outside"),
        ("/etc/hostname", b"{}", "outside"),
        ("", b"{}", "not the name"),
        ("a\0.json", b"{}", "not the name"),
        ("a.json", b"\xff\xfe{}", "not UTF-8"),
        ("a.json", b" " * (MAX_BYTES + 1), "larger than 8 MiB"),
        ("a.json", b"[" * 200_000, "not JSON|nested too deeply"),
        ("a.yaml", b"a: [", "cannot be read"),
        ("a.yaml", b"a: &a [1]\nb: *a\n" + b"c: [" * 200, "cannot be read|too large"),
        ("a.jsn", b"{}", "there is no file"),
    ],
)
def test_what_cannot_be_read(tmp_path: Path, name: str, content: bytes, fact: str) -> None:
    """Says why."""
    project = tmp_path / "project"
    project.mkdir()
    for one in (tmp_path / "a.json", project / "a.json", project / "a.yaml"):
        one.write_bytes(content)
    with pytest.raises(Unreadable, match=fact):
        Files(project).data(name)


def test_a_link_does_not_lead_outside(tmp_path: Path) -> None:
    """Nor do folders of ``files:`` that are not named."""
    project = tmp_path / "project"
    project.mkdir()
    (tmp_path / "secret.json").write_text("{}")
    (project / "link.json").symlink_to(tmp_path / "secret.json")
    with pytest.raises(Unreadable, match="outside"):
        Files(project).data("link.json")
    assert Files(project, (tmp_path,)).data("link.json") == {}
