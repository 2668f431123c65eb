"""``--format junit``: one test case a file, for every CI that draws test reports."""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.sax.saxutils import escape, quoteattr

from engine.cli.formats import Report
from engine.errors import Problem

_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def text(report: Report) -> str:
    """Return the report; warnings are failures with ``--strict`` and notes without."""
    by_file: dict[str, list[Problem]] = {file: [] for file in report.files}
    for problem in report.problems:
        by_file.setdefault(problem.file, []).append(problem)
    cases = [_case(report, file, problems) for file, problems in sorted(by_file.items())]
    failed = sum(any(map(report.fails, problems)) for problems in by_file.values())
    counts = f'tests="{len(by_file)}" failures="{failed}" errors="0" skipped="0"'
    head = f'<testsuites name="engine validate" {counts}>\n  <testsuite name="engine validate" {counts}>\n'
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{head}{"".join(cases)}  </testsuite>\n</testsuites>\n'


def _case(report: Report, file: str, problems: Sequence[Problem]) -> str:
    path = attribute(report.path(file))
    head = f'    <testcase classname="engine.validate" name={path} file={path} time="0"'
    bad = [problem for problem in problems if report.fails(problem)]
    rest = [problem for problem in problems if not report.fails(problem)]
    if not problems:
        return f"{head}/>\n"
    inner = ""
    if bad:  # readers of these reports show the first failure of a case only: all are in one
        codes = ", ".join(dict.fromkeys(problem.code for problem in bad))
        more = f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""
        message = attribute(f"{bad[0].line}:{bad[0].column} {bad[0].message}{more}")
        inner += f"      <failure type={attribute(codes)} message={message}>{_body(bad)}</failure>\n"
    if rest:
        inner += f"      <system-out>{_body(rest)}</system-out>\n"
    return f"{head}>\n{inner}    </testcase>\n"


def _body(problems: Sequence[Problem]) -> str:
    return content("\n".join(map(str, problems)))


def content(text: str) -> str:
    """Return *text* as it stands between tags; what XML cannot hold has a mark in its place."""
    return escape(_NO_XML.sub("\ufffd", text))


def attribute(text: str) -> str:
    """Return *text* in quotes, on one line."""
    return quoteattr(_NO_XML.sub("\ufffd", text).replace("\n", " ").replace("\r", " "))
