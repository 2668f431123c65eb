"""A footprint differs when, and only when, what a project is made of has changed."""

import os
from pathlib import Path

import pytest

from engine.service.footprint import differing, footprint, look, named, vanished


@pytest.fixture
def root(tmp_path):
    for name in (
        "engine.yaml",
        ".env",
        "pipelines/a.yaml",
        "pipelines/deep/b.yml",
        "connections/c.yaml",
        "secrets/key",
    ):
        write(tmp_path / name, "x: 1\n")
    return tmp_path


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def keeping_times(path: Path, text: str) -> None:
    facts = path.stat()
    path.write_text(text)
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))


def new_inode(path: Path) -> None:
    text = path.read_text()
    path.with_name(".new").write_text(text)
    os.replace(path.with_name(".new"), path)


CHANGES = {
    "settings": lambda root: write(root / "engine.yaml", "y: 10\n"),
    "dotenv": lambda root: write(root / ".env", "y: 10\n"),
    "a pipeline": lambda root: write(root / "pipelines/a.yaml", "y: 10\n"),
    "a pipeline below": lambda root: write(root / "pipelines/deep/b.yml", "y: 10\n"),
    "a new file": lambda root: write(root / "connections/d.yaml", ""),
    "a new folder": lambda root: write(root / "presets/d.yaml", ""),
    "a file gone": lambda root: (root / "pipelines/a.yaml").unlink(),
    "a file renamed": lambda root: (root / "pipelines/a.yaml").rename(root / "pipelines/z.yaml"),
    "a secret": lambda root: write(root / "secrets/key", "y: 10\n"),
    "a new secret": lambda root: write(root / "secrets/other", ""),
    "the same size and time": lambda root: keeping_times(root / "pipelines/a.yaml", "x: 2\n"),
    "a file renamed over it": lambda root: new_inode(root / "pipelines/a.yaml"),
}

NO_CHANGES = {
    "an editor's file": lambda root: write(root / "pipelines/.a.yaml.swp", "y"),
    "a backup": lambda root: write(root / "pipelines/a.yaml~", "y"),
    "an editor's lock": lambda root: os.symlink("nobody@nowhere", root / "pipelines/.#a.yaml"),
    "a numbered file of vi": lambda root: write(root / "pipelines/4913", ""),
    "what the engine writes": lambda root: write(root / "data/engine.db", "y"),
    "a file beside": lambda root: write(root / "README.md", "y"),
    "another kind": lambda root: write(root / "pipelines/notes.txt", "y"),
    "a hidden folder": lambda root: write(root / "pipelines/.git/a.yaml", "y"),
    "an empty folder": lambda root: (root / "pipelines/new").mkdir(),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_matters_changes_it(root, change):
    before = footprint(root)
    change(root)
    assert footprint(root) != before


@pytest.mark.parametrize("change", NO_CHANGES.values(), ids=NO_CHANGES)
def test_what_does_not_matter_leaves_it(root, change):
    before = footprint(root)
    change(root)
    assert footprint(root) == before


def test_a_link_that_points_elsewhere_changes_it(root, tmp_path_factory):
    """Also where what it points to is of the same age and size."""
    elsewhere = tmp_path_factory.mktemp("releases")
    for name in ("1", "2"):
        write(elsewhere / name / "a.yaml", "x: 1\n")
    os.symlink(elsewhere / "1" / "a.yaml", root / "pipelines/linked.yaml")
    before = footprint(root)
    assert before[str(root / "pipelines/linked.yaml")][4] == str(elsewhere / "1" / "a.yaml")
    (root / "pipelines/linked.yaml").unlink()
    os.symlink(elsewhere / "2" / "a.yaml", root / "pipelines/linked.yaml")
    assert differing(before, footprint(root)) == [str(root / "pipelines/linked.yaml")]


def test_a_file_behind_a_link_changes_it(root, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "real.yaml"
    write(elsewhere, "x: 1\n")
    os.symlink(elsewhere, root / "pipelines/linked.yaml")
    before = footprint(root)
    write(elsewhere, "x: 22\n")
    assert footprint(root) != before


def test_a_link_to_nothing_is_no_file(root):
    os.symlink("nowhere", root / "pipelines/linked.yaml")
    assert footprint(root)[str(root / "pipelines/linked.yaml")] is None


def test_files_beside_the_project_count_where_they_are_named(root):
    also = [root / "order.json"]
    before = footprint(root, also)
    write(root / "order.json", "{}")
    after = footprint(root, also)
    assert before[str(root / "order.json")] is None
    assert differing(before, after) == [str(root / "order.json")]
    assert footprint(root) == footprint(root), "the control: without a name it does not"
    assert str(root / "order.json") not in footprint(root)


def test_a_folder_of_secrets_elsewhere_counts(root, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run-secrets")
    before = footprint(root, [folder])
    write(folder / "hub-token", "s3cret")
    assert differing(before, footprint(root, [folder])) == [str(folder / "hub-token")]


def test_what_has_gone_is_named(root):
    before = footprint(root)
    (root / "connections/c.yaml").unlink()
    write(root / "pipelines/new.yaml", "")
    assert vanished(before, footprint(root)) == [str(root / "connections/c.yaml")]


TEXT = """\
pipeline: a
triggers:
  - webhook: {path: /a, schema: schemas/order.json, auth: [{jwt: {jwks: "keys.json"}}]}
for_each: {file: rows.csv, key: machine}
source: {file: {path: data/in.csv, format: csv}}
mapping: {unit: "{{ lookup_table('units.csv', 'code', code) }}"}
target:
  http: {url: "https://example.org/x", tls: {ca: ../ca.pem}, body: "${file:body.txt:-none}"}
  key: external_id
"""


def test_the_files_that_texts_name_are_found_and_no_data(root):
    write(root / "pipelines/a.yaml", TEXT)
    write(root / "engine.yaml", "listen: {tls: {cert: cert.pem, key: plain}}\n")
    found = {str(path.relative_to(root)) for path in named(root)}
    assert found == {"schemas/order.json", "keys.json", "rows.csv", "../ca.pem", "body.txt", "cert.pem"}
    write(root / "plain", "")
    assert root / "plain" in named(root), "a name without a dot is one where there is such a file"


def test_a_look_takes_the_named_files_in(root):
    write(root / "pipelines/a.yaml", TEXT)
    before = look(root)
    write(root / "keys.json", "{}")
    assert differing(before, look(root)) == [str(root / "keys.json")]


def test_strange_names_do_no_harm(root):
    write(root / "pipelines/a.yaml", f"schema: {'x' * 300}.json\njwks: a\0b.json\nfile: data/\n" + "key: 'unclosed\n")
    (root / "data").mkdir()
    assert named(root) == (root / f"{'x' * 300}.json",)
    assert look(root)[str(root / f"{'x' * 300}.json")] is not None
