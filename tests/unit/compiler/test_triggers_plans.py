"""Triggers as written become plans, and what is wrong with them is said at its place."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from engine.compiler.check import check
from engine.compiler.facts import expression_settings
from engine.compiler.triggers import Triggers, compile_triggers, trigger_ids
from engine.definition.loader import load
from engine.errors import RecordError

SETTINGS = """\
engine: 1
vars: {shop: centro}
calendars:
  x-note: what the bank says
  bank-days:
    timezone: America/Sao_Paulo
    weekdays: mon-fri
    hours: 10:00-16:00
    holidays: {2026-12-25: Christmas, 01-01: New Year}
  night:
    shifts: {night: 22:00-06:00}
  bad-zone: {timezone: America/Sao_Paolo}
  bad-day: {holidays: {2027-02-29: no}}
  gone: {open: {2025-01-01: New Year}}
"""
PIPELINE = """\
pipeline: orders
timezone: America/Sao_Paulo
params:
  full: {{type: boolean, default: false}}
  day: {{type: string, default: ""}}
triggers:
{triggers}
source: {{inline: {{rows: [{{id: 1}}]}}}}
target: {{console: {{}}}}
"""
OTHER = "pipeline: banks\nsource: {inline: {rows: []}}\ntarget: {console: {}}\n"


def loaded(folder: Path, *triggers: str, settings: str = SETTINGS):
    """The project with these triggers, and the problems the loader has."""
    (folder / "pipelines").mkdir(exist_ok=True)
    (folder / "engine.yaml").write_text(settings)
    (folder / "pipelines" / "banks.yaml").write_text(OTHER)
    text = PIPELINE.format(triggers="".join(f"  - {one}\n" for one in triggers))
    (folder / "pipelines" / "orders.yaml").write_text(text)
    return load(folder, environ={})


def compiled(folder: Path, *triggers: str) -> Triggers:
    project, problems = loaded(folder, *triggers)
    assert [one for one in problems if one.severity == "error"] == []
    assert check(project) == []
    definition = project.pipelines["orders"]
    return compile_triggers(project, definition, expression_settings(project, definition))


def found(folder: Path, *triggers: str, settings: str = SETTINGS) -> list[str]:
    """Every problem as people read it, from the code on."""
    project, problems = loaded(folder, *triggers, settings=settings)
    whole = (*problems, *check(project))
    return [str(one).split("error[")[-1] for one in whole if one.severity == "error"]


def test_everything_written_arrives(tmp_path):
    """Nothing of a timer is lost on the way."""
    triggers = compiled(
        tmp_path,
        "{id: nightly, cron: 0 3 * * *, missed: all, missed_window: 2h, jitter: 5m, params: {full: true}}",
        "{every: 30m, between: 09:00-19:00, weekdays: mon-fri}",
        "{after: banks, on: any, params: {day: '{{ trigger.status }}'}}",
        "{id: both, after: [banks]}",
    )
    nightly, quick = triggers.timers
    assert (nightly.id, nightly.pipeline, nightly.missed, nightly.missed_window, nightly.jitter) == (
        "nightly", "orders", "all", 7200.0, 300.0,
    )  # fmt: skip
    assert nightly.params({"trigger": {}}) == {"full": True}
    noon = datetime(2026, 3, 6, 12, tzinfo=UTC)  # a Friday
    assert nightly.next_after(noon) == datetime(2026, 3, 7, 6, tzinfo=UTC)
    assert (quick.id, quick.missed, quick.missed_window, quick.jitter, quick.params({})) == (
        "every",
        "last",
        None,
        0,
        {},
    )
    assert quick.next_after(noon + timedelta(hours=9, minutes=30)) == datetime(2026, 3, 9, 12, tzinfo=UTC)
    chain, both = triggers.after
    assert (chain.id, chain.pipelines, chain.on) == ("after", ("banks",), "any")
    assert chain.params({"trigger": {"status": "success"}}) == {"day": "success"}
    assert (both.id, both.pipelines, both.on, both.params({})) == ("both", ("banks",), "success", {})
    assert triggers.webhooks == ()


def test_ids_are_stable_and_different(tmp_path):
    """A trigger without an id is called by its kind, and never like another."""
    project, _ = loaded(
        tmp_path,
        "{cron: 0 1 * * *}",
        "{id: cron-2, every: 1h}",
        "{cron: 0 2 * * *}",
        "{cron: 0 3 * * *}",
        "{every: 2h}",
    )
    assert trigger_ids(project.pipelines["orders"]) == ("cron", "cron-2", "cron-3", "cron-4", "every")


def test_params_see_the_trigger_and_vars(tmp_path):
    """And what they cannot see is an error before anything runs."""
    triggers = compiled(tmp_path, "{cron: 0 1 * * *, params: {day: '{{ vars.shop }} {{ trigger.slot }}'}}")
    names = {"trigger": {"slot": "2026-03-04"}, "vars": {"shop": "centro"}, "params": {}}
    assert triggers.timers[0].params(names) == {"day": "centro 2026-03-04"}
    with pytest.raises(RecordError):
        triggers.timers[0].params({**names, "trigger": {}})
    told = found(tmp_path, "{cron: 0 1 * * *, params: {day: '{{ record.day }}'}}")
    assert len(told) == 1
    assert "triggers[0].params.day" in told[0]


def test_vars_are_there_without_being_given(tmp_path):
    """Who fires knows of the trigger only."""
    triggers = compiled(tmp_path, "{every: 1h, params: {day: '{{ vars.shop }} {{ trigger.id }}'}}")
    (plan,) = triggers.timers
    assert plan.params({"trigger": {"id": plan.id}}) == {"day": "centro every"}
    assert plan.kind == "every"


def test_a_rule_is_equal_while_the_slots_are(tmp_path):
    """Whoever changes the hour begins anew; params, jitter and what is missed may change."""
    texts = (
        "{cron: 0 3 * * *}",
        "{cron: 0 3 * * *, jitter: 5m, missed: all, params: {full: true}}",
        "{cron: 0 4 * * *}",
        "{every: 1h}",
        "{every: 1h, weekdays: mon-fri}",
        "{cron: 0 12 * * *, calendar: bank-days}",
    )
    first, same, *others = (compiled(tmp_path, text).timers[0].rule for text in texts)
    assert first == same
    assert len({first, *others}) == 5
    assert compiled(tmp_path, texts[0]).timers[0].kind == "cron"


def test_calendars_hold_firings_back(tmp_path):
    """By name, in the calendar's own zone."""
    triggers = compiled(
        tmp_path, "{cron: 0 * * * *, calendar: bank-days}", "{cron: 0 * * * *, calendar: {except: night}}"
    )
    christmas_eve = datetime(2026, 12, 24, 18, 30, tzinfo=UTC)
    bank, day = (one.next_after(christmas_eve) for one in triggers.timers)
    assert bank == datetime(2026, 12, 28, 13, tzinfo=UTC)
    assert day == datetime(2026, 12, 24, 19, tzinfo=UTC)


NO_MOMENT = "the trigger never fires; they have no moment in common"
TIMED = "needs 'cron' or 'every' beside it"
DAY = "write 2026-12-25, 12-25 for every year, or two of them with .. between"
SPAN = "is not a span of the day; write it like 09:00-19:00"


@pytest.mark.parametrize(
    ("trigger", "code", "place", "said"),
    [
        (
            "{cron: 0 3 * * *, calendar: bank-day}", "unknown-calendar", ".calendar",
            "there is no calendar 'bank-day'; did you mean 'bank-days'?",
        ),
        (
            "{cron: 0 12 * * *, calendar: {only: bank-days, except: [nihgt]}}", "unknown-calendar", ".calendar",
            "there is no calendar 'nihgt'; did you mean 'night'?",
        ),
        (
            "{cron: 0 3 * * *, calendar: {only: everywhere}}", "unknown-calendar", ".calendar",
            "there is no calendar 'everywhere'; name it under calendars in engine.yaml",
        ),
        ("{cron: 0 3 * * *, calendar: bank-days}", "never-fires", ".calendar", f"with this 'calendar' {NO_MOMENT}"),
        ("{every: 1h, calendar: gone}", "never-fires", ".calendar", f"with this 'calendar' {NO_MOMENT}"),
        ("{every: 12h, between: 09:00-11:00}", "never-fires", ".between", f"with this 'between' {NO_MOMENT}"),
        (
            "{every: 1h, calendar: bad-zone}", "unknown-timezone", ".calendar",
            "calendars.bad-zone of engine.yaml: there is no time zone 'America/Sao_Paolo'; "
            "write a name like America/Sao_Paulo",
        ),
        (
            "{every: 1h, calendar: bad-day}", "bad-value", ".calendar",
            "calendars.bad-day of engine.yaml: there is no day 2027-02-29; "
            "write 2026-12-25, 12-25, or two of them with .. between",
        ),
        ("{every: 500ms}", "bad-value", ".every", "'500ms' is less than a second; write 1s or more"),
        ("{every: 0s, between: 09:00-10:00}", "bad-value", ".every", "'0s' is less than a second; write 1s or more"),
        (
            "{cron: R 3 * * *}", "cron-field", ".cron",
            "'R 3 * * *' leaves the time to chance; write the time; jitter spreads firings",
        ),
        (
            "{file: {path: ../in}}", "bad-value", ".file.path",
            "'../in' has '..' in it; write the path from the project's folder",
        ),
        (
            "{file: {path: in, done: ./in/}}", "bad-value", ".file.done",
            "'./in/' is the folder that is watched; name another folder",
        ),
        (
            "{file: {path: in, pattern: 'a/*.csv'}}", "bad-value", ".file.pattern",
            "'a/*.csv' names a folder; write the folder in path, and the names in pattern",
        ),
        ("{file: {path: in}, missed: all}", "missing-key", ".missed", f"'missed' {TIMED}"),
        ("{after: banks, jitter: 5m}", "missing-key", ".jitter", f"'jitter' {TIMED}"),
        ("{after: banks, calendar: bank-days}", "missing-key", ".calendar", f"'calendar' {TIMED}"),
        ("{cron: 0 3 * * *, weekdays: fri}", "missing-key", ".weekdays", "'weekdays' needs 'every' beside it"),
        (
            "{cron: 0 3 * * *, calendar: {onyl: night}}", "unknown-key", ".calendar",
            "'onyl' is not an option; did you mean 'only'?",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(tmp_path, trigger, code, place, said):
    """One mistake, one problem: fact and remedy."""
    assert found(tmp_path, trigger) == [f"{code}] triggers[0]{place}: {said}"]


@pytest.mark.parametrize(
    ("calendar", "code", "place", "said"),
    [
        (
            "{weekdays: seg-sex}", "bad-value", ".weekdays",
            "'seg-sex' does not name weekdays; write them like mon-fri or mon,wed",
        ),
        ("{hours: 9-17}", "bad-value", ".hours", f"'9-17' {SPAN}"),
        ("{hours: [08:00-12:00, 13h]}", "bad-value", ".hours[1]", f"'13h' {SPAN}"),
        ("{shifts: {early: 6-14}}", "bad-value", ".shifts.early", f"'6-14' {SPAN}"),
        ("{holidays: {25-12: Christmas}}", "bad-value", ".holidays.25-12", f"'25-12' is not a day; {DAY}"),
        ("{open: {04-31: none}}", "bad-value", ".open.04-31", f"'04-31' is not a day; {DAY}"),
        ("{closed: {12-25: x}}", "unknown-key", "", "'closed' is not an option; did you mean 'holidays'?"),
    ],
)  # fmt: skip
def test_a_calendar_is_checked_where_it_is_written(tmp_path, calendar, code, place, said):
    """In engine.yaml, at its place."""
    told = found(tmp_path, "{every: 1h}", settings=f"engine: 1\ncalendars:\n  a: {calendar}\n")
    assert told == [f"{code}] calendars.a{place}: {said}"]


def test_a_draft_s_triggers_are_checked_too(tmp_path):
    """A mistake elsewhere in the file does not hide them."""
    told = found(tmp_path, "{cron: 0 3 * * *, calendar: nobody}", "{cron: 0 0 30 2 *}\ntime_limit: long")
    assert sorted(one.split("]")[0] for one in told) == ["bad-duration", "cron-field", "unknown-calendar"]


def test_compiling_loads_neither_croniter_nor_zones(tmp_path):
    """Ten thousand pipelines start quickly: what a trigger needs is made when it is first asked."""
    loaded(tmp_path, "{cron: 0 3 * * *}", "{every: 1h, calendar: night}")
    code = (
        "import sys; from pathlib import Path\n"
        "from engine.compiler.facts import expression_settings\n"
        "from engine.compiler.triggers import compile_triggers\n"
        "from engine.definition.loader import load\n"
        f"project, _ = load(Path({str(tmp_path)!r}), environ={{}})\n"
        "one = project.pipelines['orders']\n"
        "made = compile_triggers(project, one, expression_settings(project, one))\n"
        "assert len(made.timers) == 2 and 'croniter' not in sys.modules\n"
        "from datetime import datetime, UTC\n"
        "made.timers[0].next_after(datetime.now(UTC))\n"
        "assert 'croniter' in sys.modules, 'the control'\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
