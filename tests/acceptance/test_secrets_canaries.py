"""Planted canaries: whatever goes wrong, no secret and no sensitive value is printed or stored where people look."""

from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.acceptance.bank_hub import ENGINE, BankHub
from tests.acceptance.canaries import CANARIES, found, raw, stored
from tests.acceptance.web_peer import Call, Reply, WebPeer, serving

UNMASKED = (sys.executable, str(Path(__file__).with_name("without_masking.py")))
SECRETS = {name for name in CANARIES if "sensitive" not in name}
SENSITIVE = set(CANARIES) - SECRETS
EVERYWHERE = {
    "a secret out of the environment",
    "a secret out of a file",
    "a password of basic auth",
    "a secret header",
    "a secret in a plain header",
    *SENSITIVE,
}
"""What a system that repeats all it hears gives away wherever nobody masks it."""
STORED = {"dead": {"record", "mapped"}, "entries": {"body"}}
"""A dead letter keeps its record whole, to be sent again: there sensitive values may be, secrets never."""

PIPELINE = """\
pipeline: {name}
source:
  sql: {{connection: people, query: "select id, name, password, pin from people where id > :cursor_id order by id"}}
  cursor: {{fields: [id], initial: {{id: 0}}}}
mapping:
  id: id
  name: name
  login: {{hash: {{$value: password, $sensitive: true}}}}
  pin: {{$value: pin, $type: integer, $sensitive: true}}
target:
  http: {{connection: {connection}, path: "/{status}"}}
  key: id
  on_rejected: {on_rejected}
resilience:
  retry: {{attempts: 2, initial: 0s}}
"""
CONNECTIONS = """\
connections:
  people: {{sql: {{url: "sqlite:///people.db"}}}}
  bearer:
    http:
      base_url: {url}
      auth: {{bearer: "${{CANARY_ENV}}"}}
      headers: {{X-Plain: "${{secret:plain}}"}}
  basic:
    http:
      base_url: {url}
      auth: {{basic: {{username: sync, password: "${{secret:basic}}"}}}}
  header:
    http:
      base_url: {url}
      auth: {{headers: {{X-Token: "${{secret:header}}"}}}}
  key:
    http:
      base_url: {url}
      auth: {{api_key: {{query: token, value: "${{secret:file}}"}}}}
  through:
    http:
      base_url: {url}
      proxy: "http://sync:{proxy}@127.0.0.1:9"
  far-database: {{sql: {{url: "postgresql://sync:{sql}@127.0.0.1:9/bank"}}}}
"""
FAR = """\
pipeline: far
source:
  sql: {connection: far-database, query: "select 1 as id"}
mapping: {id: id}
target:
  http: {connection: bearer, path: /200}
"""
LOOKED_AT = ("far", "through-500", "bearer-422-fail", "basic-401", "header-302", "key-500")
ANSWERS = {"bearer": (200, 302, 401, 422, 500), "basic": (401, 422), "header": (302, 500), "key": (422, 500)}


def _pipeline(connection: str, status: int, policy: str = "dead_letter") -> tuple[str, str]:
    name = f"{connection}-{status}" + ("" if policy == "dead_letter" else f"-{policy}")
    return name, PIPELINE.format(name=name, connection=connection, status=status, on_rejected=policy)


def echo(call: Call) -> Reply:
    """Answer with everything that came, as some systems do."""
    known = [value for name, value in call.headers.items() if name.startswith(("Auth", "X-"))]
    said = json.dumps({"error": "no", "you said": call.body, "with": known, "at": call.path})
    status = int(call.path.split("?")[0].strip("/") or 200)
    where = {"Location": f"http://elsewhere.example{call.path}"} if status == 302 else {}
    return Reply(status, said, where)


class Project(BankHub):
    """A project full of canaries, in front of a system that repeats all it hears."""

    def __init__(self, folder: Path, url: str, command: tuple[str, ...] = ENGINE) -> None:
        self.folder, self.database, self.url, self.command = folder, folder / "people.db", url, command
        self.settings = {"CANARY_ENV": CANARIES["a secret out of the environment"], "TMPDIR": str(folder / "tmp")}
        (folder / "tmp").mkdir(parents=True)
        proxy, sql = (
            CANARIES["a password in the address of a proxy"],
            CANARIES["a password in the address of a database"],
        )
        self.write("connections/all.yaml", CONNECTIONS.format(url=url, proxy=proxy, sql=sql))
        for name, secret in {
            "file": "out of a file",
            "basic": "of basic auth",
            "header": "header",
            "plain": "plain",
        }.items():
            value = next(value for title, value in CANARIES.items() if secret in title)
            self.write(f"secrets/{name}", f"{value}\n")
        self.write("pipelines/far.yaml", FAR)
        for name, text in self.pipelines():
            self.write(f"pipelines/{name}.yaml", text)
        with closing(sqlite3.connect(self.database)) as database, database:
            database.execute("create table people (id integer primary key, name text, password text, pin text)")
            hidden, unreadable = CANARIES["a sensitive field"], CANARIES["a sensitive field that cannot be read"]
            people = [(1, "Ana", hidden, "1"), (2, "Rui", hidden, "2"), (3, "Zé", hidden, unreadable)]
            database.executemany("insert into people values (?, ?, ?, ?)", people)

    def __post_init__(self) -> None:
        """Nothing to copy."""

    @staticmethod
    def pipelines() -> Iterator[tuple[str, str]]:
        """Name → text: each way to be known at the far end, with each answer."""
        for connection, statuses in ANSWERS.items():
            for status in statuses:
                yield _pipeline(connection, status)
        yield _pipeline("bearer", 422, "fail")
        yield _pipeline("through", 500)

    @property
    def names(self) -> list[str]:
        """All pipelines."""
        return ["far", *(name for name, _ in self.pipelines())]


class Told(dict[str, str]):
    """What each command printed, the first of them first."""

    def __init__(self, project: Project) -> None:
        self.project = project

    def note(self, *arguments: str) -> list[str]:
        """Run a command; give the lines of its standard output."""
        ended = self.project.ended(*arguments)
        self[f"{len(self)}: {' '.join(arguments)}"] = ended.out + ended.err
        return ended.out.splitlines()

    def look(self, *commands: str) -> None:
        """Run commands that only look, side by side."""
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda command: self.note(*command.split()), commands))


def everything(project: Project) -> Mapping[str, str]:
    """Work the project with every command that prints, and give what each printed."""
    said = Told(project)
    said.note("run", *project.names, "--dry-run")
    said.note("run", *project.names, "--dry-run", "--json")
    said.note("run", *project.names)
    said.note("cursor", "reset", "bearer-422")
    said.note("-v", "run", *project.names)
    said.note("-v", "-v", "run", *project.names, "--json")
    said.look("validate", "-v validate --format json", "list", "list --json", "-v check", "runs")
    said.look(*(f"{command} {name}" for command in ("show", "cursor show") for name in ("far", "bearer-422")))
    said.look("show bearer", "show far-database", *(f"dead-letters list{how}" for how in ("", " --json", " --each")))
    runs: dict[str, str] = {}
    for line in said.note("runs", "--limit", "200", "--json"):
        runs.setdefault(json.loads(line)["pipeline"], json.loads(line)["id"])
    for how in ("show", "logs"):
        said.look(*(f"runs {how} {runs[name]}{more}" for name in LOOKED_AT for more in ("", " --json")))
    letters = [json.loads(line)["id"] for line in said.note("dead-letters", "list", "--each", "--json")]
    said.look(*(f"dead-letters show {letter}{more}" for letter in letters[:3] for more in ("", " --json")))
    project.settings["EDITOR"] = "cat"
    said.note("dead-letters", "edit", letters[0])
    said.note("dead-letters", "replay", "--pipeline", "bearer-422")
    return said


def leaks(said: Mapping[str, str]) -> dict[str, set[str]]:
    """Command → the canaries it printed."""
    return {command: names for command, text in said.items() if (names := found(text))}


@contextmanager
def worked(folder: Path, command: tuple[str, ...] = ENGINE) -> Iterator[tuple[Project, Mapping[str, str], WebPeer]]:
    """Do everything there is to do with a project full of canaries."""
    with serving() as peer:
        peer.decide = echo
        project = Project(folder, peer.url, command)
        yield project, everything(project), peer


@pytest.mark.timeout(300)
def test_no_canary_is_printed_or_stored_where_people_look(tmp_path: Path) -> None:
    with worked(tmp_path) as (project, said, peer):
        heard = found("\n".join(f"{call.path} {call.headers} {json.dumps(call.body)}" for call in peer.calls))
    # the far end heard them, so there was something to keep: a test of nothing would pass, too
    assert heard >= EVERYWHERE - {"a sensitive field that cannot be read"}
    assert any("***" in text for text in said.values())
    assert len(project.dead()) > 5

    assert leaks(said) == {}
    assert found(stored(project.folder, but={})) & SECRETS == set()
    assert found(raw(project.folder / "data")) & SECRETS == set()
    assert [line for line in stored(project.folder, but=STORED).splitlines() if found(line)] == []
    # and the record of a dead letter is whole all the same
    assert found(stored(project.folder, but={})) >= SENSITIVE


@pytest.mark.timeout(300)
def test_the_control_without_masking_finds_them(tmp_path: Path) -> None:
    """What the test above finds nothing of is there to be found."""
    with worked(tmp_path, UNMASKED) as (project, said, _):
        printed = set().union(*leaks(said).values())
    assert printed >= EVERYWHERE
    assert found(stored(project.folder, but=STORED)) >= EVERYWHERE


# what is said before anything runs


def test_a_password_in_an_address_is_refused_without_saying_it(tmp_path: Path) -> None:
    project = Project(tmp_path, "http://127.0.0.1:9")
    secret = CANARIES["a password in the address of a system"]
    project.write(
        "connections/more.yaml", f'connections: {{more: {{http: {{base_url: "http://me:{secret}@far.example"}}}}}}'
    )
    for command in (
        ["validate"],
        ["validate", "--format", "json"],
        ["run", "far"],
        ["list"],
        ["check", "more"],
        ["show", "more"],
    ):
        ended = project.ended("-v", *command)
        assert found(ended.out + ended.err) == set(), command
    assert "bad-url" in project.ended("validate").out + project.ended("validate").err


PROBLEMS = {
    "a-secret-where-none-may-be": (
        "pipelines/p.yaml",
        'pipeline: p\nsource: {sql: {connection: people, query: "${secret:file}"}}\ntarget: {http: {}}\n',
    ),
    "a-duration-that-is-none": (
        "connections/p.yaml",
        'connections: {p: {http: {base_url: "http://x", max_response: "${CANARY_ENV}"}}}',
    ),
    "an-unknown-key": (
        "connections/p.yaml",
        'connections: {p: {http: {base_url: "http://x", auth: {bearerr: "${secret:file}"}}}}',
    ),
    "an-address-that-is-none": ("connections/p.yaml", 'connections: {p: {http: {base_url: "${CANARY_ENV}"}}}'),
    "a-wrong-type": (
        "connections/p.yaml",
        'connections: {p: {http: {base_url: "http://x", auth: {basic: "${secret:basic}"}}}}',
    ),
    "a-number-as-a-key": (
        "connections/p.yaml",
        'connections: {p: {http: {base_url: "http://x", tls: {verify: "${secret:header}"}}}}',
    ),
}


@pytest.mark.parametrize(("file", "text"), PROBLEMS.values(), ids=PROBLEMS.keys())
def test_problems_do_not_repeat_a_secret(tmp_path: Path, file: str, text: str) -> None:
    project = Project(tmp_path, "http://127.0.0.1:9")
    project.write(file, text)
    said = [project.ended("validate", "--format", kind) for kind in ("text", "json")]
    assert {ended.code for ended in said} == {2}
    assert found("".join(ended.out + ended.err for ended in said)) == set()


CRASH = """\
import sys
sys.path.insert(0, {root!r})
from engine.cli.main import main
from engine.net.client import Client

async def send(self, request):
    raise RuntimeError(f"broken with {{self.access.credentials.headers}} and {{request.headers}}")

Client.send = send
sys.exit(main())
"""


@pytest.mark.parametrize("verbose", [[], ["-v"]])
def test_a_crash_says_and_writes_no_secret(tmp_path: Path, verbose: list[str]) -> None:
    with serving() as peer:
        project = Project(tmp_path, peer.url)
        project.write("crash.py", CRASH.format(root=str(Path(__file__).resolve().parents[2])))
        project.command = (sys.executable, str(tmp_path / "crash.py"))
        ended = project.ended(*verbose, "run", "basic-401")
    assert (ended.code, "internal error" in ended.err) == (1, True)
    files = [path.read_text("utf-8") for path in (tmp_path / "tmp").glob("engine-error-*")]
    assert (len(files) == 1) is (not verbose)
    assert found("\n".join([ended.out, ended.err, *files])) == set()
    assert "***" in "\n".join([ended.err, *files])
    assert found(stored(tmp_path, but=STORED)) == set()
