"""``engine validate --changed``: real git repositories, real projects; only what a change may have broken is told."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from engine.cli.affected import Text, affected, text_of
from engine.cli.main import main

CONNECTIONS = (
    "connections:\n  hub: {http: {base_url: http://localhost:1}}\n  spare: {http: {base_url: http://localhost:2}}\n"
)


def pipeline(name: str, extra: str = "", connection: str = "hub", wrong: bool = False) -> str:
    target = f"{{http: {{connection: {connection}, path: /x}}}}"
    return f"pipeline: {name}\n{extra}source: {{inline: {{rows: [{{id: 1}}]}}}}\ntarget: {target}\n" + (
        "wong: 1\n" if wrong else ""
    )


FILES = {
    "connections/hub.yaml": CONNECTIONS,
    "pipelines/first.yaml": pipeline("first"),
    "pipelines/second.yaml": pipeline("second", "triggers: [{after: first}]\n"),
    "pipelines/third.yaml": pipeline("third", "triggers: [{after: second}]\n"),
    "pipelines/other.yaml": pipeline("other", connection="spare"),
    "pipelines/old-sin.yaml": pipeline("old-sin", connection="spare", wrong=True),
}


class Repository:
    """A project in a git repository of its own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.git("init", "--quiet", "--initial-branch=main")
        for name, value in {"user.name": "Ana", "user.email": "ana@example.com", "commit.gpgsign": "false"}.items():
            self.git("config", name, value)
        for file, text in FILES.items():
            self.write(file, text)

    def git(self, *arguments: str) -> str:
        done = subprocess.run(("git", *arguments), cwd=self.root, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def write(self, file: str, text: str) -> None:
        (self.root / file).parent.mkdir(parents=True, exist_ok=True)
        (self.root / file).write_text(text)

    def commit(self) -> str:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "change")
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GITHUB_ACTIONS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", "/dev/null")
    made = Repository(tmp_path)
    made.commit()
    return made


@pytest.fixture
def changed(repository: Repository, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run it; returns the exit code and the files with problems, or what stderr says."""

    def call(*arguments: str, project: Path | None = None) -> tuple[int, list[str]]:
        root = ["--project", str(project or repository.root)]
        code = main(["validate", *root, "--format", "json", *(arguments or ("--changed",))])
        said = capsys.readouterr()
        if not said.out:
            return code, [said.err]
        return code, sorted({one["file"] for one in json.loads(said.out)["problems"]})

    return call


def test_without_a_change_old_sins_are_not_told(changed) -> None:
    """The control: without --changed they are."""
    assert changed("--changed") == (0, [])
    assert changed("--strict")[1] == ["pipelines/old-sin.yaml"]


@pytest.mark.parametrize("how", ["working tree", "staged", "committed", "not tracked"])
def test_every_kind_of_change_counts(repository: Repository, changed, how: str) -> None:
    repository.git("checkout", "--quiet", "-b", "work")
    file = "pipelines/new.yaml" if how == "not tracked" else "pipelines/first.yaml"
    repository.write(file, pipeline("new" if how == "not tracked" else "first", wrong=True))
    if how == "staged":
        repository.git("add", "--all")
    elif how == "committed":
        repository.commit()
    assert changed() == (2, [file])


def test_what_others_did_on_the_main_branch_meanwhile_is_not_ours(repository: Repository, changed) -> None:
    """The merge base counts, not the tip."""
    repository.git("checkout", "--quiet", "-b", "work")
    repository.write("pipelines/first.yaml", pipeline("first", wrong=True))
    repository.commit()
    repository.git("checkout", "--quiet", "main")
    repository.write("pipelines/other.yaml", pipeline("other", "description: y\n"))
    repository.commit()
    repository.git("checkout", "--quiet", "work")
    assert changed("--changed=main") == (2, ["pipelines/first.yaml"])


def test_a_connection_that_goes_is_told_where_it_is_used(repository: Repository, changed) -> None:
    repository.write("connections/hub.yaml", CONNECTIONS.replace("hub:", "hob:"))
    code, files = changed()
    assert code == 2
    assert files == ["pipelines/first.yaml", "pipelines/old-sin.yaml",
                     "pipelines/second.yaml", "pipelines/third.yaml"]  # fmt: skip


def test_a_file_of_connections_that_is_deleted_is_told_where_it_was_used(repository: Repository, changed) -> None:
    (repository.root / "connections/hub.yaml").unlink()
    assert "pipelines/first.yaml" in changed()[1]


def test_a_pipeline_that_is_renamed_is_told_where_it_is_waited_for(repository: Repository, changed) -> None:
    repository.write("pipelines/first.yaml", pipeline("primero"))
    assert changed() == (2, ["pipelines/second.yaml"])


def test_a_circle_is_told_although_it_stands_in_another_file(repository: Repository, changed) -> None:
    repository.write("pipelines/third.yaml", pipeline("third", "triggers: [{after: second}]\n"))
    repository.write("pipelines/second.yaml", pipeline("second", "triggers: [{after: third}]\n"))
    assert changed()[0] == 2


def test_a_connection_that_nobody_uses_any_more_is_told(repository: Repository, changed) -> None:
    """The warning stands in a file that did not change."""
    for name in ("other", "old-sin"):
        repository.write(f"pipelines/{name}.yaml", pipeline(name))
    assert changed("--changed", "--strict") == (2, ["connections/hub.yaml"])


def test_rows_that_change_concern_the_definitions_that_name_them(repository: Repository, changed) -> None:
    repository.write("pumps.csv", "pump,speed\nA,1\n")
    rows = 'for_each: {file: pumps.csv, key: pump}\ndescription: "${each.speed}"\n'
    repository.write("pipelines/pumps.yaml", pipeline("pumps", rows))
    repository.commit()
    assert changed("--changed=HEAD") == (0, [])
    repository.write("pumps.csv", "pump,sped\nA,1\n")
    assert changed("--changed=HEAD") == (2, ["pipelines/pumps.yaml"])


def test_settings_concern_everything(repository: Repository, changed) -> None:
    repository.write("engine.yaml", "engine: 1\n")
    assert changed() == (2, ["pipelines/old-sin.yaml"])


def test_a_project_in_a_folder_of_the_repository(repository: Repository, changed) -> None:
    """Changes beside it are none of its own."""
    for file, text in FILES.items():
        repository.write(f"integrations/{file}", text)
    repository.commit()
    repository.write("pipelines/first.yaml", pipeline("first", wrong=True))
    inner = repository.root / "integrations"
    assert changed("--changed=HEAD", project=inner) == (0, [])
    repository.write("integrations/pipelines/third.yaml", pipeline("third", wrong=True))
    assert changed("--changed=HEAD", project=inner) == (2, ["pipelines/third.yaml"])


def test_names_with_odd_signs(repository: Repository, changed) -> None:
    repository.write("pipelines/ação nova 漢.yaml", pipeline("nova", wrong=True))
    assert changed() == (2, ["pipelines/ação nova 漢.yaml"])


def test_paths_choose_among_what_changed(repository: Repository, changed) -> None:
    repository.write("pipelines/first.yaml", pipeline("first", wrong=True))
    repository.write("pipelines/other.yaml", pipeline("other", connection="spare", wrong=True))
    assert changed("--changed=main", "pipelines/other.yaml") == (2, ["pipelines/other.yaml"])


def test_the_usual_branch_is_that_of_origin(tmp_path: Path, repository: Repository, changed) -> None:
    clone = tmp_path / "clone"
    repository.git("branch", "--quiet", "-m", "main", "trunk")
    subprocess.run(("git", "clone", "--quiet", str(repository.root), str(clone)), check=True, capture_output=True)
    work = Repository.__new__(Repository)
    work.root = clone
    work.git("config", "user.name", "Ana")
    work.git("config", "user.email", "ana@example.com")
    work.git("checkout", "--quiet", "-b", "work")
    work.write("pipelines/first.yaml", pipeline("first", wrong=True))
    work.commit()
    assert changed("--changed", project=clone) == (2, ["pipelines/first.yaml"])


# what goes wrong is said


def test_no_repository_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    code, said = changed("--changed", project=outside)
    assert code == 2
    assert "--changed needs a git repository" in said[0]


def test_no_git_is_said(monkeypatch: pytest.MonkeyPatch, changed, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    code, said = changed("--changed")
    assert code == 2
    assert "there is no program 'git' here" in said[0]


@pytest.mark.parametrize("name", ["nowhere", "HEAD~99", "main:pipelines"])
def test_an_unknown_commit_is_said(changed, name: str) -> None:
    code, said = changed(f"--changed={name}")
    assert code == 2
    assert f"no commit '{name}'" in said[0]


def test_a_path_in_place_of_a_commit_is_said(changed, repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repository.root)
    code, said = changed("--changed", "pipelines")
    assert code == 2
    assert "write --changed=REF" in said[0]


def test_nothing_in_common_is_said(repository: Repository, changed) -> None:
    """As in a shallow clone."""
    repository.git("checkout", "--quiet", "--orphan", "alone")
    repository.write("note.txt", "else this would be the very same commit")
    repository.commit()
    code, said = changed("--changed=main")
    assert code == 2
    assert "fetch-depth: 0" in said[0]


def test_a_repository_without_a_commit_is_said(tmp_path: Path, changed) -> None:
    empty = tmp_path / "fresh"
    (empty / "pipelines").mkdir(parents=True)
    Repository(empty)
    code, said = changed("--changed", project=empty)
    assert code == 2
    assert "nothing is committed yet" in said[0]


def test_nothing_changed_is_said(repository: Repository, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", "--project", str(repository.root), "--format", "text", "--changed"]) == 0
    assert capsys.readouterr().err.startswith("nothing changed since main (")


def test_a_change_beside_the_project_is_no_change(repository: Repository, capsys: pytest.CaptureFixture[str]) -> None:
    """The control of the wrong folder, which is exit 2, is not for this."""
    repository.write("README.md", "hello")
    assert main(["validate", "--project", str(repository.root), "--format", "text", "--changed"]) == 0
    assert "nothing changed" in capsys.readouterr().err


# the pure part


def texts(**values: Any) -> dict[str, Text]:
    return {f"pipelines/{name}.yaml": text_of(json.dumps(value), value) for name, value in values.items()}


def test_tests_of_a_changed_pipeline_are_concerned() -> None:
    now = texts(a={"pipeline": "a"}, b={"pipeline": "b"}, t={"tests": [{"test": "x", "pipeline": "a[1]"}]})
    found = affected(["pipelines/a.yaml"], now, {})
    assert found.files == {"pipelines/a.yaml", "pipelines/t.yaml"}


def test_a_name_in_a_variable_may_be_any() -> None:
    source = {"sql": {"connection": "${DB}"}}
    now = texts(a={"pipeline": "a", "source": source}, c={"connections": {"db": {}}}, b={"pipeline": "b"})
    assert affected(["pipelines/c.yaml"], now, {}).files == {"pipelines/c.yaml", "pipelines/a.yaml"}


def test_a_second_definition_of_a_name_concerns_the_first() -> None:
    now = texts(a={"pipeline": "same"}, b={"pipeline": "same"}, c={"pipeline": "c"})
    assert affected(["pipelines/b.yaml"], now, {}).files == {"pipelines/a.yaml", "pipelines/b.yaml"}


@pytest.mark.parametrize("value", [None, [], "x", 1, {"connections": 3, "tests": 4, "pipeline": []}])
def test_odd_files_define_nothing(value: Any) -> None:
    assert text_of("", value).defines == frozenset()
