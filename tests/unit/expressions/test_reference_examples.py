"""Every example of docs/expressions.md does what the page says, and every function of the library has one."""

import json
import re
from decimal import Decimal
from pathlib import Path

import pytest
import yaml

from engine.errors import RecordError
from engine.expressions import Settings, evaluate_mapping
from engine.expressions.library import library
from tests.unit.expressions.expression_tools import NOW, ZONE

PAGE = Path(__file__).resolve().parents[3] / "docs" / "expressions.md"
LINE = re.compile(r"^(?P<text>.*?)\s+# (?P<record>\{.*\}) (?P<verb>gives|rejects) (?P<result>.*)$")


def examples():
    """Give (kind, expression, record, verb, result) of every line in a tested block."""
    for kind, block in re.findall(r"^```(expressions|mapping)\n(.*?)^```", PAGE.read_text("utf-8"), re.M | re.S):
        for line in block.splitlines():
            found = LINE.match(line)
            assert found, f"this example cannot be read: {line}"
            yield kind, found["text"], found["record"], found["verb"], found["result"]


EXAMPLES = list(examples())


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    root = tmp_path_factory.mktemp("project")
    (root / "units.csv").write_text("code;name\nkg;kilogram\nl;litre\n", "utf-8")
    return Settings(timezone=ZONE, root=root, clock=lambda: NOW)


def plain(value):
    """Decimals as JSON shows them."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize(
    ("kind", "text", "record", "verb", "result"), EXAMPLES, ids=[f"{e[1]} {e[2]}"[:90] for e in EXAMPLES]
)
def test_example(settings, kind, text, record, verb, result):
    value = yaml.safe_load(text) if kind == "mapping" else text
    run = evaluate_mapping(value, settings)
    if verb == "gives":
        assert plain(run(json.loads(record))) == json.loads(result)
        return
    code, _, message = result.partition(" ")
    with pytest.raises(RecordError) as caught:
        run(json.loads(record))
    assert caught.value.code == code
    assert message in caught.value.message


def test_every_function_has_an_example():
    shown = " ".join(text for _, text, *_ in EXAMPLES)
    assert [name for name in library() if f"{name}(" not in shown] == []


def test_every_filter_is_named():
    from engine.expressions.jinja.filters import filter_names

    page = PAGE.read_text("utf-8")
    assert [name for name in filter_names() - {"d"} if not re.search(rf"\b{name}\b", page)] == []
