"""A definition becomes a pipeline: nothing written in it is lost on the way."""

import pytest

from engine.compiler.compile import compile_pipeline, fingerprint, overlap_of
from engine.definition.loader import load
from engine.errors import DefinitionError, RecordError, Unavailable
from engine.policy import CircuitBreaker

CONNECTIONS = """\
connections:
  hub:
    http: {base_url: "http://localhost:1"}
    resilience: {circuit_breaker: {failures: 7}, rate_limit: {limit: 5, per: 1s}}
"""
PIPELINE = """\
pipeline: orders
timezone: America/Sao_Paulo
time_limit: 5m
unrouted: drop
labels: {client: shop}
params:
  full: {type: boolean, default: false}
  shop: {type: string, enum: [a, b], required: true}
source:
  inline: {rows: [{id: 1, secret: abc, at: 1}]}
  cursor: {fields: [at], initial: {at: 0}, reset: "{{ params.full }}"}
filters: ["id != `2`"]
mapping:
  id: id
  token: {$value: secret, $sensitive: true}
targets:
  - id: far
    http: {connection: hub, path: /orders}
    when: "id > `0`"
    key: id
    batch: {size: 7, wait: 2s}
    on_rejected: drop
    resilience: {timeout: 9s}
  - id: near
    console: {}
    resilience: {circuit_breaker: {failures: 3}}
promises: [{fresh: 3h}]
"""


def compiled(folder, pipeline=PIPELINE, connections=CONNECTIONS):
    for name, text in (("pipelines", pipeline), ("connections", connections)):
        (folder / name).mkdir(exist_ok=True)
        (folder / name / "all.yaml").write_text(text)
    project, problems = load(folder, environ={})
    assert [problem for problem in problems if problem.severity == "error"] == []
    return project, compile_pipeline(project, project.pipelines["orders"])


def test_everything_written_arrives(tmp_path):
    _, pipeline = compiled(tmp_path)
    far, near = pipeline.targets
    assert (pipeline.time_limit, pipeline.unrouted, pipeline.labels) == (300.0, "drop", {"client": "shop"})
    assert str(pipeline.timezone) == "America/Sao_Paulo"
    assert pipeline.inactive == ("promises",)
    assert (far.batch, far.batched, far.wait, far.on_rejected, far.resilience.timeout) == (7, True, 2.0, "drop", 9.0)
    assert far.remote.circuit_breaker == CircuitBreaker(failures=7)
    assert far.remote.rate_limit.limit == 5
    assert (near.batched, near.key, near.when) == (False, None, None)


def test_a_breaker_without_a_connection_is_the_targets_own(tmp_path):
    _, pipeline = compiled(tmp_path)
    remote = pipeline.targets[1].remote
    assert (remote.name, remote.build, remote.circuit_breaker) == ("orders.near", None, CircuitBreaker(failures=3))


def test_the_cursor_and_its_reset(tmp_path):
    _, pipeline = compiled(tmp_path)
    cursor = pipeline.source.cursor
    assert (cursor.fields, cursor.initial) == (("at",), {"at": 0})
    names = {"params": {"full": True}, "trigger": {}, "run": {}, "vars": {}}
    assert cursor.reset(names) is True
    assert cursor.reset({**names, "params": {"full": False}}) is False


def test_masks_cover_what_is_sent_and_what_it_was_read_from(tmp_path):
    _, pipeline = compiled(tmp_path)
    assert pipeline.mask({"id": 1, "secret": "abc"}) == {"id": 1, "secret": "***"}
    assert pipeline.mask_sent("far", {"id": 1, "token": "abc"}) == {"id": 1, "token": "***"}


def test_params_are_completed_and_checked(tmp_path):
    _, pipeline = compiled(tmp_path)
    assert pipeline.check_params({"shop": "a"}) == {"full": False, "shop": "a"}
    for wrong, code in [({"shop": "c"}, "param"), ({}, "param"), ({"shop": "a", "ful": True}, "unknown-param")]:
        with pytest.raises(DefinitionError) as caught:
            pipeline.check_params(wrong)
        assert [problem.code for problem in caught.value.problems] == [code]
        assert caught.value.problems[0].file == "pipelines/all.yaml"


def test_the_fingerprint_follows_the_pipeline_and_its_connections_and_nothing_else(tmp_path):
    project, _ = compiled(tmp_path)
    first = fingerprint(project, project.pipelines["orders"])
    again, _ = compiled(tmp_path, "# a comment\n" + PIPELINE)
    assert fingerprint(again, again.pipelines["orders"]) == first
    moved, _ = compiled(tmp_path, connections=CONNECTIONS.replace("localhost:1", "localhost:2"))
    assert fingerprint(moved, moved.pipelines["orders"]) != first
    changed, _ = compiled(tmp_path, PIPELINE.replace("size: 7", "size: 8"))
    assert fingerprint(changed, changed.pipelines["orders"]) != first


def test_a_connector_that_is_not_there_says_so():
    from engine.compiler.registry import connector

    with pytest.raises(Unavailable, match="no connector 'nothing'"):
        connector("nothing")


def test_a_reset_that_is_a_text_is_an_error_not_a_silent_no(tmp_path):
    text = PIPELINE.replace("{{ params.full }}", "{{ params.shop }}")
    _, pipeline = compiled(tmp_path, text)
    with pytest.raises(RecordError, match="not true or false"):
        pipeline.source.cursor.reset({"params": {"shop": "a"}, "trigger": {}, "run": {}, "vars": {}})


STARTED = """\
pipeline: orders
triggers:
  - {id: early, cron: "0 5 * * *", calendar: bank-days}
  - {after: banks, on: failure}
  - webhook: {path: /orders, auth: none, schema: order.json}
target: {console: {}}
"""
BANKS = "pipeline: banks\nsource: {inline: {rows: []}}\ntarget: {console: {}}\n"


def started(folder, pipeline=STARTED, settings="", environ=None, connections=CONNECTIONS):
    for name, text in (
        ("pipelines/orders", pipeline),
        ("pipelines/banks", BANKS),
        ("connections/all", connections),
        ("engine", f"engine: 1\ncalendars: {{bank-days: {{weekdays: mon-fri}}}}\n{settings}"),
    ):
        (folder / f"{name}.yaml").parent.mkdir(exist_ok=True)
        (folder / f"{name}.yaml").write_text(text)
    if not (folder / "order.json").exists():
        (folder / "order.json").write_text('{"type": "object"}')
    project, problems = load(folder, environ=environ or {})
    assert [problem for problem in problems if problem.severity == "error"] == []
    return project


def test_what_starts_a_pipeline_is_compiled_with_it(tmp_path):
    project = started(tmp_path, STARTED + "concurrency: {overlap: queue_one}\n")
    pipeline = compile_pipeline(project, project.pipelines["orders"])
    assert [timer.id for timer in pipeline.timers] == ["early"]
    assert [(one.pipelines, one.on) for one in pipeline.after] == [(("banks",), "failure")]
    assert [hook.path for hook in pipeline.webhooks] == ["/orders"]
    assert pipeline.overlap == "queue_one"


def test_a_pipeline_that_is_silent_on_overlap_skips(tmp_path):
    project = started(tmp_path)
    assert overlap_of(project.pipelines["orders"]) == "skip"


SETTINGS = "vars: {region: sul, other: 1}\n"
USES_VARS = STARTED.replace("target: {console: {}}", 'mapping: {at: "{{ vars.region }}"}\ntarget: {console: {}}')


@pytest.mark.parametrize(
    ("settings", "same"),
    [
        ("vars: {region: norte, other: 1}\n", False),
        ("vars: {region: sul, other: 2}\n", True),
        (SETTINGS + "defaults: {resilience: {timeout: 9s}}\n", False),
        (SETTINGS + "retention: {runs: 9d}\n", True),
    ],
    ids=["a var it names", "a var it does not name", "a default it takes", "what is not its own"],
)
def test_the_fingerprint_follows_the_settings_a_pipeline_depends_on(tmp_path, settings, same):
    first = started(tmp_path, USES_VARS, SETTINGS)
    then = started(tmp_path, USES_VARS, settings)
    assert (print_of(first) == print_of(then)) is same


def print_of(project):
    return fingerprint(project, project.pipelines["orders"])


def test_the_fingerprint_follows_a_calendar_and_a_schema(tmp_path):
    project = started(tmp_path)
    first = print_of(project)
    project.settings["calendars"]["bank-days"]["weekdays"] = "mon-sat"
    second = print_of(project)
    (tmp_path / "order.json").write_text('{"type": "array"}')
    assert len({first, second, print_of(project)}) == 3
    project.settings["calendars"]["other"] = {}
    assert print_of(started(tmp_path)) != first, "the control: the schema stays changed"


SECRET = """\
connections:
  hub: {http: {base_url: "${HUB:-http://localhost:1}", auth: {bearer: "${secret:hub}"}}}
"""
TO_HUB = "pipeline: orders\nsource: {inline: {rows: []}}\nenabled: ${ON}\ntarget: {http: {connection: hub, path: /}}\n"


@pytest.mark.parametrize(
    "changed",
    [{"ENGINE_SECRET_HUB": "other"}, {"HUB": "http://localhost:2"}, {"ON": "false"}],
    ids=["a secret", "a variable of the connection", "a variable of the pipeline"],
)
def test_the_fingerprint_follows_values_and_shows_none(tmp_path, changed):
    environ = {"ENGINE_SECRET_HUB": "s3cret-canary", "ON": "true"}
    first = started(tmp_path, TO_HUB, "", environ, SECRET)
    same = started(tmp_path, TO_HUB, "", {**environ, "UNRELATED": "1"}, SECRET)
    other = started(tmp_path, TO_HUB, "", {**environ, **changed}, SECRET)
    assert print_of(first) == print_of(same) != print_of(other)
    assert "canary" not in print_of(first) + repr(first.connections["hub"].origin.revision)
