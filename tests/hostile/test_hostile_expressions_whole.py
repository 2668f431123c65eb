"""Hostile expressions through ``engine validate``, ``engine eval`` and a run: none escapes, hangs or floods."""

from __future__ import annotations

import io
import json
import time
from pathlib import Path

import pytest

from tests.hostile import fuzz_oracle as oracle
from tests.unit.expressions.test_hostile_expressions import COSTLY, ESCAPES, QUERIES

MB = 1 << 20
RECORD = {
    "a": "abc",
    "n": 7,
    "list": [3, 1, 2],
    "rows": list(range(2000)),
    "texts": ["a" * 60] * 300,
    "s": "x" * 50_000,
    "o": [{"a": number % 7, "b": "x" * 20} for number in range(2000)],
}
NEW = {
    "pad of every item": "map(&pad(to_string(@), `9999`), rows)",
    "pad of 60 lists": "[" + ",".join(["rows"] * 60) + "][].pad(to_string(@), `9999`)",
    "pad of every letter": "split(s, 'x') | map(&pad(@, `9999`), @)",
    "sort_by of long texts": "sort_by(o, &to_string([@,@,@,@,@,@,@,@]))",
    "max_by of long texts": "max_by(o, &length(to_string([@,@,@,@])))",
    "map of map of map": "map(&map(&map(&[@,@], [@,@]), [@,@]), rows)",
    "text of text": "to_string([" * 9 + "o" + "])" * 9,
    "text of quotes": "to_string(" * 6 + "'" + '"' * 1500 + "'" + ")" * 6,
    "a pattern for every item": "texts[?matches(@, 'a*a*a*a*c')]",
    "nested repeats": "texts[?matches(@, '(a+)+$')]",
    "alternatives in a repeat": "texts[?matches(@, '(a|aa)+$')]",
    "optional parts": "texts[?matches(@, '(a?){20}a{20}c')]",
    "references": r"matches(s, '(?=(x+))\\1y')",
    "open repeats": "matches(s, 'x*x*x*y')",
    "substitute by itself": "substitute(s, 'x', s)",
    "replace by itself": "replace(s, 'x', s)",
    "concat of concat": "concat(" + ",".join(["s"] * 20) + ") | concat(" + ",".join(["@"] * 20) + ")",
    "a reference alone": "&a",
    "template: pad of every item": "{{ record.rows | map('string') | map('pad', 9999) | list }}",
    "template: a pattern in a loop": "{% for a in record.texts %}{{ a | matches('a*a*a*a*c') }}{% endfor %}",
    "template: json of json": "{{ record.s " + "| tojson " * 60 + "}}",
    "template: sort in a loop": "{% for a in record.rows %}{% set x = record.o | sort(attribute='b') %}{% endfor %}",
    "template: groupby": "{{ record.o | groupby('b') | list }}",
    "template: batch of batch": "{{ record.rows | batch(1) | batch(1) | batch(1) | list }}",
    "template: sums of lists": "{% for a in record.rows %}{% set x = record.rows + record.rows %}{% endfor %}",
    "template: recursion": "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
}
PAYLOADS = {**{f"jinja {name}": text for name, text in (ESCAPES | COSTLY).items()}, **QUERIES, **NEW}
SECONDS = 0.3
"""Of the processor, for a payload on one record; 0.5 more where regular expressions use up their allowance."""


def _eval(text: str, monkeypatch: pytest.MonkeyPatch) -> tuple[int, str, float]:
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(RECORD) + "\n"))
    began = time.process_time()
    code, out, err = oracle.run(["eval", "--", text])
    return code, out + err, time.process_time() - began


@pytest.mark.parametrize("name", PAYLOADS)
def test_eval_refuses_it_or_gives_something_small(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No crash, no host object, a bounded time and size."""
    _eval("a", monkeypatch)
    _eval("{{ record.a | upper }}", monkeypatch)
    tries = [_eval(PAYLOADS[name], monkeypatch) for _ in range(3)]
    code, told, _ = tries[0]
    assert code in (0, 1, 2)
    assert len(told) <= MB * 4
    for sign in ("<class", "<module", "<function", "object at 0x", "Traceback"):
        assert sign not in told
    took = min(seconds for _, _, seconds in tries)
    assert took <= (SECONDS + (0.5 if "matches" in PAYLOADS[name] else 0)) * oracle._slowness()


@pytest.mark.parametrize("name", PAYLOADS)
def test_validate_and_a_run_agree(name: str, tmp_path: Path) -> None:
    """What validate refuses has a place and a code; what it lets through runs, without a crash or a flood."""
    text = PAYLOADS[name]
    pipeline = {
        "pipeline": "fuzz",
        "source": {"inline": {"rows": [{"a": "abc", "list": [3, 1, 2], "n": 7}]}},
        "mapping": {"x": {"$value": text}},
        "target": {"file": {"path": "out.jsonl"}},
    }
    folder = oracle.project(tmp_path / "project", "pipelines/fuzz.yaml", json.dumps(pipeline).encode())
    oracle.hold(folder, 4)
    code, out, _ = oracle.run(["--project", str(folder), "validate", "--format", "json", "pipelines/fuzz.yaml"])
    problems = [one for one in json.loads(out)["problems"] if one["severity"] == "error"]
    if code == 2:
        assert problems
        assert all(one["line"] > 1 or one["column"] >= 1 for one in problems)
        return
    ran, _, told = oracle.run(["--project", str(folder), "run", "fuzz"])
    assert ran in (0, 1)
    sent = folder / "out.jsonl"
    assert not sent.exists() or sent.stat().st_size <= MB * 4
    assert "Traceback" not in told
