"""``--coverage`` names every way through a pipeline that no test took, and no other."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.testing.coverage import Coverage, report
from engine.testing.suite import Choice, Suite, chosen
from tests.unit.testing.testing_bench import CRM, project_of, written

PIPELINE = """\
pipeline: orders
triggers: [{webhook: {path: /in, auth: none, schema: {type: object, required: [kind]}}}]
steps:
  - filter: kind != 'noise'
  - lookup: {from: {http: {connection: crm, path: /who, records: rows}}, into: who, missing: "null"}
  - switch:
      - when: kind == 'sale'
        steps:
          - check: {that: total > `0`, code: no-total, message: nothing to pay}
      - else:
          - remove: [total]
target: {sql: {connection: db, insert: {table: t}, nested: json}, key: kind}
"""
FOUND = "responses: {crm: [{json: {rows: [{a: 1}]}}]}"


def ways(root: Path, *bodies: str) -> set[str]:
    """Return what the tests left untaken."""
    tests = "tests:\n" + "".join(
        f"  - test: t{at}\n    pipeline: orders\n" + "".join(f"    {line}\n" for line in body.splitlines())
        for at, body in enumerate(bodies)
    )
    files = {"pipelines/o.yaml": PIPELINE, "pipelines/o.test.yaml": tests, "connections/c.yaml": CRM}
    project, problems = project_of(written(root, files))
    assert not problems
    coverage = Coverage(project)
    verdicts = Suite(project, ears=coverage.listen).run(chosen(project, Choice()))
    assert all(one.passed for one in verdicts), [one.misses for one in verdicts]
    for one in verdicts:
        coverage.note(project.pipelines["orders"], one.outcome)
    return {
        line.strip().split("   ")[0].removeprefix("no test where ")
        for line in list(report(coverage, verdicts, _plain))[1:]
    }


def _plain(text: str, meaning: str) -> str:
    return text


SALE = f"webhook: {{body: {{kind: sale, total: 3}}}}\n{FOUND}\nexpect: {{reply: {{status: 202}}}}"
EVERYTHING = {
    "triggers[0].webhook lets a call in",
    "triggers[0].webhook refuses a call",
    "steps[0].filter drops a record",
    "steps[0].filter lets a record pass",
    "steps[1].lookup finds something",
    "steps[1].lookup finds nothing",
    "steps[2].switch[0] is taken",
    "steps[2].switch[0].steps[0].check rejects a record",
    "steps[2].switch[0].steps[0].check lets a record pass",
    "steps[2].switch[1] is taken",
    "target takes a record",
    "target refuses a record",
    "target does not answer",
}


def test_one_test_takes_its_own_ways(tmp_path: Path) -> None:
    taken = {
        "triggers[0].webhook lets a call in",
        "steps[0].filter lets a record pass",
        "steps[1].lookup finds something",
        "steps[2].switch[0] is taken",
        "steps[2].switch[0].steps[0].check lets a record pass",
        "target takes a record",
    }
    assert ways(tmp_path, SALE) == EVERYTHING - taken


def test_all_ways_can_be_taken(tmp_path: Path) -> None:
    left = ways(
        tmp_path,
        SALE,
        "webhook: {body: {}}\nexpect: {reply: {status: 422}}",
        "webhook: {body: {kind: noise}}\nexpect: {dropped: 1}",
        "webhook: {body: {kind: other, total: 1}}\nresponses: {crm: [{json: {rows: []}}]}\n"
        "expect: {sent: [{who: null}]}",
        f"webhook: {{body: {{kind: sale, total: 0}}}}\n{FOUND}\nexpect: {{rejected: [{{code: no-total}}]}}",
        "webhook: {body: {kind: other, total: 1}}\n"
        "responses: {crm: [{json: {rows: [{}]}}], db: [{error: unreachable}, {refused: twice}]}\n"
        "expect: {rejected: 1}",
    )
    assert left == set()


NESTED = """\
pipeline: orders
source: {http: {connection: crm, path: /x, records: rows}}
steps:
  - switch:
      - when: kind == 'sale'
        steps:
          - check: {that: total > `0`, code: no-total, message: nothing to pay}
          - filter: paid
          - switch:
              - when: total > `9`
                steps: [{set: {big: {$const: true}}}]
              - else: [{set: {big: {$const: false}}}]
target: {http: {connection: crm, path: /in, json: "{{ record }}"}}
"""


@pytest.mark.parametrize(
    ("record", "taken"),
    [
        ("{kind: sale, total: 3, paid: false}", {"check lets a record pass", "filter drops a record"}),
        ("{kind: sale, total: 0, paid: false}", {"check rejects a record"}),
        ("{kind: sale, total: 3, paid: true}",
         {"check lets a record pass", "filter lets a record pass", "switch[1] is taken"}),
        ("{kind: sale, total: 10, paid: true}",
         {"check lets a record pass", "filter lets a record pass", "switch[0] is taken"}),
        ("{kind: other}", set()),
    ],
)  # fmt: skip
def test_each_step_inside_a_switch_is_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, record: str, taken: set[str]
) -> None:
    monkeypatch.setitem(globals(), "PIPELINE", NESTED)
    rejected = "rejected: 1" if "total: 0" in record else "rejected: 0"
    left = ways(tmp_path, f"records: [{record}]\nexpect: {{{rejected}}}")
    inside = {one.rpartition("].")[2] for one in left if ".steps[" in one}
    every = {"check lets a record pass", "check rejects a record", "filter drops a record", "filter lets a record pass",
             "switch[0] is taken", "switch[1] is taken"}  # fmt: skip
    assert every - inside == taken
