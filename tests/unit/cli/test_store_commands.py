"""``runs``, ``dead-letters`` and ``cursor``: what the store knows, said well, and changed with care."""

from __future__ import annotations

import json
import sys
from decimal import Decimal
from types import SimpleNamespace

import pytest

from engine.cli import dead_changes, dead_letters
from engine.cli.masking import masked, restored
from engine.errors import Unavailable
from engine.ids import new_id
from engine.redact import MASK
from engine.runtime.request import RunResult
from engine.store.base import LogLine, Settlement


def mask_document(value):
    if isinstance(value, dict):
        return {key: MASK if key == "document" else mask_document(item) for key, item in value.items()}
    return value


@pytest.fixture(autouse=True)
def sensitive(monkeypatch):
    """The pipeline marks ``document`` as sensitive."""
    pipeline = SimpleNamespace(mask=mask_document, mask_sent=lambda target, value: mask_document(value))
    for module in (dead_letters, dead_changes):
        monkeypatch.setattr(module, "compiled", lambda project, name: pipeline if name == "bank-transactions" else None)


@pytest.fixture
def kept(world, make):
    """Three dead letters, two runs, a log, a cursor."""
    letters = [
        make.letter(1),
        make.letter(2),
        make.letter(3, code="missing-field", message="description", where="mapping.description", target=None,
                    mapped=None, key=None, run="01JD5X0000000000000000RUN2"),
    ]  # fmt: skip
    rows = [make.run_row(1), make.run_row(2, status="failed", summary={"error": {"code": "x", "message": "y"}})]
    logs = [LogLine(rows[0].id, "2026-11-21T21:01:00.000000+00:00", "warning", "retry", "automation-hub: again")]
    lane = {"cursor": {"updated_at": "2026-11-21 18:02:11", "id": 5}, "targets": {"target": {"offset": 9}}}
    world.keep(letters, rows, logs, {"bank-transactions/cursor": lane})
    world.runs["bank-transactions"] = make.summary(status="success", read=2, rejected=0, dropped={}, reasons=[])
    return world


# runs


def test_runs_are_listed_newest_first_with_short_ids(kept, run) -> None:
    lines = run("runs", terminal=True).seen.splitlines()
    assert lines[0].split() == ["run", "pipeline", "status", "started", "took", "read", "sent", "rejected"]
    assert [line.split()[0] for line in lines[1:]] == ["01JD…00RUN2", "01JD…00RUN1"]
    assert "41 s" in lines[2]
    assert "-03" in lines[2], "the pipeline's zone, which is not this machine's"


def test_runs_can_be_chosen(kept, run) -> None:
    listed = [json.loads(line) for line in run("runs", "--status", "failed", "--json").out.splitlines()]
    assert [row["status"] for row in listed] == ["failed"]
    assert run("runs", "--pipeline", "nobody").err == "no such runs\n"
    assert run("runs", "--since", "1s ago").code == 2


@pytest.mark.parametrize(
    "name", ["01JD5X0000000000000000RUN1", "01jd5x0000000000000000run1", "01JD…RUN1", "01JD..RUN1"]
)
def test_a_run_is_shown_by_any_of_its_names(kept, run, name) -> None:
    seen = run("runs", "show", name)
    assert seen.code == 0
    assert "params    full=true" in seen.out
    assert "partial in 41 s" in seen.out
    assert "engine runs logs" in seen.out


def test_a_name_of_two_runs_is_refused_with_both(kept, run) -> None:
    seen = run("runs", "show", "01JD")
    assert seen.code == 2
    assert "RUN1" in seen.err
    assert "RUN2" in seen.err


def test_a_run_that_is_not_there_is_usage(kept, run) -> None:
    seen = run("runs", "show", "ZZZ")
    assert (seen.code, seen.err.splitlines()[0]) == (2, "error: no run ZZZ")


def test_the_log_of_a_run(kept, run) -> None:
    assert run("runs", "logs", "01JD…RUN1").out == (
        "2026-11-21 21:01:00 warning bank-transactions: automation-hub: again [retry]\n"
    )
    assert run("runs", "logs", "01JD…RUN2").err == "nothing was logged\n"


def test_rerun_takes_the_params_of_then(kept, run) -> None:
    assert run("runs", "rerun", "01JD…RUN1").code == 0
    name, request = kept.requests[0]
    assert (name, request.params, request.rerun_of) == (
        "bank-transactions",
        {"full": True},
        "01JD5X0000000000000000RUN1",
    )


def test_reading_commands_work_while_another_process_writes(kept, run) -> None:
    kept.locked = Unavailable("locked")
    for command in (["runs"], ["dead-letters", "list"], ["cursor", "show", "bank-transactions"], ["list"]):
        assert run(*command).code == 0
    assert run("cursor", "reset", "bank-transactions").code == 3


# dead letters


def test_dead_letters_are_listed_by_cause(kept, run) -> None:
    seen = run("dead-letters", "list", terminal=True, COLUMNS="120")
    lines = seen.seen.splitlines()
    assert lines[0].split() == ["cause", "count", "first", "last", "example"]
    rows = {line.split("  ")[0]: line for line in lines[1:-1]}
    assert set(rows) == {"refused: unknown bank", "missing-field: description"}
    assert rows["refused: unknown bank"].split("  ")[-1].startswith("external_id ")
    assert lines[-1].startswith("show one:  engine dead-letters show 01JD…")
    assert "edit and send:  engine dead-letters edit 01JD…" in lines[-1]


def test_piped_the_list_has_whole_ids_and_no_hints(kept, run) -> None:
    seen = run("dead-letters", "list")
    assert seen.out.isascii()
    assert "01JD5X00000000000000000003" in seen.out
    assert "show one" not in seen.out


@pytest.mark.parametrize(
    ("filters", "count"),
    [
        (["--code", "refused"], 2),
        (["--reason", "missing-field: des"], 1),
        (["--run", "01JD…RUN2"], 1),
        (["--pipeline", "bank-banks"], 0),
        (["--since", "1h"], 3),
        (["--since", "2999-01-01"], 0),
    ],
)
def test_filters_choose(kept, run, filters, count) -> None:
    assert len(run("dead-letters", "list", "--each", "--json", *filters).out.splitlines()) == count


def test_json_lists_show_no_records(kept, run) -> None:
    assert "11144477735" not in run("dead-letters", "list", "--each", "--json").out


def test_show_masks_what_is_sensitive(kept, run) -> None:
    for how in ([], ["--json"]):
        seen = run("dead-letters", "show", "01JD…001", *how)
        assert seen.code == 0
        assert "11144477735" not in seen.out
        assert '" padaria "' in seen.out
        assert '"document": "***"' in seen.out


def test_without_its_pipeline_every_value_is_covered(world, run, make) -> None:
    world.keep([make.letter(1, pipeline="gone")])
    seen = run("dead-letters", "show", "01JD")
    assert "padaria" not in seen.out
    assert '"description": "***"' in seen.out
    assert "gone is not loaded" in seen.err


def test_edit_from_a_file_keeps_what_is_covered(kept, run) -> None:
    (kept.root / "r.json").write_text('{"id": 1, "description": "Padaria", "document": "***"}')
    seen = run("dead-letters", "edit", "01JD…001", "--from", "r.json")
    assert seen.code == 0, seen.err
    changed = next(row for row in kept.find("dead") if row.id.endswith("001"))
    assert changed.record == {"id": 1, "description": "Padaria", "document": "11144477735"}


def test_edit_in_an_editor_shows_masks_only(kept, run) -> None:
    script = kept.root / "editor.py"
    script.write_text(
        "import sys, pathlib\n"
        "file = pathlib.Path(sys.argv[1])\n"
        "text = file.read_text()\n"
        f"pathlib.Path({str(kept.root / 'seen')!r}).write_text(text + str(oct(file.stat().st_mode)))\n"
        "file.write_text(text.replace(' padaria ', 'Padaria'))\n"
    )
    seen = run("dead-letters", "edit", "01JD…001", "--send", EDITOR=f"{sys.executable} {script}")
    assert seen.code == 0, seen.err
    shown = (kept.root / "seen").read_text()
    assert "11144477735" not in shown
    assert shown.endswith("600")
    assert kept.requests[0][1].replay
    entry = kept.find("entries", lane="bank-transactions/in/replay")[0]
    assert entry.body["record"] == {"id": 1, "description": "Padaria", "document": "11144477735"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"id": 1,', "not JSON: line 1"),
        ('{"id": "***", "description": "x", "document": "***"}', "*** stands where it covers nothing"),
        ('{"id": NaN}', "NaN is not a number"),
    ],
)
def test_an_edit_that_makes_no_sense_changes_nothing(kept, run, text, said) -> None:
    (kept.root / "r.json").write_text(text)
    seen = run("dead-letters", "edit", "01JD…001", "--from", "r.json")
    assert seen.code == 2
    assert said in seen.err
    assert kept.writers == 0


def test_without_an_editor_the_other_way_is_named(kept, run, monkeypatch) -> None:
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.delenv("EDITOR", raising=False)
    seen = run("dead-letters", "edit", "01JD…001")
    assert seen.code == 2
    assert "--from FILE" in seen.err


def test_replay_by_reason_up_to_a_limit(kept, run) -> None:
    seen = run("dead-letters", "replay", "--reason", "refused", "--limit", "1")
    assert seen.code == 0
    assert "sending 1 record again" in seen.err
    assert "success" in seen.out
    assert [(name, request.replay) for name, request in kept.requests] == [("bank-transactions", True)]
    assert sorted(row.status for row in kept.find("dead")) == ["open", "open", "replayed"]


async def sends_what_waits(app, request, stop):
    """A run that replays, as the engine does: takes the lane's entries and settles them."""
    (lease,) = await app.store.acquire("bank-transactions/in/replay", 1, 30)
    entries = await app.store.fetch(lease, 100, 1_000_000)
    await app.store.settle(Settlement(new_id(), lease, done=[entry.id for entry in entries]))
    await app.store.release([lease])
    return RunResult(app.world.summary(status="success", read=len(entries)))


def test_replay_twice_is_replay_once(kept, run) -> None:
    kept.runs["bank-transactions"] = sends_what_waits
    run("dead-letters", "replay", "--all")
    assert len(kept.requests) == 1
    seen = run("dead-letters", "replay", "--all")
    assert seen.err == "no open dead letters to send again\n"
    assert len(kept.requests) == 1
    assert "was replayed already" in run("dead-letters", "replay", "01JD…001").err


def test_a_replay_that_was_interrupted_is_taken_up(kept, run, make) -> None:
    """Set to be sent again and not sent: nobody else would ever send them."""
    kept.runs["bank-transactions"] = make.summary(status="failed")
    assert run("dead-letters", "replay", "--all").code == 1
    kept.runs["bank-transactions"] = sends_what_waits
    seen = run("dead-letters", "replay", "--all")
    assert "sending 3 records again" in seen.err
    assert "success" in seen.out
    assert run("dead-letters", "replay", "--all").err == "no open dead letters to send again\n"


def test_replay_must_be_told_which(kept, run) -> None:
    assert run("dead-letters", "replay").code == 2
    assert run("dead-letters", "replay", "01JD…001", "--all").code == 2


def test_replay_of_a_pipeline_that_is_gone_changes_nothing(world, run, make) -> None:
    world.keep([make.letter(1, pipeline="gone")])
    seen = run("dead-letters", "replay", "--all")
    assert seen.code == 2
    assert "gone is not there any more" in seen.err
    assert [row.status for row in world.find("dead")] == ["open"]


def test_drop_asks_or_is_told(kept, run, monkeypatch) -> None:
    assert run("dead-letters", "drop", "--code", "refused").code == 2
    monkeypatch.setattr("click.confirm", lambda *args, **kwargs: False)
    assert "nothing was dropped" in run("dead-letters", "drop", "--code", "refused", terminal=True).told
    seen = run("dead-letters", "drop", "--code", "refused", "--yes")
    assert seen.out == "dropped 2 dead letters\n"
    assert sorted(row.status for row in kept.find("dead")) == ["dropped", "dropped", "open"]


def test_editing_gives_back_the_original_types() -> None:
    original = {"a": Decimal("12.50"), "s": "x", "deep": [{"document": "1", "n": 1}]}
    shown = {"a": 12.5, "s": "x", "deep": [{"document": MASK, "n": 1}]}
    edited = {"a": 12.5, "s": "y", "deep": [{"document": MASK, "n": True}]}
    assert restored(edited, shown, original) == {
        "a": Decimal("12.50"),
        "s": "y",
        "deep": [{"document": "1", "n": True}],
    }
    assert restored(edited, shown, original)["deep"][0]["n"] is True
    with pytest.raises(ValueError, match="covers nothing"):
        restored({"s": MASK}, shown, original)


def test_masking_covers_the_mapped_record_too(make) -> None:
    pipeline = SimpleNamespace(mask=mask_document, mask_sent=lambda target, value: mask_document(value))
    seen = masked(make.letter(1, mapped={"document": "11144477735"}), pipeline)
    assert "11144477735" not in str(seen)


def test_a_record_between_two_steps_is_masked_by_the_names_of_both_sides(make) -> None:
    def sent(target, value):
        return {**value, "tax_id": MASK} if "tax_id" in value else value

    pipeline = SimpleNamespace(mask=mask_document, mask_sent=sent, targets=[SimpleNamespace(id="target")])
    seen = masked(make.letter(1, entry="steps[2].map", record={"tax_id": "11144477735"}, mapped=None), pipeline)
    assert "11144477735" not in str(seen)


# cursor


def test_cursor_show(kept, run) -> None:
    lines = run("cursor", "show", "bank-transactions").out.splitlines()
    assert lines[0].startswith("bank-transactions  moved just now, ")
    assert lines[1:] == ["  updated_at  2026-11-21 18:02:11", "  id          5"]
    line = json.loads(run("cursor", "show", "bank-transactions", "--json").out)
    assert line["cursor"] == {"updated_at": "2026-11-21 18:02:11", "id": 5}


def lane(world):
    return world.find("lanes", lane="bank-transactions/cursor")[0].checkpoint


def test_cursor_set_takes_the_type_and_keeps_the_rest(kept, run) -> None:
    seen = run("cursor", "set", "bank-transactions", "id=7", "updated_at=2026")
    assert seen.code == 0
    assert lane(kept)["cursor"] == {"updated_at": "2026", "id": 7}
    assert lane(kept)["targets"] == {"target": {"offset": 9}}
    assert "back:  engine cursor set bank-transactions 'updated_at=2026-11-21 18:02:11' id=5" in seen.out


def test_who_moved_a_cursor_by_hand_is_kept(kept, run) -> None:
    run("cursor", "set", "bank-transactions", "id=7", LOGNAME="ana")
    told = json.loads(run("cursor", "show", "bank-transactions", "--json").out)["by_hand"]
    assert [line["message"] for line in told] == [
        "moved by hand from 2026-11-21 18:02:11, 5 to 2026-11-21 18:02:11, 7, by ana"
    ]
    assert "moved by hand from" in run("cursor", "show", "bank-transactions").out


def test_cursor_reset_and_back(kept, run) -> None:
    seen = run("cursor", "reset", "bank-transactions")
    assert "id          5                    ->  from the beginning" in seen.out
    assert lane(kept) == {"targets": {"target": {"offset": 9}}}
    assert "not moved yet" in run("cursor", "show", "bank-transactions").out
    assert run("cursor", "set", "bank-transactions", "updated_at=2026-11-21 18:02:11", "id=5").code == 0
    assert lane(kept)["cursor"] == {"updated_at": "2026-11-21 18:02:11", "id": 5}


def test_cursor_reset_without_targets_forgets_the_lane(world, run) -> None:
    world.keep(lanes={"bank-transactions/cursor": {"cursor": {"updated_at": "a", "id": 1}}})
    assert run("cursor", "reset", "bank-transactions").code == 0
    assert lane(world) is None
    assert "had not moved" in run("cursor", "reset", "bank-transactions").out


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (["idd=7"], "no cursor field 'idd'; did you mean 'id'?"),
        (["id"], "id: write field=value"),
        (["id=seven"], "id=seven: must be a whole number, like 5"),
        (["id=null"], "must be a whole number"),
    ],
)
def test_a_wrong_cursor_value_changes_nothing(kept, run, values, said) -> None:
    seen = run("cursor", "set", "bank-transactions", *values)
    assert seen.code == 2
    assert said in seen.err
    assert lane(kept)["cursor"]["id"] == 5


def test_a_pipeline_without_cursor_says_so(world, run) -> None:
    assert "bank-banks has no cursor" in run("cursor", "set", "bank-banks", "id=1").err


def test_a_cursor_is_not_moved_under_a_running_pipeline(kept, run, monkeypatch) -> None:
    async def taken(prefix, limit, ttl):
        return []

    monkeypatch.setattr(kept.state, "acquire", taken)
    seen = run("cursor", "reset", "bank-transactions")
    assert seen.code == 3
    assert "is running" in seen.err
    monkeypatch.undo()
    assert lane(kept)["cursor"]["id"] == 5


# list and show


def test_list_shows_what_reads_what_and_how_it_starts(world, run) -> None:
    out = run("list").out
    row = next(line for line in out.splitlines() if line.startswith("bank-transactions"))
    assert "sql bank-db" in row
    assert "graphql automation-hub" in row
    assert "cron 0 */2 * * *; after bank-banks" in row
    assert not any(line != line.rstrip() for line in out.splitlines())
    first = json.loads(run("list", "--json").out.splitlines()[0])
    assert (first["pipeline"], first["source"]) == ("bank-banks", "sql bank-db")


def test_show_says_where_it_stands_and_covers_secrets(kept, run) -> None:
    out = run("show", "bank-transactions").out
    for said in ("amount != `0`", "batches of 100, key external_id", "at 2026-11-21 18:02:11, 5", "3 wait", "failed,"):
        assert said in out
    assert "canary" not in run("show", "automation-hub").out
    assert 'bearer: "***"' in run("show", "automation-hub").out
    assert "did you mean 'automation-hub'" in run("show", "automation-hubs").err
