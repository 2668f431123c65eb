"""The files around the code hold together: schemas, connectors, the lock and the commands."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator
from referencing import Registry, Resource

ROOT = Path(__file__).parents[2]
SCHEMAS = sorted((ROOT / "schemas").rglob("*.json"))
BASE = "https://schemas.invalid/"
CONNECTORS = sorted(path.stem for path in (ROOT / "connectors").glob("*.py") if not path.stem.startswith("_"))


def schema(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return loaded


def address(path: Path) -> str:
    return BASE + path.relative_to(ROOT / "schemas").as_posix()


@pytest.fixture(scope="module")
def registry() -> Registry[Any]:
    found: Registry[Any] = Registry()
    return found.with_resources((address(path), Resource.from_contents(schema(path))) for path in SCHEMAS)


def references(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
        return own + [reference for value in node.values() for reference in references(value)]
    if isinstance(node, list):
        return [reference for value in node for reference in references(value)]
    return []


@pytest.mark.parametrize("path", SCHEMAS, ids=lambda path: path.stem)
def test_every_schema_is_draft_07_and_its_references_lead_somewhere(path: Path, registry: Registry[Any]) -> None:
    loaded = schema(path)
    assert loaded["$schema"] == "http://json-schema.org/draft-07/schema#"
    assert loaded["title"]
    Draft7Validator.check_schema(loaded)
    resolver = registry.resolver(address(path))
    for reference in references(loaded):
        resolver.lookup(reference)


@pytest.mark.parametrize("name", CONNECTORS)
def test_a_connector_is_one_file_one_schema_one_test(name: str) -> None:
    assert (ROOT / "schemas" / "connectors" / f"{name}.json").is_file()
    tests = "".join(path.read_text("utf-8") for path in (ROOT / "tests" / "connectors").glob(f"test_{name}*.py"))
    assert "(SchemaContract)" in tests, f"tests/connectors/test_{name}*.py hands its schema to the contract"
    assert re.search(r"\((Source|Target)Contract\)", tests), f"tests/connectors/test_{name}*.py keeps the contract"


def test_every_schema_of_a_connector_has_its_connector() -> None:
    assert sorted(path.stem for path in (ROOT / "schemas" / "connectors").glob("*.json")) == CONNECTORS


def test_the_lock_pins_everything_by_hash_and_names_no_address() -> None:
    lines = (ROOT / "requirements.lock").read_text("utf-8").splitlines()
    assert [line for line in lines if re.search(r"https?:|://|--(extra-)?index-url|--find-links|@", line)] == []
    pins = [line for line in lines if line and not line[0].isspace() and not line.startswith("#")]
    assert all(re.match(r"[a-z0-9-]+==\S+ .*\\$", pin) for pin in pins)
    text = "\n".join(lines)
    assert text.count("==") >= len(pins)
    assert all(f"{pin} \\\n    --hash=sha256:" in text for pin in (pin.removesuffix(" \\") for pin in pins))


def test_the_lock_holds_every_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    asked = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    locked = set(re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements.lock").read_text("utf-8"), re.MULTILINE))
    names = {re.split(r"[\[><=;~! ]", one)[0].lower().replace("_", "-") for one in asked}
    assert names - locked == set()


def test_ci_runs_the_test_command_of_the_readme() -> None:
    script = (ROOT / ".ci" / "run").read_text("utf-8")
    assert "make test" in script
    assert "make test" in (ROOT / "README.md").read_text("utf-8")
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111


def test_every_make_target_is_explained_and_phony() -> None:
    text = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([a-z]+):", text, re.MULTILINE))
    explained = set(re.findall(r"^([a-z]+):.*## \S", text, re.MULTILINE))
    phony = set(re.search(r"^\.PHONY: (.*)$", text, re.MULTILINE)[1].split())  # type: ignore[index]
    assert targets == explained == phony
