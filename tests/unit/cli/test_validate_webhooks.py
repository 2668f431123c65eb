"""``engine validate`` also says what only all webhooks together tell, and loads nothing for it otherwise."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HOOK = "pipeline: {name}\ntriggers: [{{webhook: {{path: {path}, {who}}}}}]\ntarget: {{console: {{}}}}\n"


@pytest.fixture
def said(tmp_path):
    """Write pipelines and give what the command says of them, and the modules it loaded."""

    def run(*pipelines, settings="engine: 1\n", options=()):
        (tmp_path / "pipelines").mkdir(exist_ok=True)
        (tmp_path / "engine.yaml").write_text(settings)
        for number, text in enumerate(pipelines):
            (tmp_path / f"pipelines/{number}.yaml").write_text(text)
        code = (
            "import sys; from engine.cli.main import main; main(['validate', '--format', 'json', *sys.argv[1:]]);"
            "print(sorted({name.split('.')[0] for name in sys.modules} & {'aiohttp', 'jwt', 'croniter'}))"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, *options], cwd=tmp_path, capture_output=True, text=True, check=True
        )
        text, _, loaded = done.stdout.rstrip().rpartition("\n")
        return [(p["file"], p["line"], p["code"]) for p in json.loads(text)["problems"]], loaded

    return run


def hook(name, path, who="auth: none"):
    return HOOK.format(name=name, path=path, who=who)


def test_paths_that_collide_are_found(said):
    problems, _ = said(hook("a", "/orders"), hook("b", "/Orders"))
    assert problems == [("pipelines/1.yaml", 2, "path-collision")]


def test_a_caller_that_nobody_knows_is_found(said):
    clients = "engine: 1\nclients: {shop: {allow_ips: [127.0.0.1]}}\n"
    wrong = hook("a", "/a", "clients: [shopp]")
    assert said(wrong, settings=clients)[0] == [("pipelines/0.yaml", 2, "unknown-client")]
    assert said(hook("a", "/a", "clients: [shop]"), settings=clients)[0] == []


def test_a_key_set_of_a_client_that_cannot_be_read_is_found(said):
    clients = "engine: 1\nclients: {shop: {jwt: {algorithms: [RS256], jwks: none.json, audience: a}}}\n"
    assert said(hook("a", "/a", "clients: [shop]"), settings=clients)[0] == [("engine.yaml", 1, "file")]


def test_a_pipeline_with_errors_hides_no_other(said):
    broken = hook("c", "/orders").replace("target", "tarjet")
    problems, _ = said(hook("a", "/orders"), hook("b", "/Orders"), broken)
    assert {code for _, _, code in problems} == {"path-collision", "unknown-key", "missing-key"}


def test_what_listens_is_loaded_only_for_webhooks(said):
    timed = "pipeline: a\ntriggers: [{cron: 0 5 * * *}]\nsource: {inline: {rows: []}}\ntarget: {console: {}}\n"
    assert said(timed)[1] == "[]"
    assert "aiohttp" not in said(hook("a", "/a"))[1]


KEYED = "engine: 1\nclients: {shop: {api_keys: ['${secret:shop}']}}\n"


def test_a_secret_that_is_missing_is_one_problem_not_one_for_each_webhook(said):
    found, _ = said(hook("a", "/a", "clients: [shop]"), settings=KEYED)
    assert found == [("engine.yaml", 2, "missing-secret")]


def test_skip_env_excuses_the_secrets_of_callers(said):
    assert said(hook("a", "/a", "clients: [shop]"), settings=KEYED, options=["--skip-env"])[0] == []


def test_skip_env_still_finds_what_needs_no_secret(said):
    """The control."""
    found, _ = said(hook("a", "/a", "clients: [shopp]"), settings=KEYED, options=["--skip-env"])
    assert found == [("pipelines/0.yaml", 2, "unknown-client")]
