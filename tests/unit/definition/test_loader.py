"""A project's folder to definitions: typed, complete, and never stopped by one bad file."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from engine.definition import settings
from engine.definition.loader import load
from engine.definition.model import Project, Step
from engine.errors import Problem
from engine.policy import CircuitBreaker, RateLimit, Retry

CONNECTIONS = """\
connections:
  hub:
    http:
      base_url: ${HUB_URL:-http://localhost:4000}
      auth: {bearer: "${secret:hub-token:-null}"}
    resilience:
      circuit_breaker: {failures: 3, reset_after: 2m}
      rate_limit: {limit: 100, per: 1s}
  bank:
    sql: {url: "sqlite:///bank.db"}
"""
PIPELINE = """\
pipeline: transactions
timezone: America/Sao_Paulo
time_limit: 30m
params:
  full: {type: boolean, default: false}
triggers:
  - {id: full, cron: "0 3 * * *", params: {full: true}}
source:
  sql:
    connection: bank
    query: select * from t where (at, id) > (:cursor_at, :cursor_id) order by at, id
  cursor: {fields: [at, id], initial: {at: "1970-01-01", id: 0}, lookback: 5m, reset: "{{ params.full }}"}
filters: ["amount != `0`"]
mapping: {x-ray: id, label: "{{ record.name }}"}
target:
  graphql:
    connection: hub
    mutation: "mutation($t: [T!]!) { import(t: $t) { id } }"
    variables: {t: "{{ records }}"}
    x-note: free
  batch: {size: 100, wait: 500ms}
  key: id
  resilience: {retry: {initial: 2s}}
resilience:
  timeout: 10s
  retry: {attempts: 5, jitter: none}
  rate_limit: {limit: 50, per: 1m}
promises:
  - {fresh: 3h}
"""


def project(root: Path, **files: str) -> Path:
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("_yaml", ".yaml").replace("_yml", ".yml")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def good(root: Path, environ: dict[str, str] | None = None, **files: str) -> Project:
    files = {"connections__all_yaml": CONNECTIONS, "pipelines__a_yaml": PIPELINE} | files
    loaded, problems = load(project(root, **files), environ=environ or {})
    assert [str(problem) for problem in problems] == []
    return loaded


def codes(problems: list[Problem]) -> list[tuple[str, str]]:
    return [(problem.file, problem.code) for problem in problems]


def test_a_pipeline_is_typed(tmp_path: Path) -> None:
    """Durations are seconds, the short form is steps, marks are kept by path, resilience is merged."""
    loaded = good(tmp_path)
    pipeline = loaded.pipelines["transactions"]
    assert loaded.files == 2
    assert pipeline.time_limit == 1800.0
    assert pipeline.timezone == "America/Sao_Paulo"
    assert pipeline.steps == (
        Step("filter", "amount != `0`", ("filters", 0)),
        Step("map", {"x-ray": "id", "label": "{{ record.name }}"}, ("mapping",)),
    )
    assert pipeline.source is not None
    cursor = pipeline.source.cursor
    assert cursor is not None
    assert (cursor.fields, cursor.lookback, cursor.lookback_is_time) == (("at", "id"), 300.0, True)
    assert cursor.initial == {"at": "1970-01-01", "id": 0}
    assert cursor.reset == "{{ params.full }}"
    (target,) = pipeline.targets
    assert (target.id, target.path, target.key) == ("target", ("target",), "id")
    assert (target.batch.size, target.batch.wait, target.batch.written) == (100, 0.5, True)
    assert target.use.connection == "hub"
    assert set(target.use.options) == {"mutation", "variables"}
    assert target.use.path == ("target", "graphql")
    assert target.use.values[("variables",)] == "template"
    assert target.resilience.timeout == 10.0
    assert target.resilience.retry == Retry(5, "exponential", 2.0, 30.0, "none")
    assert target.resilience.retry_written
    assert pipeline.resilience.retry.initial == 1.0
    assert target.resilience.rate_limit == RateLimit(50, 60.0)
    assert pipeline.triggers == ({"id": "full", "cron": "0 3 * * *", "params": {"full": True}},)
    assert pipeline.origin.place(("target", "key")) == ("pipelines/a.yaml", 22, 8)


def test_a_connection_is_typed(tmp_path: Path) -> None:
    """Its limits belong to it; an auth item whose only secret is null is absent."""
    hub = good(tmp_path).connections["hub"]
    assert hub.use.connector == "http"
    assert hub.use.options == {"base_url": "http://localhost:4000"}
    assert hub.circuit_breaker == CircuitBreaker(failures=3, reset_after=120.0)
    assert hub.rate_limit == RateLimit(100, 1.0)


def test_secrets_are_gathered(tmp_path: Path) -> None:
    """Every value to be masked is known, wherever it stands."""
    loaded = good(tmp_path, {"ENGINE_SECRET_HUB_TOKEN": "canary-1", "HUB_URL": "http://hub"})
    assert loaded.connections["hub"].use.options["auth"] == {"bearer": "canary-1"}
    assert "canary-1" in loaded.secrets
    assert "http://hub" not in loaded.secrets


def test_a_secret_is_never_in_a_problem(tmp_path: Path) -> None:
    """A value that came from outside is not repeated in a message."""
    connections = (
        "connections:\n  hub:\n    http:\n      base_url: http://x\n      auth: {bearer: {a: '${secret:t}'}}\n"
    )
    pipeline = PIPELINE.replace("time_limit: 30m", "time_limit: ${LIMIT}")
    root = project(tmp_path, connections__all_yaml=connections, pipelines__a_yaml=pipeline)
    _, problems = load(root, environ={"ENGINE_SECRET_T": "canary-2", "LIMIT": "canary-3"})
    text = "\n".join(map(str, problems))
    assert "what '${LIMIT}' stands for is not a duration" in text
    assert "canary" not in text


def test_without_the_mask_the_value_would_be_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: it is the mask that keeps the value out of the message."""
    monkeypatch.setattr("engine.definition.report._instead", lambda path, resolved, shape: "")
    root = project(tmp_path, pipelines__a_yaml=PIPELINE.replace("time_limit: 30m", "time_limit: ${LIMIT}"))
    _, problems = load(root, environ={"LIMIT": "canary-3"})
    assert "canary-3" in "\n".join(map(str, problems))


def test_equal_content_has_an_equal_revision(tmp_path: Path) -> None:
    """Comments and quotes are no content; a variable's value is."""
    one = good(project(tmp_path / "one"))
    two = good(project(tmp_path / "two"), pipelines__a_yaml="# comment\n" + PIPELINE.replace("30m", "'30m'"))
    three = good(project(tmp_path / "three"), {"HUB_URL": "http://other"})
    assert one.pipelines["transactions"].origin.revision == two.pipelines["transactions"].origin.revision
    assert one.connections["hub"].origin.revision != three.connections["hub"].origin.revision
    assert one.connections["bank"].origin.revision == three.connections["bank"].origin.revision


def test_a_bad_file_hides_no_good_one(tmp_path: Path) -> None:
    """Everything wrong in every file is said at once, sorted; what is right is loaded."""
    root = project(
        tmp_path,
        connections__all_yaml=CONNECTIONS,
        pipelines__a_yaml=PIPELINE,
        pipelines__broken_yaml="pipeline: [\n",
        pipelines__deep__b_yml="pipeline: b\nenabled: yes\ntimezon: UTC\n",
    )
    loaded, problems = load(root, environ={})
    assert list(loaded.pipelines) == ["transactions"]
    assert codes(problems) == [
        ("pipelines/broken.yaml", "yaml-syntax"),
        ("pipelines/deep/b.yml", "missing-key"),
        ("pipelines/deep/b.yml", "wrong-type"),
        ("pipelines/deep/b.yml", "unknown-key"),
    ]
    assert problems == sorted(problems)


def test_one_bad_connection_leaves_the_others(tmp_path: Path) -> None:
    """Connections share files, not fates; a bad one still has a name that pipelines may use."""
    root = project(
        tmp_path,
        connections__all_yaml=CONNECTIONS.replace("base_url", "base_ulr"),
        pipelines__a_yaml=PIPELINE,
    )
    loaded, problems = load(root, environ={})
    assert list(loaded.connections) == ["bank"]
    assert ("connections/all.yaml", "unknown-key") in codes(problems)
    assert {file for file, _ in codes(problems)} == {"connections/all.yaml"}


def test_any_kind_may_stand_in_any_folder_and_dots_are_passed_over(tmp_path: Path) -> None:
    """The top-level key tells what a file is."""
    root = project(tmp_path, presets__c_yaml=CONNECTIONS, connections__p_yaml=PIPELINE)
    project(root, **{"pipelines__.hidden_yaml": "nonsense", "pipelines__.git__x_yaml": "nonsense", "other_yaml": "x"})
    loaded, problems = load(root, environ={})
    assert not problems
    assert set(loaded.connections) == {"hub", "bank"}


def test_paths_restrict_the_problems_but_not_the_project(tmp_path: Path) -> None:
    """A file named from elsewhere is loaded too; cross references see the whole project."""
    root = project(tmp_path / "project", connections__all_yaml=CONNECTIONS, pipelines__bad_yaml="pipeline: B\n")
    elsewhere = project(tmp_path / "elsewhere", mine_yaml=PIPELINE, wrong_yaml=PIPELINE.replace("bank", "bnk"))
    loaded, problems = load(root, environ={}, paths=[elsewhere / "mine.yaml"])
    assert not problems
    assert "transactions" in loaded.pipelines
    _, problems = load(root, environ={}, paths=[elsewhere / "wrong.yaml"])
    assert codes(problems) == [(str(elsewhere / "wrong.yaml"), "unknown-connection")]
    _, problems = load(root, environ={}, paths=[Path("pipelines")])
    assert {file for file, _ in codes(problems)} == {"pipelines/bad.yaml"}
    _, problems = load(root, environ={}, paths=[Path("no/such.yaml")])
    assert codes(problems) == [("no/such.yaml", "no-file")]
    _, problems = load(root, environ={}, paths=[Path("connections/all.yaml")])
    assert codes(problems) == [("connections/all.yaml", "unused")] * 2


def test_a_file_named_twice_is_loaded_once(tmp_path: Path) -> None:
    """A path into the project is no second definition."""
    root = project(tmp_path, connections__all_yaml=CONNECTIONS, pipelines__a_yaml=PIPELINE)
    loaded, problems = load(root, environ={}, paths=[root / "pipelines" / "a.yaml", Path("pipelines")])
    assert not problems
    assert loaded.files == 2


def test_dotenv_is_read_and_the_environment_wins(tmp_path: Path) -> None:
    """A ``.env`` beside engine.yaml gives what the environment does not."""
    root = project(tmp_path)
    (root / ".env").write_text("HUB_URL=http://dotenv\n")
    assert good(root).connections["hub"].use.options["base_url"] == "http://dotenv"
    assert good(root, {"HUB_URL": "http://real"}).connections["hub"].use.options["base_url"] == "http://real"


def test_a_dotenv_that_is_no_text_is_said(tmp_path: Path) -> None:
    """Nothing is read from it, and nobody wonders why."""
    (tmp_path / ".env").write_bytes(b"A=\xff\n")
    _, problems = load(tmp_path, environ={})
    assert codes(problems) == [(".env", "unreadable")]


def test_settings_have_defaults_units_and_the_environment(tmp_path: Path) -> None:
    """engine.yaml, ENGINE_… over it, defaults under it."""
    text = (
        "engine: 1\nstore: {sqlite: {path: x.db}}\nretention: {runs: 7d}\nvars: {Unit: kg}\n"
        "defaults: {timezone: Europe/Berlin, resilience: {timeout: 7s, retry: {max: 9s}}}\n"
    )
    environ = {
        "ENGINE_RETENTION_LOGS": "2d",
        "ENGINE_EGRESS_ALLOW": "10.0.0.0/8, erp.local",
        "ENGINE_EGRESS_REDIRECTS": "true",
        "ENGINE_VARS_PLANT": "sp-1",
        "ENGINE_SECRET_X": "no setting",
        "ENGINE_ENGINE": "no setting",
    }
    pipeline = PIPELINE.replace("timezone: America/Sao_Paulo\n", "").replace("  timeout: 10s\n", "")
    loaded = good(tmp_path, environ, engine_yaml=text, pipelines__a_yaml=pipeline)
    assert loaded.settings == {
        "engine": 1,
        "listen": {
            "address": "127.0.0.1",
            "port": 8080,
            "trusted_proxies": [],
            "tls": {},
            "limits": {"connections_per_ip": 100},
        },
        "store": {"sqlite": {"path": "x.db", "min_free": 256 * 2**20, "reserve": 64 * 2**20}},
        "admin": {"address": "127.0.0.1", "port": 8081, "allowed_hosts": [], "tls": {}},
        "drain": 25.0,
        "health": {"groups": {}, "degraded": {"error_rate": 0.02, "over": 300.0}},
        "metrics": {"path": "/metrics", "labels": []},
        "retention": {
            "runs": 7 * 86400.0,
            "logs": 2 * 86400.0,
            "dead_letters": 90 * 86400.0,
            "duplicates": 7 * 86400.0,
        },
        "egress": {"private": "deny", "allow": ["10.0.0.0/8", "erp.local"], "redirects": True},
        "files": [],
        "vars": {"Unit": "kg", "plant": "sp-1"},
        "defaults": {"timezone": "Europe/Berlin", "resilience": {"timeout": 7.0, "retry": {"max": 9.0}}},
    }
    built = loaded.pipelines["transactions"]
    assert built.timezone == "Europe/Berlin"
    assert built.targets[0].resilience.timeout == 7.0
    assert built.targets[0].resilience.retry == Retry(5, "exponential", 2.0, 9.0, "none")


def test_the_servers_settings_come_from_the_environment_too(tmp_path: Path) -> None:
    """Each key as a variable; what has names of its own as JSON."""
    environ = {
        "ENGINE_ADMIN_ADDRESS": "::1",
        "ENGINE_ADMIN_PORT": "0",
        "ENGINE_ADMIN_ALLOWED_HOSTS": "hub.internal, hub",
        "ENGINE_ADMIN_TLS_CERT": "c.pem",
        "ENGINE_ADMIN_TLS_KEY": "k.pem",
        "ENGINE_HEALTH_DEGRADED_ERROR_RATE": "0.5",
        "ENGINE_HEALTH_DEGRADED_OVER": "1m",
        "ENGINE_HEALTH_GROUPS": '{"shop": {"labels": {"client": "shop"}, "by": "flow"}}',
        "ENGINE_METRICS_PATH": "/m",
        "ENGINE_METRICS_LABELS": "client, flow",
        "ENGINE_DRAIN": "5s",
        "ENGINE_PUBLIC_URL": "https://hub.example",
        "ENGINE_RETENTION_DUPLICATES": "1d",
    }
    known = good(tmp_path, environ).settings
    assert known["admin"] == {
        "address": "::1",
        "port": 0,
        "allowed_hosts": ["hub.internal", "hub"],
        "tls": {"cert": "c.pem", "key": "k.pem"},
    }
    assert known["health"] == {
        "groups": {"shop": {"labels": {"client": "shop"}, "by": "flow"}},
        "degraded": {"error_rate": 0.5, "over": 60.0},
    }
    assert known["metrics"] == {"path": "/m", "labels": ["client", "flow"]}
    assert (known["drain"], known["public_url"]) == (5.0, "https://hub.example")
    assert known["retention"]["duplicates"] == 86400.0


@pytest.mark.parametrize(
    ("address", "refused"),
    [("127.0.0.1", False), ("127.8.8.8", False), ("::1", False), ("[::1]", False), ("localhost", False),
     ("0.0.0.0", True), ("::", True), ("192.168.0.7", True), ("hub.internal", True), ("127.0.0.1.evil.example", True)],
)  # fmt: skip
def test_the_admin_port_is_for_this_machine_alone(tmp_path: Path, address: str, refused: bool) -> None:
    """Nobody is asked there who they are."""
    _, problems = load(tmp_path, environ={"ENGINE_ADMIN_ADDRESS": address})
    assert codes(problems) == ([("ENGINE_ADMIN_ADDRESS", "open-admin")] if refused else [])


@pytest.mark.parametrize(
    ("listen", "admin", "refused"),
    [
        ({"address": "0.0.0.0", "port": 9}, {"port": 9}, True),
        ({"port": 8081}, {}, True),
        ({"port": 0}, {"port": 0}, False),
        ({"address": "10.0.0.7", "port": 9}, {"port": 9}, False),
        ({}, {}, False),
    ],
)
def test_two_listeners_have_two_ports(listen: dict[str, Any], admin: dict[str, Any], refused: bool) -> None:
    """One that starts only when nobody listens at the other's place would fail late."""
    found = list(settings.rules({"engine": 1, "listen": listen, "admin": admin}))
    assert [finding.code for finding in found] == (["bad-value"] if refused else [])


def test_a_setting_from_the_environment_is_checked_too(tmp_path: Path) -> None:
    """The problem names the variable."""
    _, problems = load(tmp_path, environ={"ENGINE_RETENTION_RUNS": "canary"})
    assert codes(problems) == [("ENGINE_RETENTION_RUNS", "bad-duration")]
    assert "canary" not in str(problems[0])


def test_memory_store_is_not_completed_by_a_file(tmp_path: Path) -> None:
    """One kind of store at a time."""
    loaded, problems = load(project(tmp_path, engine_yaml="engine: 1\nstore: {memory: {}}\n"), environ={})
    assert not problems
    assert loaded.settings["store"] == {"memory": {}}


def test_an_empty_folder_is_a_project(tmp_path: Path) -> None:
    """Nothing to load is no problem."""
    loaded, problems = load(tmp_path, environ={})
    assert (dict(loaded.pipelines), problems, loaded.files) == ({}, [], 0)
    assert loaded.settings["store"]["sqlite"]["path"] == "data/engine.db"


def test_skip_env_excuses_missing_values(tmp_path: Path) -> None:
    """For machines that check without the environment."""
    connections = CONNECTIONS.replace("${HUB_URL:-http://localhost:4000}", "${HUB_URL}").replace(":-null", "")
    pipeline = PIPELINE.replace("30m", "${LIMIT}").replace("{size: 100", '{size: "${SIZE}"')
    root = project(tmp_path, connections__all_yaml=connections, pipelines__a_yaml=pipeline)
    _, problems = load(root, environ={})
    assert [code for _, code in codes(problems)] == ["missing-variable", "missing-secret", *["missing-variable"] * 2]
    loaded, problems = load(root, environ={}, skip_env=True)
    assert not problems
    assert loaded.pipelines["transactions"].targets[0].batch.size == 1


def test_a_breaker_goes_to_a_target_without_a_connection(tmp_path: Path) -> None:
    """Only where no connection owns it."""
    target = "target:\n  http: {url: 'http://localhost:1/x'}\n  key: id\n"
    pipeline = PIPELINE[: PIPELINE.index("target:")] + target + "resilience:\n  circuit_breaker: {failures: 2}\n"
    connections = CONNECTIONS[: CONNECTIONS.index("  hub:")] + CONNECTIONS[CONNECTIONS.index("  bank:") :]
    loaded = good(tmp_path, pipelines__a_yaml=pipeline, connections__all_yaml=connections)
    built = loaded.pipelines["transactions"]
    assert built.targets[0].circuit_breaker == CircuitBreaker(failures=2)
    assert built.source is not None
    assert built.source.circuit_breaker is None


def test_long_form_and_several_targets(tmp_path: Path) -> None:
    """Steps keep their kinds and paths; each target has its own delivery."""
    pipeline = """\
pipeline: routes
source: {sql: {connection: bank, query: select id from t}}
steps:
  - filter: a
  - {id: cases, switch: [{when: b, steps: [{remove: [c]}]}, {else: [{set: {d: e}}]}]}
targets:
  - id: one
    when: a
    mapping: {id: id}
    graphql: {connection: hub, mutation: "mutation { m }"}
    on_rejected: drop
    omit_null: true
  - id: two
    graphql: {connection: hub, mutation: "mutation { m }"}
    resilience: {timeout: 1s}
unrouted: drop
missing: null
resilience: {timeout: 3s}
"""
    built = good(tmp_path, pipelines__b_yaml=pipeline).pipelines["routes"]
    assert [(step.kind, step.path) for step in built.steps] == [
        ("filter", ("steps", 0, "filter")),
        ("switch", ("steps", 1, "switch")),
    ]
    assert [(target.id, target.path, target.resilience.timeout) for target in built.targets] == [
        ("one", ("targets", 0), 3.0),
        ("two", ("targets", 1), 1.0),
    ]
    assert (built.targets[0].on_rejected, built.targets[0].omit_null, built.targets[0].when) == ("drop", True, "a")
    assert (built.unrouted, built.missing) == ("drop", "null")


def test_loading_imports_nothing_heavy(tmp_path: Path) -> None:
    """A right file is checked without the libraries that only runs and explanations need."""
    project(tmp_path, connections__all_yaml=CONNECTIONS, pipelines__a_yaml=PIPELINE)
    code = (
        "import sys; from pathlib import Path; from engine.definition.loader import load\n"
        f"project, problems = load(Path({str(tmp_path)!r}), environ={{}})\n"
        "assert project.pipelines and not problems\n"
        "heavy = {'aiohttp', 'jinja2', 'jsonschema', 'jmespath', 'sqlalchemy', 'rich', 'asyncio'}\n"
        "heavy |= {'asyncua', 'sqlite3', 'croniter', 'difflib', 'importlib.metadata'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.slow
def test_a_thousand_files_are_checked_in_a_moment(tmp_path: Path) -> None:
    """A gate of 2 s of processor time; the aim is 0.8."""
    files: dict[str, Any] = {
        f"pipelines__{i % 20}__p{i}_yaml": PIPELINE.replace("transactions", f"transactions-{i}") for i in range(1000)
    }
    project(tmp_path, connections__all_yaml=CONNECTIONS, **files)
    start = time.process_time()
    loaded, problems = load(tmp_path, environ={})
    seconds = time.process_time() - start
    assert not problems
    assert len(loaded.pipelines) == 1000
    assert seconds < 2.0
