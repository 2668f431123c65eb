"""The Dockerfile, the compose file and the systemd unit: not built here, so what can be read is read."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from engine.cli.main import cli
from engine.definition.loader import catalog, load

ROOT = Path(__file__).parents[3]
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))
UNIT = ROOT / "deploy" / "integration-engine.service"


def instructions(text: str) -> list[tuple[str, str]]:
    """Take a Dockerfile apart: one pair an instruction, continued lines joined."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    whole = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [(name, rest) for name, _, rest in (line.strip().partition(" ") for line in whole.splitlines())]


def of(name: str, text: str = DOCKERFILE) -> list[str]:
    return [rest for one, rest in instructions(text) if one == name]


def environment(text: str = DOCKERFILE) -> dict[str, str]:
    return dict(pair.split("=", 1) for line in of("ENV", text) for pair in line.split())


def command(name: str) -> click.Command | None:
    return cli.get_command(click.Context(cli), name)


def as_commands(text: str) -> list[str]:
    """Return the words a Dockerfile gives the engine."""
    return [yaml.safe_load(line)[0] for line in of("CMD", text) if line.startswith("[")]


def test_each_says_that_it_is_not_built_here() -> None:
    assert "NOT BUILT IN CI" in DOCKERFILE
    assert "NOT BUILT IN CI" in (ROOT / "compose.yaml").read_text("utf-8")
    assert "NOT RUN IN CI" in UNIT.read_text("utf-8")
    page = (ROOT / "docs" / "serving" / "running.md").read_text("utf-8")
    assert "not built in CI" in page


def test_the_command_of_the_image_is_there() -> None:
    assert of("ENTRYPOINT") == ['["engine"]']
    assert [command(name) is not None for name in as_commands(DOCKERFILE)] == [True]
    assert [command(name) is not None for name in COMPOSE["services"]["engine"]["command"]] == [True]
    assert command("sreve") is None, "the control"


def test_what_is_copied_is_there() -> None:
    copied = [word for line in of("COPY") if "--from" not in line for word in line.split()[:-1]]
    assert copied
    assert [name for name in copied if not (ROOT / name).exists()] == []


def test_what_is_copied_is_all_the_wheel_needs_and_reaches_the_build() -> None:
    """What .dockerignore keeps out cannot be copied."""
    copied = {word for line in of("COPY") if "--from" not in line for word in line.split()[:-1]}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert copied >= {*wheel["packages"], *wheel["force-include"], project["project"]["readme"], "LICENSE"}
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line.startswith("!")}
    assert copied == let_in


def test_only_wheels_with_known_hashes_are_installed() -> None:
    (download,) = [line for line in of("RUN") if "pip download" in line]
    assert "--only-binary :all:" in download
    assert "--require-hashes" in download
    others = [part for line in of("RUN") for part in line.split("&&") if re.search(r"pip (install|wheel) ", part)]
    assert others
    assert [part for part in others if not re.search(r"--no-index|--no-deps --no-build-isolation", part)] == []


def test_it_does_not_run_as_root() -> None:
    assert of("USER") == ["10001:10001"]
    service = COMPOSE["services"]["engine"]
    assert service["user"] == "10001:10001"
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]


def test_the_environment_names_settings_that_are_there(tmp_path) -> None:
    """A name with a mistake in it would be ignored."""
    wanted = {name: value for name, value in environment().items() if name.startswith("ENGINE_")}
    assert wanted == {**COMPOSE["services"]["engine"]["environment"]}
    project, problems = load(tmp_path, environ=wanted)
    assert problems == []
    assert project.settings["store"]["sqlite"]["path"] == wanted["ENGINE_STORE_SQLITE_PATH"]
    assert project.settings["listen"]["address"] == wanted["ENGINE_LISTEN_ADDRESS"]


def test_the_health_check_asks_where_health_is(tmp_path) -> None:
    (check,) = of("HEALTHCHECK")
    project, _ = load(tmp_path, environ={})
    assert f"http://127.0.0.1:{project.settings['admin']['port']}/healthz" in check
    code = yaml.safe_load(check.partition("CMD ")[2])
    assert code[:2] == ["python", "-c"]
    compile(code[2], "HEALTHCHECK", "exec")


def seconds(written: Any) -> float:
    return float(str(written).removesuffix("s"))


def test_there_is_time_to_finish_what_is_under_way(tmp_path) -> None:
    drain = seconds(load(tmp_path, environ={})[0].settings["drain"])
    stop = re.search(r"^TimeoutStopSec=(\d+)$", UNIT.read_text("utf-8"), re.MULTILINE)
    assert stop is not None
    assert float(stop[1]) > drain
    assert seconds(COMPOSE["services"]["engine"]["stop_grace_period"]) > drain
    assert catalog() is not None


def test_the_unit_serves_and_is_watched() -> None:
    text = UNIT.read_text("utf-8")
    start = re.search(r"^ExecStart=\S+/engine (\S+) ", text, re.MULTILINE)
    assert start is not None
    assert command(start[1]) is not None
    for line in ("Type=notify", "WatchdogSec=30", "NoNewPrivileges=true", "ProtectSystem=strict"):
        assert line in text.splitlines()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not on this machine")
def test_systemd_understands_the_unit(tmp_path) -> None:
    """The program and the user are not on this machine; everything else is to be right."""
    engine = tmp_path / "engine"
    engine.write_text("#!/bin/sh\n")
    engine.chmod(0o755)

    def verify(text: str) -> str:
        unit = tmp_path / UNIT.name
        unit.write_text(text.replace("/opt/engine/bin/engine", str(engine)))
        done = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False
        )
        return "\n".join(line for line in done.stderr.splitlines() if UNIT.name in line)

    text = UNIT.read_text("utf-8")
    assert verify(text) == ""
    assert "WachtdogSec" in verify(text.replace("WatchdogSec=30", "WachtdogSec=30")), "the control"
