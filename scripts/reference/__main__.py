"""``make reference``: writes the pages anew, and the schema for editors beside them."""

from __future__ import annotations

import sys
from pathlib import Path

from engine.cli.schemas import PLACE, project_schema
from engine.definition.schema import Catalog
from scripts.reference import keys, rest
from scripts.reference.pages import Page

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs" / "reference"


def written() -> dict[Path, str]:
    """Return every file that is made, with its text."""
    catalog = Catalog()
    pages = {
        **dict(keys.every(catalog)),
        "functions": rest.functions(),
        "commands": rest.commands(),
        "codes": rest.codes(),
        "metrics": rest.metrics(),
    }
    texts = {FOLDER / f"{name}.md": page.text() for name, page in pages.items()}
    return {**texts, FOLDER / "README.md": _index(catalog).text(), ROOT / PLACE: project_schema()}


def _index(catalog: Catalog) -> Page:
    page = Page("Reference", "Every key, option, function, command, code and figure, as the engine itself knows them.")
    page.say("To learn the language begin with [the language](../language.md); here is where to look something up.")
    kinds = ", ".join(f"[{kind}]({kind}.md)" for kind in catalog.kinds)
    connectors = ", ".join(f"[{name}]({name}.md)" for name in catalog.names)
    page.table(
        ("what", "pages"),
        [
            ["files of a project", kinds],
            ["connectors", connectors],
            ["expressions", "[functions and filters](functions.md)"],
            ["command line", "[commands](commands.md)"],
            ["problems and reasons", "[codes](codes.md)"],
            ["figures for Prometheus", "[metrics](metrics.md)"],
        ],
    )
    return page


def main() -> int:
    """Write what differs, and take away pages that are not made any more."""
    made = written()
    changed = [path for path, text in made.items() if not path.is_file() or path.read_text("utf-8") != text]
    for path in changed:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(made[path], "utf-8")
    gone = [path for path in FOLDER.glob("*.md") if path not in made]
    for path in gone:
        path.unlink()
    print(f"reference: {len(made)} files, {len(changed)} written, {len(gone)} taken away")
    return 0


if __name__ == "__main__":
    sys.exit(main())
