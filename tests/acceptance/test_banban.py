"""The retail hub end to end, through ``engine serve``: who is let in, what is answered, what is then in the tables."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import re
import shlex
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from scripts.banban_demo import command, make_secrets, new_sale
from scripts.banban_demo import sale as found_sale
from tests.acceptance.banban_hub import (
    ENVIRON,
    KEYS,
    at,
    cancellation,
    event,
    lines,
    payment,
    sale,
    sql,
    write_project,
)
from tests.acceptance.served import ENGINE, Served
from tests.acceptance.web_peer import Call, Reply, WebPeer

PREFIX = {"banban": "/api/v1/webhooks", "riachuelo": "/api/v1/riachuelo/webhooks"}
REFUSED = {"type": "about:blank", "title": "Unauthorized", "status": 401}


class Banban:
    """The hub in a folder, served."""

    def __init__(self, folder: Path, **environ: str) -> None:
        self.folder = write_project(folder)
        self.served = Served(folder)
        self.environ = {**ENVIRON, "SALE_WAIT": "1500ms", "ETL_RETRY_DELAY": "10ms", **environ}
        self.served.environ = {
            **self.environ,
            "ENGINE_LISTEN_PORT": str(self.served.port),
            "ENGINE_ADMIN_PORT": str(self.served.admin),
        }

    def send(
        self, flow: str, body: Any, key: str = "banban-key", client: str = "banban", **headers: str
    ) -> tuple[int, Any]:
        """Post *body* to a flow, with the key of that name (none: no key)."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if key:
            named["X-API-Key"] = KEYS.get(key, key)
        text = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.served.ask(f"{PREFIX[client]}/{flow}", text, named)

    def rows(self, query: str, *values: Any, client: str = "banban") -> list[Any]:
        """Read a client's database: rows, or the values of a single column."""
        return [row[0] if len(row) == 1 else row for row in sql(self.folder, query, *values, client=client)]

    def stock(self, place: str, sku: str = "SAND-AZ-38") -> int:
        """Give what there is of a product at a place."""
        [found] = self.rows("select quantity from stock where location_id = ? and sku = ?", place, sku)
        return int(found)

    def engine(self, *arguments: str, code: int = 0) -> str:
        """Run a command beside the server; give its standard output."""
        done = subprocess.run(
            [*ENGINE, "--project", str(self.folder), *arguments],
            env={**os.environ, **self.environ}, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert done.returncode == code, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def letters(self, pipeline: str) -> list[str]:
        """Give the reasons of a pipeline's open dead letters."""
        told = self.engine("dead-letters", "list", "--each", "--json", "--pipeline", pipeline)
        return [json.loads(line)["message"] for line in told.splitlines() if line.strip()]

    def logged(self, pattern: str) -> list[dict[str, Any]]:
        """Give the lines of the log in which *pattern* is found."""
        return [json.loads(line) for line in self.served.log().splitlines() if re.search(pattern, line)]


def until(holds: Callable[[], Any], seconds: float = 20.0) -> Any:
    """Wait until *holds*; give what it gave."""
    end = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.02)
    return found


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Banban]]:
    """Give ``make(**environ)``, which serves the hub; it is killed at the end of the test."""
    made: list[Banban] = []

    def start(**environ: str) -> Banban:
        made.append(Banban(tmp_path, **environ))
        made[0].served.start()
        made[0].served.ready()
        return made[0]

    yield start
    for one in made:
        one.served.__exit__()


@pytest.fixture
def banban(make: Callable[..., Banban]) -> Banban:
    """Give the hub, served."""
    return make()


def token(secret: str = KEYS["banban-jwt-key"], **claims: Any) -> str:
    """Sign a token as the ERP does."""
    whole = {"iss": "erp.banban", "aud": "retail-hub", "exp": int(time.time()) + 60, **claims}
    head = _part({"alg": "HS256", "typ": "JWT"})
    signed = f"{head}.{_part({name: value for name, value in whole.items() if value is not None})}"
    mac = hmac.new(secret.encode(), signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def _part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


# the door


def test_only_who_proves_to_be_a_caller_of_this_flow_is_let_in(banban: Banban) -> None:
    """All that is refused reads the same for the caller, and says why in the log."""
    body = event("create_order", order_id="PO1", supplier_id="F", destination_id="CD-01", ordered_at=at(), items=[])
    tries: list[tuple[str, dict[str, str]]] = [
        ("", {}),
        ("wrong", {}),
        ("banban-tills-key", {}),  # tills do not buy
        ("riachuelo-key", {}),  # another client's key
        ("", {"Authorization": f"Bearer {token(secret='x' * 40)}"}),
        ("", {"Authorization": f"Bearer {token(iss='erp.riachuelo')}"}),
        ("", {"Authorization": f"Bearer {token(aud='elsewhere')}"}),
        ("", {"Authorization": f"Bearer {token(exp=int(time.time()) - 600)}"}),
        ("", {"Authorization": f"Bearer {token(exp=None)}"}),
    ]
    for key, headers in tries:
        assert banban.send("purchase-flow", body, key, **headers) == (401, REFUSED), (key, headers)
    assert banban.send("no-such-flow", body) == (401, REFUSED)
    assert len(banban.logged("unauthorized")) == len(tries) + 1
    good = _order(sand=1)
    assert banban.send("purchase-flow", good, "", Authorization=f"Bearer {token()}")[0] == 200
    assert banban.rows("select count(*) from purchase_orders") == [1]
    assert not any(key in banban.served.log() for key in KEYS.values())


def test_a_key_is_worth_nothing_from_an_address_that_is_not_allowed(make: Callable[..., Banban]) -> None:
    banban = make(BANBAN_IPS="192.0.2.7")
    assert banban.send("sales-flow", sale()) == (401, REFUSED)
    assert banban.send("sales-flow", sale(), X_Forwarded_For="192.0.2.7") == (401, REFUSED)
    assert banban.send("sales-flow", sale(), "banban-tills-key")[0] == 202


def test_a_body_that_does_not_fit_its_action_is_told_where(banban: Banban) -> None:
    no_total = sale()
    del no_total["data"]["total"]
    half_a_cent = payment(amount=1.005)
    status, told = banban.send("sales-flow", no_total)
    assert (status, told["errors"]) == (422, [{"at": "data", "message": '"total" is a required property'}])
    status, told = banban.send("sales-flow", half_a_cent)
    assert (status, told["errors"][0]["at"]) == (422, "data.amount")
    for body in ({**sale(), "action": "give_away"}, [sale()], {}):
        assert banban.send("sales-flow", body)[0] == 422
    assert banban.send("sales-flow", b"{")[0] == 400
    assert banban.send("sales-flow", b'{"a": "' + b"x" * (1 << 20) + b'"}')[0] == 413
    assert banban.rows("select count(*) from audit") == [0]


def test_who_calls_too_often_is_told_when_to_come_again(banban: Banban) -> None:
    """The ETL webhook takes ten calls a minute from one address."""
    answers = [banban.send("etl", b"{}", "")[0] for _ in range(12)]
    assert answers == [401] * 10 + [429] * 2
    assert banban.send("sales-flow", sale())[0] == 202


# sales: accepted


def test_an_accepted_sale_is_in_the_tables_and_taken_once(banban: Banban) -> None:
    status, told = banban.send("sales-flow", sale(), "banban-tills-key")
    assert (status, told["accepted"]) == (202, 1)
    until(lambda: banban.rows("select sale_id from sales") == ["S1"])
    assert banban.send("sales-flow", sale(), "banban-tills-key") == (200, {"duplicate": True, "id": told["id"]})
    assert banban.rows("select caller, action from audit") == [("banban-tills", "register_sale")]
    assert banban.stock("LOJA-01") == 38


def test_a_payment_waits_for_its_sale(banban: Banban) -> None:
    assert banban.send("sales-flow", payment(amount=60))[0] == 202
    assert banban.send("sales-flow", payment(2, amount=40))[0] == 202
    assert banban.send("sales-flow", sale())[0] == 202
    until(lambda: banban.rows("select status, paid_cents from sales") == [("paid", 10000)])
    assert banban.letters("sales-follow-up[banban]") == []


def test_a_payment_whose_sale_does_not_come_is_kept_and_can_be_replayed(banban: Banban) -> None:
    banban.send("sales-flow", payment())
    [reason] = until(lambda: banban.letters("sales-follow-up[banban]"))
    assert reason.startswith("nothing is found in shop[banban] within")
    banban.send("sales-flow", sale())
    until(lambda: banban.rows("select count(*) from sales") == [1])
    banban.engine("dead-letters", "replay", "--pipeline", "sales-follow-up[banban]")
    until(lambda: banban.rows("select status from sales") == ["paid"])
    assert banban.letters("sales-follow-up[banban]") == []


def test_what_is_wrong_with_an_accepted_body_becomes_a_dead_letter_with_its_reason(banban: Banban) -> None:
    banban.send("sales-flow", sale(1, total=1.00))
    banban.send("sales-flow", sale(2))
    banban.send("sales-flow", {**sale(2), "event_id": "other"})
    until(lambda: len(banban.letters("sales[banban]")) == 2)
    assert sorted(banban.letters("sales[banban]")) == [
        "a sale with this sale_id is registered already",
        "the lines add up to 10000 cents with the discount, the sale says 100",
    ]
    banban.send("sales-flow", cancellation(1, sale="S2"))
    until(lambda: banban.rows("select status from sales") == ["cancelled"])
    assert banban.stock("LOJA-01") == 40


# the flows that answer


def _order(**quantities: int) -> Any:
    items = [{**line, "cost": 20} for line in lines(**quantities)]
    data = {"order_id": "PO1", "supplier_id": "F1", "destination_id": "CD-01", "ordered_at": at(), "items": items}
    return event("create_order", **data)


def _errors(answer: tuple[int, Any]) -> Any:
    """The reasons of a refusal, or what was answered in place of one."""
    status, told = answer
    return [error["message"] for error in told["errors"]] if status == 422 else answer


def _done(action: str, reference: str, number: int = 1) -> tuple[int, dict[str, str]]:
    told = {"status": "processed", "event_id": f"{action}-{number}", "action": action, "reference": reference}
    return 200, told


def test_purchase_answers_what_became_of_each_body(banban: Banban) -> None:
    key = "3" * 44
    document = event("receive_document", document_id=key, order_id="PO1", received_at=at(), items=lines(sand=61))
    count = event("confirm_stock", document_id=key, confirmed_at=at(), items=lines(sand=60))
    assert banban.send("purchase-flow", _order(sand=60)) == _done("create_order", "PO1")
    answer = banban.send("purchase-flow", document)
    assert _errors(answer) == ["divergence: SAND-AZ-38: 61 came, 60 are due."]
    assert _errors(banban.send("purchase-flow", count)) == ["there is no document with this document_id"]
    document["data"]["items"] = lines(sand=60)
    assert banban.send("purchase-flow", document) == _done("receive_document", key)
    assert banban.send("purchase-flow", count) == _done("confirm_stock", key)
    assert banban.stock("CD-01") == 560
    # who did not hear the answers asks again, and hears them
    assert [banban.send("purchase-flow", body)[0] for body in (_order(sand=60), document, count)] == [200, 200, 200]
    assert banban.stock("CD-01") == 560


def test_inventory_answers_what_became_of_each_body(banban: Banban) -> None:
    place = {"location_id": "LOJA-01", "sku": "SAND-AZ-38"}
    adjust = event("adjust_stock", adjustment_id="A1", **place, quantity=-41, reason="counted", adjusted_at=at())
    check = event("validate_movement", reference="A1", **place, quantity=-1, validated_at=at())
    snapshot = event("take_snapshot", snapshot_id="I1", location_id="LOJA-01", taken_at=at())
    assert _errors(banban.send("inventory-flow", adjust)) == [
        "divergence: there is less in stock than the adjustment takes away"
    ]
    assert _errors(banban.send("inventory-flow", check)) == [
        "divergence: nothing of SAND-AZ-38 moved at LOJA-01 for A1"
    ]
    adjust["data"]["quantity"] = -2
    assert banban.send("inventory-flow", adjust) == _done("adjust_stock", "A1")
    assert _errors(banban.send("inventory-flow", check)) == [
        "divergence: the hub moved -2 of SAND-AZ-38, the caller -1"
    ]
    check["data"]["quantity"] = -2
    assert banban.send("inventory-flow", check) == _done("validate_movement", "A1")
    assert banban.send("inventory-flow", snapshot) == _done("take_snapshot", "I1")
    assert banban.rows("select quantity from stock_snapshots where sku = 'SAND-AZ-38'") == [38]


def test_a_transfer_only_moves_forward(banban: Banban) -> None:
    two = {"origin_id": "CD-01", "destination_id": "LOJA-02"}
    create = event("create_transfer", transfer_id="T1", **two, created_at=at(), items=lines(sand=12))
    ship = event("ship_products", transfer_id="T1", shipped_at=at(1), items=lines(sand=12))
    receive = event("receive_at_store", transfer_id="T1", received_at=at(2), items=lines(sand=12))
    early = ["the transfer is not on its way; it was not shipped yet, or was received before"]
    assert banban.send("transfer-flow", create) == _done("create_transfer", "T1")
    assert _errors(banban.send("transfer-flow", receive, "banban-tills-key")) == early
    assert banban.send("transfer-flow", ship) == _done("ship_products", "T1")
    assert _errors(banban.send("transfer-flow", {**ship, "event_id": "x"})) == ["the transfer was shipped before"]
    less = {**receive, "data": {**receive["data"], "items": lines(sand=11)}}
    assert _errors(banban.send("transfer-flow", less)) == ["divergence: what arrived is not what was shipped"]
    assert banban.send("transfer-flow", receive, "banban-tills-key") == _done("receive_at_store", "T1")
    assert _errors(banban.send("transfer-flow", {**ship, "event_id": "y"})) == ["the transfer was shipped before"]
    assert _errors(banban.send("transfer-flow", {**receive, "event_id": "z"})) == early
    assert (banban.stock("CD-01"), banban.stock("LOJA-02")) == (488, 52)


def test_a_refund_is_never_more_than_was_paid(banban: Banban) -> None:
    back = event(
        "register_return", return_id="R1", sale_id="S1", store_id="LOJA-01", reason="size", returned_at=at(3),
        items=lines(sand=2),
    )  # fmt: skip
    refund = event("process_refund", refund_id="F1", return_id="R1", method="pix", amount=100.01, refunded_at=at(4))
    assert _errors(banban.send("returns-flow", back, "banban-tills-key")) == ["there is no sale with this sale_id"]
    banban.send("sales-flow", sale())
    banban.send("sales-flow", payment(amount=60))
    until(lambda: banban.rows("select paid_cents from sales") == [6000])
    assert banban.send("returns-flow", back, "banban-tills-key") == _done("register_return", "R1")
    for amount, reason in (
        (100.01, "the refund is more than the returned products had cost"),
        (100, "the refund is more than was paid for the sale and is not refunded yet"),
    ):
        refund["data"]["amount"] = amount
        assert _errors(banban.send("returns-flow", refund)) == [reason]
    refund["data"]["amount"] = 60
    assert banban.send("returns-flow", refund) == _done("process_refund", "F1")
    assert banban.send("returns-flow", refund) == _done("process_refund", "F1")
    assert _errors(banban.send("returns-flow", {**refund, "event_id": "x"})) == ["this return was refunded before"]
    assert banban.rows("select refunded_cents from sales") == [6000]


# schedules and batches


CATALOGUE = [
    {"sku": "SAND-AZ-38", "nome": " SANDÁLIA   azul 38", "departamento": "calçados", "preco": "64,90"},
    {"sku": "NEW-1", "nome": "Meia Branca", "departamento": None, "preco": "1.299,00"},
    {"sku": "BAD-1", "nome": "Sem preço", "departamento": "x", "preco": "a combinar"},
    {"sku": "BAD-2", "nome": "De graça", "departamento": "x", "preco": "0,00"},
    {"sku": "TENIS-BR-40", "nome": "Tênis Branco 40", "departamento": "calçados", "preco": "15.990,00"},
]


def _erp(peer: WebPeer, refusals: int = 0) -> None:
    """An ERP with a catalogue of two pages for one day; the first calls it cannot answer."""
    left = [Reply(503)] * refusals

    def decide(call: Call) -> Reply:
        if left:
            return left.pop()
        page = int(re.search(r"[?&]page=(\d+)", call.path)[1])  # type: ignore[index]
        found = CATALOGUE[(page - 1) * 3 : page * 3] if "day=2026-01-31" in call.path else []
        return Reply(body=json.dumps({"products": found}))

    peer.decide = decide


def _settled(banban: Banban) -> list[dict[str, Any]]:
    """The runs of the last stage, once there are some that have ended."""
    told = banban.engine("runs", "--json", "--pipeline", "etl-load[banban]")
    runs = [json.loads(line) for line in told.splitlines() if line.strip()]
    return [run for run in runs if run["status"] not in ("queued", "running")]


def test_the_daily_batch_goes_through_its_stages(tmp_path: Path, web_peer: WebPeer) -> None:
    """What the ERP cannot answer at first is asked again; what is no product stays behind with its reason."""
    _erp(web_peer, refusals=2)
    banban = Banban(tmp_path)
    _point(banban, web_peer.url)
    with banban.served:
        assert banban.send("etl", event("daily_batch", day="2026-01-31"))[0] == 202
        until(lambda: _settled(banban))
        assert banban.rows(
            "select sku, name, department, price_cents from products where updated_on = '2026-01-31'"
        ) == [
            ("SAND-AZ-38", "Sandália Azul 38", "CALCADOS", 6490),
            ("NEW-1", "Meia Branca", "OUTROS", 129900),
        ]
        assert banban.letters("etl-transform[banban]") == ["'a combinar' is not a number written like pt_BR"]
        assert sorted(banban.letters("etl-validate[banban]")) == [
            "BAD-2 has the price 0",
            "TENIS-BR-40 goes from 15990 to 1599000 cents; a comma at the wrong place?",
        ]
        groups = {run["group"] for run in _runs(banban, "etl") + _runs(banban, "etl-load")}
        assert len(groups) == 1
        asked = len(web_peer.calls)

        # the rules or the data were corrected: work the day again, without asking the ERP for it
        sql(banban.folder, "update etl_raw set price = '10,00' where sku = 'BAD-1'")
        assert banban.send("etl", event("data_transformation", day="2026-01-31"))[0] == 202
        until(lambda: len(_settled(banban)) == 2)
        assert banban.rows("select price_cents from products where sku = 'BAD-1'") == [1000]
        assert not any("day=2026-01-31" in call.path for call in web_peer.calls[asked:])


def test_an_erp_that_keeps_failing_is_left_alone_for_a_while(tmp_path: Path, web_peer: WebPeer) -> None:
    """Five failures open the breaker of this client's ERP; then nobody calls it, and its health says so."""
    web_peer.replies = [Reply(503)]
    banban = Banban(tmp_path)
    _point(banban, web_peer.url)
    with banban.served:
        for _ in range(3):
            banban.engine("run", "etl[banban]", "--param", "day=2026-01-31", code=1)
        assert len(web_peer.calls) == 5
        health = banban.served.ask("/health/groups/banban", admin=True)[1]["flows"]
        assert (health["etl"]["circuit"], health["etl"]["status"]) != ("closed", "ok")
        assert health["etl"]["circuit"] == "open"
        assert health["sales"]["circuit"] == "closed"


def _point(banban: Banban, url: str) -> None:
    """Let Banban's ERP be at *url*."""
    file = banban.folder / "pipelines/banban/clients.csv"
    file.write_text(file.read_text().replace("http://127.0.0.1:4100", url))


def _runs(banban: Banban, name: str) -> list[Any]:
    told = banban.engine("runs", "--json", "--pipeline", f"{name}[banban]")
    return [json.loads(line) for line in told.splitlines() if line.strip()]


def test_scores_can_be_made_by_hand_while_it_serves(banban: Banban) -> None:
    for number in range(1, 6):
        body = sale(number, customer_id=f"C{number}", sold_at=_now(), items=[("SAND-AZ-38", number, 10.0)])
        assert banban.send("sales-flow", body)[0] == 202
    until(lambda: banban.rows("select count(*) from sales") == [5])
    told = json.loads(banban.engine("run", "rfm[banban]", "--json").splitlines()[-1])
    assert (told["status"], told["sent"]) == ("success", {"target": 5})
    assert banban.rows("select customer_id, monetary from customer_scores order by 1") == [
        (f"C{number}", number) for number in range(1, 6)
    ]


def _now() -> str:
    from datetime import UTC, datetime

    return datetime.now(UTC).isoformat()


# what goes wrong around it


def test_what_was_accepted_survives_the_process(banban: Banban) -> None:
    """kill -9 in the middle: each sale that was answered 202 is there, once."""
    accepted = 0
    for number in range(1, 121):
        status, _ = banban.send("sales-flow", sale(number, customer_id=None, items=[("BOLSA-PT", 1, 80.0)]))
        accepted += status == 202
        if number == 60:
            banban.served.kill()
            banban.served.start()
            banban.served.ready()
    assert accepted == 120
    until(lambda: banban.rows("select count(*) from sales") == [120])
    assert banban.stock("LOJA-01", "BOLSA-PT") == 40 - 120
    assert banban.served.stop() == 0


def test_a_database_that_is_away_holds_what_is_accepted_and_answers_honestly(banban: Banban) -> None:
    file = banban.folder / ".run" / "banban.db"
    away = file.rename(file.with_suffix(".away"))
    assert banban.send("sales-flow", sale())[0] == 202
    until(lambda: banban.logged("lane-held|held"))
    assert banban.send("purchase-flow", _order(sand=1))[0] == 503
    status, health = banban.served.ask("/health/groups/banban", admin=True)
    assert (status, health["flows"]["sales"]["status"] != "ok") == (200, True)
    # the other client's work goes on
    assert banban.send("purchase-flow", _order(sand=1), "riachuelo-key", "riachuelo")[0] == 200
    away.rename(file)
    until(lambda: banban.rows("select count(*) from sales") == [1], 60)


def test_each_flow_shows_its_health(banban: Banban) -> None:
    banban.send("purchase-flow", _order(sand=1))
    status, health = banban.served.ask("/health/groups/banban", admin=True)
    flows = {"sales", "purchase", "inventory", "transfer", "returns", "etl", "rfm"}
    assert (status, set(health["flows"])) == (200, flows)
    assert health["flows"]["purchase"]["status"] == "ok"
    assert health["flows"]["purchase"]["circuit"] == "closed"
    assert "last_success" in health["flows"]["purchase"]
    told = banban.served.ask("/metrics", admin=True)[1]
    assert 'pipeline="purchase[banban]"' in told


# clients


def test_the_second_client_is_served_beside_the_first(banban: Banban) -> None:
    """The same events, at the same moment, in two databases; neither key opens the other's door."""
    assert banban.send("sales-flow", sale())[0] == 202
    assert banban.send("sales-flow", sale(), "riachuelo-tills-key", "riachuelo")[0] == 202
    assert banban.send("sales-flow", sale(2), "banban-key", "riachuelo") == (401, REFUSED)
    assert banban.send("sales-flow", sale(2), "riachuelo-key", "banban") == (401, REFUSED)
    for client in PREFIX:
        until(partial(_has_sale, banban, client))


def test_a_third_client_is_a_row_and_its_keys(banban: Banban) -> None:
    """Added while it serves: it is followed without a restart, and nobody else's work is touched."""
    folder = banban.folder
    client = "  carioca: {api_keys: [carioca-key]}\n  carioca-tills: {api_keys: [carioca-tills-key]}\n"
    settings = (folder / "engine.yaml").read_text()
    _database(folder, "carioca")
    (folder / "engine.yaml").write_text(settings.replace("clients:\n", f"clients:\n{client}", 1))
    with (folder / "pipelines/banban/clients.csv").open("a") as file:
        file.write(
            "carioca,/api/v1/carioca/webhooks,sqlite:///.run/carioca.db,http://127.0.0.1:4102,America/Sao_Paulo\n"
        )
    path, sent = "/api/v1/carioca/webhooks/sales-flow", json.dumps(sale()).encode()
    until(lambda: banban.served.ask(path, sent, {"X-API-Key": "carioca-tills-key"})[0] == 202)
    until(partial(_has_sale, banban, "carioca"))
    assert banban.send("sales-flow", sale())[0] == 202


def _has_sale(banban: Banban, client: str) -> bool:
    return banban.rows("select sale_id from sales", client=client) == ["S1"]


def _database(folder: Path, client: str) -> None:
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(folder / ".run" / f"{client}.db")) as made:
        made.executescript((folder / "pipelines/banban/schema.sql").read_text())


def test_the_examples_are_taken_one_after_the_other(banban: Banban) -> None:
    """Every file in examples/, sent as its sender would by ``engine webhook send``."""
    examples: Mapping[str, tuple[str, ...]] = {
        "sales": ("register_sale", "register_payment"),
        "purchase": ("create_order", "receive_document", "confirm_stock"),
        "inventory": ("adjust_stock", "take_snapshot", "validate_movement"),
        "transfer": ("create_transfer", "ship_products", "receive_at_store"),
        "returns": ("register_return", "process_refund"),
    }
    url = f"http://127.0.0.1:{banban.served.port}"
    for flow, names in examples.items():
        for name in names:
            file = banban.folder / f"pipelines/banban/examples/{name}.json"
            banban.engine("webhook", "send", f"{flow}[banban]", str(file), "--url", url)
            if name == "register_payment":
                until(lambda: banban.rows("select status from sales") == ["paid"])
    assert banban.rows("select refunded_cents from sales") == [5693]
    assert banban.rows("select count(*) from audit") == [13]


def test_the_demonstration_sends_a_sale_and_finds_it(banban: Banban) -> None:
    """What ``make run`` prints: a command that sends a sale of its own, and a look at the database."""
    sale_id, file = new_sale(banban.folder)
    assert found_sale(sale_id, root=banban.folder) is None
    typed = shlex.split(command(file, root=banban.folder))
    assert typed[1:] == ["webhook", "send", "sales[banban]", ".run/banban-sale.json"]
    banban.engine(*typed[1:4], str(banban.folder / typed[4]), "--url", f"http://127.0.0.1:{banban.served.port}")
    found = until(lambda: found_sale(sale_id, root=banban.folder))
    assert (found["sale_id"], found["total_cents"], len(found["items"])) == (sale_id, 18990, 2)


def test_secrets_are_made_once_for_their_owner_only_and_git_does_not_see_them(tmp_path: Path) -> None:
    folder = make_secrets(tmp_path)
    kept = {file.name: file.read_text() for file in folder.iterdir()}
    assert {oct(file.stat().st_mode & 0o777) for file in folder.iterdir() if file.name in KEYS} == {"0o600"}
    assert len({kept[name] for name in KEYS}) == len(KEYS)
    (folder / "banban-key").unlink()
    make_secrets(tmp_path)
    changed = [name for name in KEYS if (folder / name).read_text() != kept[name]]
    assert (changed, kept[".gitignore"]) == (["banban-key"], "*\n")
