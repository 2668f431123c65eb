"""The formats for programs, as pure functions: what each must have, escaped as its readers ask."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import PurePath
from typing import Any

import pytest

from engine.cli.formats import Region, Report
from engine.cli.formats.fingerprints import fingerprints
from engine.cli.formats.github import text as github
from engine.cli.formats.gitlab import document as gitlab
from engine.cli.formats.junit import text as junit
from engine.cli.formats.listed import document as listed
from engine.cli.formats.sarif import document as sarif
from engine.errors import Problem


def problem(**changes: Any) -> Problem:
    made: dict[str, Any] = {
        "file": "pipelines/a b.yaml", "line": 4, "column": 5, "code": "unknown-key", "severity": "error",
        "path": "target.http", "message": "'varables' is not an option", "hint": "did you mean 'variables'?",
        "fix": "variables",
    }  # fmt: skip
    return Problem(**{**made, **changes})


def report(*problems: Problem, **changes: Any) -> Report:
    files = ("engine.yaml", "pipelines/a b.yaml", "pipelines/good.yaml", "pipelines/other.yaml")
    made: dict[str, Any] = {
        "files": files, "count": 4, "root": PurePath("/repo/shop"), "base": PurePath("/repo"),
        "regions": {one: Region(one.line, one.column, one.line, one.column + 8) for one in problems if one.fix},
    }  # fmt: skip
    return Report(problems, **{**made, **changes})


WARNING = problem(code="looks-constant", severity="warning", fix="", line=9, message="'A' is read as a field", hint="")


# github


def test_github_names_the_place_from_the_workspace() -> None:
    assert github(report(problem())) == (
        "::error file=shop/pipelines/a b.yaml,line=4,col=5,title=unknown-key%3A target.http,endLine=4,endColumn=13"
        "::'varables' is not an option; did you mean 'variables'?\n"
    )
    assert github(report(WARNING)).startswith("::warning file=shop/pipelines/a b.yaml,line=9,col=5,title=")


@pytest.mark.parametrize(
    ("message", "written"),
    [("100 % sure", "100 %25 sure"), ("a\nb\r", "a%0Ab%0D"), ("a::b, c: d", "a::b, c: d"), ("%0A", "%250A")],
)
def test_github_data_cannot_end_a_command(message: str, written: str) -> None:
    """In data a colon and a comma stay; a line break would begin another command."""
    line = github(report(problem(message=message, hint="", fix="")))
    assert line.endswith(f"::{written}\n")
    assert line.count("\n") == 1


def test_github_properties_cannot_end_or_begin_one() -> None:
    line = github(report(problem(file="a,b:c%d\n.yaml", path="x,y: z", fix="")))
    assert line.startswith("::error file=shop/a%2Cb%3Ac%25d%0A.yaml,line=4,col=5,title=unknown-key%3A x%2Cy%3A z::")


def test_a_project_outside_the_workspace_keeps_its_own_paths() -> None:
    assert "file=pipelines/a b.yaml," in github(report(problem(), base=PurePath("/elsewhere")))


# json


def test_json_says_the_fix_only_where_it_can_be_typed() -> None:
    can, cannot = problem(), problem(line=7)
    found = listed(report(can, cannot, regions={can: Region(4, 5, 4, 13)}))
    assert [one.get("fix") for one in found["problems"]] == ["variables", None]
    assert list(found["problems"][1]) == ["file", "line", "column", "code", "severity", "path", "message", "hint"]
    assert found["files"] == 4


# sarif


def test_sarif_has_what_2_1_0_requires() -> None:
    """The published schema is not kept here: OASIS lets it be copied whole with its notice, not changed, which does
    not go with this project's licence. So what that schema requires is checked by hand.
    """
    log = sarif(report(problem(), WARNING, help={"unknown-key": "# unknown-key\n\n*x*\n\nNo such key. More."}))
    assert log["version"] == "2.1.0"
    assert log["$schema"].endswith("/sarif-schema-2.1.0.json")
    (run,) = log["runs"]
    driver = run["tool"]["driver"]
    assert driver["name"]
    assert [rule["id"] for rule in driver["rules"]] == ["looks-constant", "unknown-key"]
    assert all(rule["shortDescription"]["text"] for rule in driver["rules"])
    assert driver["rules"][1]["shortDescription"]["text"] == "No such key"
    assert driver["rules"][1]["help"]["markdown"].startswith("# unknown-key")
    assert [rule["defaultConfiguration"]["level"] for rule in driver["rules"]] == ["warning", "error"]
    assert run["columnKind"] in ("utf16CodeUnits", "unicodeCodePoints")
    for result in run["results"]:
        assert result["message"]["text"]
        assert result["level"] in ("none", "note", "warning", "error")
        assert driver["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
        place = result["locations"][0]["physicalLocation"]
        assert place["region"]["startLine"] >= 1
        assert place["region"]["startColumn"] >= 1
        assert all(result["partialFingerprints"].values())


def test_sarif_uris_are_relative_and_escaped() -> None:
    (result,) = sarif(report(problem(file="pipelines/ação 1.yaml", fix="")))["runs"][0]["results"]
    place = result["locations"][0]["physicalLocation"]["artifactLocation"]
    assert place == {"uri": "shop/pipelines/a%C3%A7%C3%A3o%201.yaml", "uriBaseId": "%SRCROOT%"}


def test_sarif_carries_the_fix_with_the_region_it_replaces() -> None:
    (result,) = sarif(report(problem()))["runs"][0]["results"]
    region = {"startLine": 4, "startColumn": 5, "endLine": 4, "endColumn": 13}
    assert result["locations"][0]["physicalLocation"]["region"] == region
    (fix,) = result["fixes"]
    assert fix["artifactChanges"][0]["replacements"] == [
        {"deletedRegion": region, "insertedContent": {"text": "variables"}}
    ]
    assert "fixes" not in sarif(report(problem(), regions={}))["runs"][0]["results"][0]


def test_sarif_points_at_the_other_place_too() -> None:
    """A duplicate has two places; a file that was not looked at is no place."""
    both = problem(message="there is a pipeline 'x' already at pipelines/other.yaml:3:11", fix="")
    (result,) = sarif(report(both))["runs"][0]["results"]
    (other,) = result["relatedLocations"]
    assert other["physicalLocation"]["artifactLocation"]["uri"] == "shop/pipelines/other.yaml"
    assert other["physicalLocation"]["region"] == {"startLine": 3, "startColumn": 11}
    same = problem(message="'x' stands here a second time; the first is at 6:14", fix="")
    (result,) = sarif(report(same))["runs"][0]["results"]
    assert result["relatedLocations"][0]["physicalLocation"]["region"] == {"startLine": 6, "startColumn": 14}
    stranger = problem(message="see example.org:3:11", fix="")
    assert "relatedLocations" not in sarif(report(stranger))["runs"][0]["results"][0]


def test_sarif_of_nothing_is_a_log_too() -> None:
    assert sarif(report())["runs"][0]["results"] == []


# fingerprints


def test_a_problem_is_known_again_after_its_line_moved() -> None:
    moved = problem(line=40, message="there is one at pipelines/x.yaml:9:1")
    before = problem(message="there is one at pipelines/x.yaml:3:7")
    assert fingerprints([before]) == fingerprints([moved])
    assert fingerprints([before]) != fingerprints([problem(code="other")])


def test_two_equal_problems_differ_by_their_number() -> None:
    one, two = fingerprints([problem(), problem(line=8)])
    assert one != two


# gitlab


def test_gitlab_has_what_code_quality_requires() -> None:
    first, second = gitlab(report(problem(), WARNING))
    assert set(first) == {"description", "check_name", "fingerprint", "severity", "location"}
    assert first["location"] == {"path": "shop/pipelines/a b.yaml", "lines": {"begin": 4}}
    assert (first["severity"], second["severity"]) == ("major", "minor")


# junit


def test_junit_is_one_case_a_file() -> None:
    root = ET.fromstring(junit(report(problem(), problem(line=5), WARNING)))
    assert (root.tag, root.get("tests"), root.get("failures")) == ("testsuites", "4", "1")
    cases = {case.get("name"): case for case in root.iter("testcase")}
    assert sorted(cases) == [
        "shop/engine.yaml", "shop/pipelines/a b.yaml", "shop/pipelines/good.yaml", "shop/pipelines/other.yaml"
    ]  # fmt: skip
    failures = cases["shop/pipelines/a b.yaml"].findall("failure")
    assert len(failures) == 1
    assert failures[0].get("message") == "4:5 'varables' is not an option (and 1 more)"
    assert (failures[0].text or "").count("\n") == 1
    assert "looks-constant" in (cases["shop/pipelines/a b.yaml"].findtext("system-out") or "")
    assert list(cases["shop/engine.yaml"]) == []


def test_junit_counts_warnings_as_failures_under_strict() -> None:
    assert ET.fromstring(junit(report(WARNING))).get("failures") == "0"
    assert ET.fromstring(junit(report(WARNING, strict=True))).get("failures") == "1"


def test_junit_is_xml_whatever_is_said() -> None:
    odd = problem(message=']]> <a href="x"> & \x00\x1b[31m \ud800 é 漢\nb', file='pipelines/<&">.yaml', fix="")
    root = ET.fromstring(junit(report(odd)).encode())
    assert any("é 漢" in (failure.text or "") for failure in root.iter("failure"))
