"""What CI systems read and run, in the shape they do it: hooks with file names, an action's scripts in bash with the
variables of a runner, a GitLab job line by line. The systems themselves are not here; nor is what installs packages.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
GOOD = "pipeline: good\nsource: {inline: {rows: [{id: 1}]}}\ntarget: {console: {}}\n"
BAD = GOOD.replace("good", "bad").replace("console", "consol")
WARNED = GOOD.replace("pipeline: good", "pipeline: warned\nparams: {unread: {type: string}}")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository in which the project is a folder."""
    for name, text in {"good": GOOD, "bad": BAD, "warned": WARNED}.items():
        path = tmp_path / f"shop/pipelines/{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/engine").write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m engine "$@"\n')
    # an installation is seen, not made: it would need a package index
    (tmp_path / "bin/python").write_text('#!/bin/sh\nprintf "%s\\n" "$@" > "$INSTALLED"\n')
    for tool in ("engine", "python"):
        (tmp_path / "bin" / tool).chmod(0o755)
    return tmp_path


def bash(checkout: Path, script: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a script as the runners of GitHub and GitLab do."""
    known = {"PATH": f"{checkout / 'bin'}:/usr/bin:/bin", "HOME": str(checkout), "PYTHONPATH": str(ROOT),
             "INSTALLED": str(checkout / "installed")}  # fmt: skip
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
    return subprocess.run(command, cwd=checkout, env={**known, **environ}, capture_output=True, text=True, timeout=60)


# pre-commit

HOOKS = {hook["id"]: hook for hook in yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())}


@pytest.mark.parametrize("name", HOOKS)
def test_a_hook_has_what_pre_commit_wants(name: str) -> None:
    hook = HOOKS[name]
    assert {"id", "name", "entry", "language"} <= hook.keys()
    assert hook["language"] == "python"
    assert hook["require_serial"] is True


@pytest.mark.parametrize(
    ("file", "taken"),
    [("engine.yaml", True), ("pipelines/a/b.yaml", True), ("shop/connections/c.yml", True), ("shop/engine.yaml", True),
     ("pipelines/readme.md", False), ("docker-compose.yaml", False), ("mypipelines/a.yaml", False),
     ("my-engine.yaml", False), ("pipelines/rows.csv", False)],
)  # fmt: skip
def test_a_hook_takes_the_files_that_the_engine_reads(file: str, taken: bool) -> None:
    for hook in HOOKS.values():
        assert bool(re.search(hook["files"], file)) is taken


def hooked(checkout: Path, name: str, arguments: str, *files: str) -> subprocess.CompletedProcess[str]:
    entry = f"{HOOKS[name]['entry']} {arguments} {' '.join(files)}"
    return bash(checkout, entry)


def test_the_hook_fails_for_a_bad_file_and_not_for_another_one(checkout: Path) -> None:
    """pre-commit calls it in the repository's root, with names from there."""
    bad = hooked(checkout, "engine-validate", "--project shop", "shop/pipelines/bad.yaml", "shop/pipelines/good.yaml")
    assert bad.returncode == 2
    assert "pipelines/bad.yaml:3:10: error[unknown-connector]" in bad.stderr
    assert hooked(checkout, "engine-validate", "--project shop", "shop/pipelines/good.yaml").returncode == 0


def test_the_fixing_hook_changes_the_file_that_is_committed(checkout: Path) -> None:
    assert hooked(checkout, "engine-fix", "--project shop", "shop/pipelines/bad.yaml").returncode == 0
    assert (checkout / "shop/pipelines/bad.yaml").read_text() == BAD.replace("consol", "console")


# the action

ACTION = yaml.safe_load((ROOT / "action.yml").read_text())
STEPS = {step.get("id") or step.get("name") or step["uses"]: step for step in ACTION["runs"]["steps"]}
INPUT = re.compile(r"\$\{\{\s*inputs\.([\w-]+)\s*\}\}")


def test_the_action_is_composite_and_every_input_is_said_and_used() -> None:
    assert ACTION["runs"]["using"] == "composite"
    assert all(step.get("shell") == "bash" for step in STEPS.values() if "run" in step)
    assert set(INPUT.findall(json.dumps(ACTION["runs"]))) == set(ACTION["inputs"])
    assert all(one["description"] and "default" in one for one in ACTION["inputs"].values())


def test_no_input_becomes_a_part_of_a_script() -> None:
    """Else whoever names a branch would write the script."""
    assert not any("${{" in step.get("run", "") for step in STEPS.values())


def acted(checkout: Path, step: str, **inputs: str) -> subprocess.CompletedProcess[str]:
    """Run a step with the variables a runner gives it."""
    values = {name: one["default"] for name, one in ACTION["inputs"].items()} | {
        name.replace("_", "-"): value for name, value in inputs.items()
    }
    environ = {
        name: INPUT.sub(lambda found: values[found[1]], value).replace("${{ github.action_path }}", "/action")
        for name, value in STEPS[step]["env"].items()
    }
    runner = {"GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": str(checkout), "GITHUB_OUTPUT": str(checkout / "output"),
              "CI": "true"}  # fmt: skip
    return bash(checkout, STEPS[step]["run"], **environ, **runner)


def test_the_action_annotates_from_the_root_of_the_repository(checkout: Path) -> None:
    done = acted(checkout, "validate", path="shop")
    assert done.returncode == 2
    first = done.stdout.splitlines()[0]
    assert first.startswith("::error file=shop/pipelines/bad.yaml,line=3,col=10,title=unknown-connector%3A target")
    assert "1 error, 1 warning in 2 of 3 files" in done.stderr


def test_the_action_passes_warnings_unless_it_is_strict(checkout: Path) -> None:
    (checkout / "shop/pipelines/bad.yaml").unlink()
    assert acted(checkout, "validate", path="shop").returncode == 0
    assert acted(checkout, "validate", path="shop", strict="true").returncode == 2


def test_the_action_asks_for_variables_only_when_told(checkout: Path) -> None:
    (checkout / "shop/pipelines/bad.yaml").write_text(GOOD.replace("good", "bad\ndescription: ${NOWHERE}"))
    assert acted(checkout, "validate", path="shop").returncode == 0
    assert acted(checkout, "validate", path="shop", skip_env="false").returncode == 2


def test_the_action_writes_sarif_and_names_it(checkout: Path) -> None:
    done = acted(checkout, "validate", path="shop", sarif="my report.sarif")
    assert done.returncode == 2
    log = json.loads((checkout / "my report.sarif").read_text())
    assert [one["ruleId"] for one in log["runs"][0]["results"]] == ["unknown-connector", "unused"]
    uri = log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert uri == "shop/pipelines/bad.yaml"
    assert (checkout / "output").read_text() == "sarif=my report.sarif\n"
    assert "::error" in done.stdout


def test_the_action_tells_a_wrong_call(checkout: Path) -> None:
    """No empty report passes for a good one."""
    done = acted(checkout, "validate", path="nowhere", sarif="report.sarif")
    assert done.returncode == 2
    assert "the project folder nowhere does not exist" in done.stderr
    assert not (checkout / "output").exists()


def test_the_action_tells_only_what_changed(checkout: Path) -> None:
    git = ["git", "-c", "user.name=Ana", "-c", "user.email=ana@example.com", "-c", "init.defaultBranch=main"]
    for arguments in (["init", "-q"], ["add", "shop"], ["commit", "-qm", "first"]):
        subprocess.run(
            [*git, *arguments], cwd=checkout, check=True, env={**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null"}
        )
    assert acted(checkout, "validate", path="shop", changed="main").returncode == 0
    (checkout / "shop/pipelines/good.yaml").write_text(GOOD.replace("console", "consol"))
    done = acted(checkout, "validate", path="shop", changed="main")
    assert done.returncode == 2
    assert done.stdout.count("::error") == 1


def test_the_action_installs_its_own_checkout(checkout: Path) -> None:
    """Never a bare name: somebody else could register it in the public index."""
    assert acted(checkout, "Install the engine").returncode == 0
    assert (checkout / "installed").read_text().split()[-1] == "/action"


# GitLab

JOB = yaml.safe_load((ROOT / "ci/gitlab.yml").read_text())["engine-validate"]


FROM = "git+https://git.example.com/integrations/engine@v0.1.0"


def job(checkout: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    script = "\n".join([*JOB["before_script"], *JOB["script"]])
    given = {"VALIDATE_PACKAGE": FROM, "CI_PROJECT_DIR": str(checkout), "GITLAB_CI": "true", **variables}
    return bash(checkout, script, **{**JOB["variables"], **given})


def test_the_gitlab_job_wants_to_know_where_the_engine_comes_from(checkout: Path) -> None:
    """A bare name as default would install whatever somebody registers under it."""
    done = job(checkout, VALIDATE_PACKAGE="")
    assert done.returncode == 1
    assert "set VALIDATE_PACKAGE" in done.stderr
    assert not (checkout / "installed").exists()


def test_the_gitlab_job_leaves_its_reports_and_fails(checkout: Path) -> None:
    done = job(checkout, VALIDATE_PROJECT="shop")
    assert done.returncode == 2
    assert "error[unknown-connector]" in done.stderr
    reports = JOB["artifacts"]["reports"]
    assert ET.parse(checkout / reports["junit"]).getroot().get("failures") == "1"
    quality = json.loads((checkout / reports["codequality"]).read_text())
    assert [one["location"]["path"] for one in quality] == ["shop/pipelines/bad.yaml", "shop/pipelines/warned.yaml"]
    assert JOB["artifacts"]["when"] == "always"
    assert (checkout / "installed").read_text().split()[-1] == FROM


def test_the_gitlab_job_passes_a_good_project(checkout: Path) -> None:
    (checkout / "shop/pipelines/bad.yaml").unlink()
    assert job(checkout, VALIDATE_PROJECT="shop").returncode == 0
    assert job(checkout, VALIDATE_PROJECT="shop", VALIDATE_OPTIONS="--skip-env --strict").returncode == 2


# the page about it

PAGE = (ROOT / "docs/ci.md").read_text()
BLOCKS = re.findall(r"^```yaml elsewhere\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_every_yaml_block_of_the_page_can_be_used(block: str) -> None:
    """It is YAML, and hooks, inputs and variables that it names are there."""
    value: Any = yaml.safe_load(block)
    for repo in value.get("repos", ()):
        for hook in repo["hooks"]:
            assert hook["id"] in HOOKS
            assert "--project" not in hook.get("args", ()) or hook["files"]
    for found in re.finditer(r"uses: integrations/engine@\S+\n(?:\s+id: \w+\n)?\s+with:\n((?:\s{10}\S.*\n?)+)", block):
        assert set(yaml.safe_load(found[1])) <= set(ACTION["inputs"])
    for name, one in value.items():
        if isinstance(one, dict) and "variables" in one:
            assert name == "engine-validate"
            assert set(one["variables"]) <= set(JOB["variables"])


def test_the_page_has_every_input_and_every_format() -> None:
    from engine.cli.reporting import FORMATS

    for word in (*ACTION["inputs"], *FORMATS):
        assert f"| `{word}`" in PAGE


@pytest.mark.skipif(shutil.which("pre-commit") is None, reason="pre-commit is not installed here")
def test_pre_commit_itself_accepts_the_hooks() -> None:
    command = ["pre-commit", "validate-manifest", str(ROOT / ".pre-commit-hooks.yaml")]
    assert subprocess.run(command, capture_output=True).returncode == 0
