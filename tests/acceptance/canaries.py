"""Canaries: values nobody should ever see, and the forms in which they might be seen all the same."""

from __future__ import annotations

import base64
import html
import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from urllib.parse import quote, quote_plus

CANARIES: Mapping[str, str] = {
    "a secret out of the environment": "kQ7+env/Zu4=Xo2pWn8",
    "a secret out of a file": "vB3&file?Lm9 Rt5yHc1",
    "a password of basic auth": 'dG6"basic\\Ns2jKf0e',
    "a secret header": "wT4:header;Ub7gPx3a",
    "a secret in a plain header": "zY1,plain.Iq6oEs9d",
    "a password in the address of a database": "mC5sqlXv8rJl2tAw",
    "a password in the address of a proxy": "hF2proxyDb9uSk7q",
    "a password in the address of a system": "nO8userinfoGe3iVy6",
    "a sensitive field": "$2b$12$pL0sensitive/Mz.4w",
    "a sensitive field that cannot be read": "rA9-unreadable-Bj5x",
}


def forms(value: str) -> Iterator[str]:
    """Write a value as it is, as JSON, in an address, in HTML, in hexadecimal and in base64 at any offset."""
    yield from {
        value,
        json.dumps(value)[1:-1],
        quote(value),
        quote(value, safe=""),
        quote_plus(value),
        html.escape(value),
        value.encode().hex(),
    }
    for offset in range(3):
        text = base64.b64encode(bytes(offset) + value.encode()).decode()
        # the first and last characters also hold bits of what stands beside it
        core = text[4 if offset else 0 : -4]
        yield core
        yield core.replace("+", "-").replace("/", "_")


def found(text: str) -> set[str]:
    """Name the canaries that stand in *text*."""
    return {name for name, value in CANARIES.items() if any(form in text for form in forms(value))}


def stored(folder: Path, *, but: Mapping[str, set[str]]) -> str:
    """Everything in the store's tables, but for the columns named by table."""
    [path] = folder.rglob("engine.db")
    texts = []
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as store:
        tables = [name for (name,) in store.execute("select name from sqlite_master where type = 'table'")]
        for table in tables:
            rows = store.execute(f'select * from "{table}"')
            names = [column[0] for column in rows.description]
            texts += [
                f"{table}.{name}: {value}"
                for row in rows
                for name, value in zip(names, row, strict=True)
                if name not in but.get(table, ())
            ]
    return "\n".join(texts)


def raw(folder: Path) -> str:
    """All bytes of the store's files, also those of its log."""
    return "\n".join(
        path.read_bytes().decode("latin-1") for path in sorted(folder.glob("engine.db*")) if path.suffix != ".reserve"
    )
