"""The real yaml-language-server, once for all tests of a process; without it they are skipped, and say so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts import node_tools
from tests.editors.language_server import LanguageServer, language_server


@pytest.fixture(scope="session")
def node() -> Path:
    """Node, with the packages that the lock pins."""
    if not node_tools.at_hand():
        pytest.skip("yaml-language-server is not at hand: make tools")
    return node_tools.node()[0]


@pytest.fixture(scope="session")
def command(node: Path) -> list[str]:
    """How the language server is started."""
    return [str(node), str(node_tools.TOOLS / "node_modules" / "yaml-language-server" / "bin" / "yaml-language-server")]


@pytest.fixture(scope="session")
def server(command: list[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[LanguageServer]:
    """A server in an empty project."""
    with language_server(command, tmp_path_factory.mktemp("project")) as running:
        yield running
