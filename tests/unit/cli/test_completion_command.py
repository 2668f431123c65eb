"""Names at the press of Tab, in a real bash, and in zsh and fish where they are."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

BIN = Path(sys.executable).parent
ROOT = Path(__file__).parents[3]
BASH = """
source <(engine completion bash)
complete -p engine > /dev/null || exit 1
COMP_WORDS=({words})
COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
_engine_completion engine
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name, text in {
        "pipelines/orders.yaml": "# first\npipeline: orders\ndescription: To the ERP\nnonsense: [\n",
        "pipelines/deep/er/stock.yml": "pipeline: 'stock'\n",
        "pipelines/erp.yaml": "connections:\n  # a\n  erp-db:\n    sql: {url: a}\n    x-a: 1\n\n  crm:\n    http: {}\n",
        "connections/shop.yaml": "connections:   # all\n    shop:\n        http: {base_url: a}\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "pipelines" / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    return tmp_path


def shell(command: list[str], folder: Path) -> str:
    environ = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def offered(words: str, folder: Path) -> list[str]:
    return shell(["bash", "-c", BASH.format(words=words)], folder).split()


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not on this machine")
@pytest.mark.parametrize(
    ("words", "names"),
    [
        ("engine val", ["validate"]),
        ("engine new ''", ["connection", "pipeline"]),
        ("engine show ''", ["orders", "stock", "crm", "erp-db", "shop"]),
        ("engine run or", ["orders"]),
        ("engine run orders st", ["stock"]),
        ("engine check ''", ["crm", "erp-db", "shop"]),
        ("engine cursor show s", ["stock"]),
        ("engine dead-letters list --pipeline o", ["orders"]),
        ("engine explain unknown-ke", ["unknown-key"]),
        ("engine connectors gr", ["graphql"]),
        ("engine new pipeline x --from in", ["inline"]),
        ("engine graph --format s", ["svg"]),
        ("engine completion f", ["fish"]),
        ("engine validate --str", ["--strict"]),
        ("engine schema pro", ["project"]),
    ],
)
def test_bash_completes(words: str, names: list[str], project: Path) -> None:
    """A broken file beside is no hindrance."""
    found = offered(words, project)
    assert [name for name in names if name not in found] == []
    assert len(found) == len(names) or words == "engine new ''"


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not on this machine")
def test_bash_completes_in_the_project_that_is_named(project: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    assert offered(f"engine --project {project} run o", elsewhere) == ["orders"]
    assert offered("engine run o", elsewhere) == []


@pytest.mark.parametrize("name", ["zsh", "fish"])
def test_other_shells_read_what_they_get(name: str, project: Path) -> None:
    """Where the shell is: it takes the script without a word."""
    text = shell([str(BIN / "engine"), "completion", name], project)
    assert "_ENGINE_COMPLETE" in text
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not on this machine")
    (project / "script").write_text(text)
    shell([name, "-n", "script"], project)


def test_completion_loads_no_project(project: Path) -> None:
    """It reads no YAML, asks no schema and opens no store; that is why it is quick."""
    code = (
        "import os, sys; from engine.cli.main import cli; from click.shell_completion import ShellComplete as S;"
        "from engine.cli.session import Session;"
        "found = S(cli, {'obj': Session()}, 'engine', 'X').get_completions(['show'], '');"
        "print(len(found), [m for m in ('yaml', 'jsonschema_rs', 'jsonschema', 'jinja2') if m in sys.modules])"
    )
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], cwd=project, env=environ, capture_output=True, text=True)
    assert done.stdout.split(" ", 1) == ["5", "[]\n"], done.stderr


def test_a_thousand_pipelines_are_offered_quickly(tmp_path: Path) -> None:
    """The bound is loose, for busy machines; on an idle one it is a quarter of a second."""
    (tmp_path / "pipelines").mkdir()
    for number in range(1000):
        (tmp_path / "pipelines" / f"p{number}.yaml").write_text(f"pipeline: p{number}\n{'# text' * 300}\n")
    environ = {"_ENGINE_COMPLETE": "bash_complete", "COMP_WORDS": "engine run p99", "COMP_CWORD": "2"}
    started = time.monotonic()
    done = subprocess.run(
        [BIN / "engine"], cwd=tmp_path, env={**os.environ, **environ}, capture_output=True, text=True, timeout=60
    )
    assert len(done.stdout.split()) == 11, done.stderr
    assert time.monotonic() - started < 3
