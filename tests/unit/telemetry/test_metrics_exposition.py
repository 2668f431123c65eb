"""What a monitor reads at /metrics: right names, right figures, and never more series than definitions allow."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from engine.errors import Problem, StoreError
from engine.events import (
    BatchDelivered,
    BatchRead,
    CallRetried,
    CircuitChanged,
    Fired,
    LaneFreed,
    LaneHeld,
    Noted,
    Reloaded,
    ReloadFailed,
    RunFinished,
    RunStarted,
    Settled,
    Skipped,
    StoreChanged,
    Told,
    WebhookAnswered,
)
from engine.store.base import LaneRow
from engine.telemetry.card import Card
from engine.telemetry.metrics import Metrics

ROOT = Path(__file__).parents[3]
AT = datetime(2026, 11, 21, 17, 2, 11, tzinfo=UTC)
SALES = Card("sales", {"client": "banban", "flow": "sales"}, ("shop-db",), {"target": "shop-db"})
ETL = Card("etl", {"client": "banban", "flow": "etl"}, ("hub",), {"hub": "hub"}, enabled=False)
PROBLEM = Problem("pipelines/a.yaml", 3, 1, "unknown-key", "error", "", "no")

EVERYTHING: tuple[Told, ...] = (
    RunStarted("sales", "r1", "webhook", "webhook", ("shop-db",), False, "session"),
    RunStarted("etl", "r2", "cron", "sql", ("hub",), False),
    BatchRead("etl", "r2", 100, {"filters[0]": 3, "filters[1]": 1}, 2),
    BatchDelivered("etl", "r2", "hub", 93, 1, 2, 0.02),
    BatchDelivered("sales", "r1", "target", 5, 0, 1, 0.004),
    CallRetried("etl", "r2", "hub", 1, 1.0, "503"),
    CircuitChanged("etl", "r2", "hub", "open"),
    Settled("etl", "r2", None, 3),
    Noted("etl", "r2", "info", "x", "y"),
    RunFinished("etl", "r2", "partial", 41.0, {}),
    LaneHeld("sales", "r1", "sales/in/0", "disconnected", "refused", "shop-db"),
    LaneHeld("sales", "r1", "sales/in/1", "disconnected", "refused", "shop-db"),
    LaneFreed("sales", "r1", "sales/in/1"),
    Fired("etl", "", "nightly", "cron", "2026-11-21T03:00:00+00:00", 0.2),
    Skipped("etl", "", "nightly", "2026-11-21T04:00: the run before goes on"),
    Reloaded(2, ("etl",), (), 0.04),
    ReloadFailed((PROBLEM,)),
    StoreChanged("full", "no space"),
    WebhookAnswered("/sales", "POST", 202, "accepted", "10.0.0.9", ("sales",), "banban", seconds=0.003),
    WebhookAnswered("/nobody", "POST", 401, "unauthorized", "10.0.0.9"),
)


class Clock:
    now = AT

    def __call__(self) -> datetime:
        return self.now


class Lanes:
    """What the store would say."""

    def __init__(self, rows: Iterable[LaneRow]) -> None:
        self.rows = list(rows)
        self.reads = 0
        self.error: StoreError | None = None

    async def __call__(self) -> list[LaneRow]:
        self.reads += 1
        if self.error:
            raise self.error
        return self.rows


def lane(name: str, entries: int, ago: float = 60) -> LaneRow:
    return LaneRow(name, None, entries, None, "", (AT - timedelta(seconds=ago)).isoformat())


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def lanes() -> Lanes:
    return Lanes([lane("sales/in/0", 7), lane("gone/in/0", 1), lane("etl/reset/8f3a", 2), lane("*/paused/etl", 1)])


@pytest.fixture
def metrics(clock: Clock, lanes: Lanes) -> Metrics:
    made = Metrics(lanes, ("client", "flow"), {"version": "0.2.0", "sqlite": "3.40.1"}, clock)
    made.replace([SALES, ETL], {"shop-db", "hub"})
    return made


async def figures(metrics: Metrics) -> dict[str, float]:
    """Every sample by name and labels, as Prometheus itself would read it."""
    status, text, kind = await metrics.expose()
    assert (status, kind) == (200, "text/plain; version=0.0.4; charset=utf-8")
    found = {}
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


def feed(metrics: Metrics, told: Iterable[Told] = EVERYTHING) -> None:
    for one in told:
        metrics(one)


async def test_every_event_is_counted_under_the_names_of_the_language(metrics: Metrics) -> None:
    feed(metrics)
    found = await figures(metrics)
    expected = {
        "engine_runs_total{pipeline=etl,status=partial}": 1,
        "engine_runs_running{pipeline=etl}": 0,
        "engine_runs_running{pipeline=sales}": 1,
        "engine_run_seconds_bucket{le=15.0,pipeline=etl}": 0,
        "engine_run_seconds_bucket{le=60.0,pipeline=etl}": 1,
        "engine_run_seconds_count{pipeline=etl}": 1,
        "engine_run_seconds_sum{pipeline=etl}": 41,
        "engine_last_success_timestamp_seconds{pipeline=sales}": AT.timestamp(),
        "engine_records_total{outcome=read,pipeline=etl,target=}": 100,
        "engine_records_total{outcome=dropped,pipeline=etl,target=}": 4,
        "engine_records_total{outcome=rejected,pipeline=etl,target=}": 2,
        "engine_records_total{outcome=sent,pipeline=etl,target=hub}": 93,
        "engine_records_total{outcome=rejected,pipeline=etl,target=hub}": 1,
        "engine_records_total{outcome=sent,pipeline=sales,target=target}": 5,
        "engine_dead_letters_total{pipeline=etl}": 3,
        "engine_call_seconds_bucket{connection=hub,le=0.01}": 0,
        "engine_call_seconds_bucket{connection=hub,le=0.025}": 1,
        "engine_call_seconds_count{connection=shop-db}": 1,
        "engine_call_retries_total{connection=hub}": 1,
        "engine_breaker_state{connection=hub,state=open}": 1,
        "engine_breaker_state{connection=hub,state=closed}": 0,
        "engine_lane_entries{lane=in/0,pipeline=sales}": 7,
        "engine_lane_oldest_seconds{lane=in/0,pipeline=sales}": 60,
        "engine_lane_held{lane=in/0,pipeline=sales}": 1,
        "engine_firings_total{kind=cron,pipeline=etl}": 1,
        "engine_firings_skipped_total{pipeline=etl}": 1,
        "engine_trigger_lag_seconds_bucket{le=0.1}": 0,
        "engine_trigger_lag_seconds_bucket{le=0.5}": 1,
        "engine_webhook_responses_total{outcome=accepted,pipeline=sales}": 1,
        "engine_webhook_responses_total{outcome=unauthorized,pipeline=}": 1,
        "engine_webhook_seconds_count": 2,
        "engine_reloads_total{outcome=success}": 1,
        "engine_reloads_total{outcome=failure}": 1,
        "engine_reload_last_success_timestamp_seconds": AT.timestamp(),
        "engine_definitions_stale": 1,
        "engine_store_state{state=full}": 1,
        "engine_store_state{state=ok}": 0,
        "engine_store_commit_seconds_count": 0,
        "engine_pipelines{state=active}": 1,
        "engine_pipelines{state=disabled}": 1,
        "engine_pipeline_info{client=banban,flow=sales,pipeline=sales}": 1,
        "engine_build_info{sqlite=3.40.1,version=0.2.0}": 1,
    }
    assert {name: found.get(name) for name in expected} == expected
    assert "engine_lane_held{lane=in/1,pipeline=sales}" not in found, "it was freed"
    assert "process_resident_memory_bytes" in found


async def test_positions_and_notes_of_the_engine_are_no_lanes_with_work(metrics: Metrics) -> None:
    """Names of positions (``etl/reset/HASH``) grow without end; an orphan's work is still work."""
    found = [name for name in await figures(metrics) if name.startswith("engine_lane_entries")]
    assert found == ["engine_lane_entries{lane=in/0,pipeline=sales}", "engine_lane_entries{lane=in/0,pipeline=gone}"]


async def test_whoever_calls_cannot_make_series(metrics: Metrics) -> None:
    feed(metrics, [WebhookAnswered("/known", "POST", 202, "accepted", "10.0.0.9", ("sales",))])
    before = len(await figures(metrics))
    for number in range(2000):
        path, address = f"/secret-{number}", f"10.{number // 256}.{number % 256}.1"
        metrics(WebhookAnswered(path, "POST", 401, "unauthorized", address, (), f"client-{number}", f"why {number}"))
    assert len(await figures(metrics)) == before + 1


async def test_what_is_a_label_does_make_series(metrics: Metrics) -> None:
    """The control: the same calls, had they names of pipelines that nobody wrote."""
    before = len(await figures(metrics))
    for number in range(100):
        metrics(WebhookAnswered("/x", "POST", 401, "unauthorized", "10.0.0.9", (f"p{number}",)))
    assert len(await figures(metrics)) == before + 100


async def test_reasons_of_skipped_firings_make_no_series(metrics: Metrics) -> None:
    for number in range(100):
        metrics(Skipped("etl", "", "nightly", f"slot {number} is too old"))
    found = await figures(metrics)
    assert [value for name, value in found.items() if "skipped" in name] == [100]


async def test_series_of_pipelines_and_connections_that_are_gone_end(metrics: Metrics, lanes: Lanes) -> None:
    feed(metrics)
    metrics.replace([SALES], {"shop-db"})
    lanes.rows = []
    found = await figures(metrics)
    assert [name for name in found if "etl" in name or "connection=hub" in name] == []
    assert found["engine_records_total{outcome=sent,pipeline=sales,target=target}"] == 5, "what stays goes on"
    assert found["engine_webhook_responses_total{outcome=unauthorized,pipeline=}"] == 1


async def test_breakers_stay_while_nobody_says_which_connections_there_are(metrics: Metrics) -> None:
    feed(metrics)
    metrics.replace([SALES])
    assert (await figures(metrics))["engine_breaker_state{connection=hub,state=open}"] == 1


async def test_a_reload_that_works_ends_being_stale(metrics: Metrics, clock: Clock) -> None:
    metrics(ReloadFailed((PROBLEM,)))
    clock.now += timedelta(minutes=1)
    metrics(Reloaded(2, (), (), 0.1))
    found = await figures(metrics)
    assert found["engine_definitions_stale"] == 0
    assert found["engine_reload_last_success_timestamp_seconds"] == clock.now.timestamp()


async def test_a_store_that_cannot_be_read_does_not_end_the_figures(metrics: Metrics, lanes: Lanes) -> None:
    lanes.error = StoreError("locked")
    feed(metrics)
    found = await figures(metrics)
    assert found["engine_lane_reading_failures_total"] == 1
    assert not any(name.startswith("engine_lane_entries") for name in found)
    assert found["engine_runs_total{pipeline=etl,status=partial}"] == 1


async def test_a_mistake_in_reading_the_lanes_is_not_hidden(metrics: Metrics) -> None:
    """The control: only what the store says is excused."""

    async def broken() -> list[LaneRow]:
        raise KeyError("lane")

    with pytest.raises(KeyError):
        await Metrics(broken).expose()


async def test_readings_close_together_ask_the_store_once(metrics: Metrics, lanes: Lanes, clock: Clock) -> None:
    await metrics.expose()
    await metrics.expose()
    assert lanes.reads == 1
    clock.now += timedelta(seconds=2)
    await metrics.expose()
    assert lanes.reads == 2


async def test_labels_of_pipelines_are_bounded_and_have_names_prometheus_takes(lanes: Lanes) -> None:
    labels = ["cost-centre", "pipeline", "cost_centre", *(f"l{number}" for number in range(20))]
    metrics = Metrics(None, labels)
    metrics.replace([Card("a", {"cost-centre": 'x"\n' * 200, "pipeline": "fake", "l19": "too many"})])
    [info] = [name for name in await figures(metrics) if name.startswith("engine_pipeline_info")]
    assert "pipeline=a" in info
    assert "label_pipeline=fake" in info
    assert "too many" not in info
    assert len(info) < 300


async def test_commits_are_counted(metrics: Metrics) -> None:
    metrics.committed(0.0031)
    found = await figures(metrics)
    assert found["engine_store_commit_seconds_bucket{le=0.0025}"] == 0
    assert found["engine_store_commit_seconds_bucket{le=0.005}"] == 1


async def test_writing_leaves_the_loop_free(metrics: Metrics, monkeypatch: pytest.MonkeyPatch) -> None:
    """With thousands of pipelines it takes a second: the scheduler must not wait for it."""
    from engine.telemetry import metrics as module

    threads = []
    real = module.written

    def seen(*args: object) -> bytes:
        threads.append(threading.current_thread())
        return real(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "written", seen)
    await metrics.expose()
    assert threads != [threading.main_thread()]


def test_only_a_server_loads_the_library() -> None:
    """It costs a tenth of a second: `engine validate` and `engine run` do without it."""
    code = "import sys; {}; sys.exit('prometheus_client' in sys.modules)"
    for imports, loads in (
        ("import engine.cli.main, engine.app, engine.telemetry.servelog, engine.telemetry.card", 0),
        ("import engine.telemetry.metrics", 1),
    ):
        done = subprocess.run([sys.executable, "-c", code.format(imports)], cwd=ROOT, timeout=60)
        assert done.returncode == loads


def promtool(text: bytes) -> subprocess.CompletedProcess[str]:
    found = shutil.which("promtool", path=f"{os.environ.get('PATH', '')}:{ROOT / '.tools' / 'bin'}")
    if found is None:
        pytest.skip("promtool is not here: make tools")
    done = subprocess.run([found, "check", "metrics"], input=text, capture_output=True, timeout=60)
    return subprocess.CompletedProcess(found, done.returncode, done.stdout.decode(), done.stderr.decode())


async def test_promtool_has_nothing_to_say(metrics: Metrics) -> None:
    feed(metrics)
    metrics.committed(0.001)
    _, text, _ = await metrics.expose()
    assert b"\nprocess_cpu_seconds_total " in text
    done = promtool(text)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    "spoilt",
    [
        b"# HELP engine_runs Runs.\n# TYPE engine_runs counter\nengine_runs 1\n",
        b"# TYPE engine_x gauge\nengine_x 1\n",
        b"engine_x{a=} 1\n",
    ],
)
async def test_promtool_finds_what_is_wrong(spoilt: bytes) -> None:
    """The control: a counter without _total, no help, no exposition at all."""
    assert promtool(spoilt).returncode != 0
