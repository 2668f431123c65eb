"""Every action of the retail hub, good and bad: what it writes into the database, and with which words it refuses."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.banban_hub import (
    Hub,
    Outcome,
    at,
    cancellation,
    event,
    hub,
    lines,
    loaded,
    payment,
    sale,
    sql,
    write_project,
)

NF = "3" * 44
OTHER_NF = "4" * 44
DONE = Outcome("success", 1, [])


@pytest.fixture
async def banban(tmp_path: Path) -> AsyncIterator[Hub]:
    """Give Banban's pipelines over a database with stock and no sales."""
    async with hub(write_project(tmp_path)) as opened:
        yield opened


def refused(*reasons: str) -> Outcome:
    """What is expected where all is refused."""
    return Outcome("partial", 0, list(reasons))


async def test_the_files_have_no_problems_and_no_warnings(tmp_path: Path) -> None:
    """What ``engine validate --strict`` finds in the real files: nothing."""
    project, problems = loaded(write_project(tmp_path))
    assert problems == []
    flows = {"sales", "sales-follow-up", "purchase", "inventory", "transfer", "returns", "etl", "rfm"}
    assert {f"{flow}[{client}]" for flow in flows for client in ("banban", "riachuelo")} <= set(project.pipelines)


# sales


async def test_a_sale_is_written_whole_and_leaves_the_stock(banban: Hub) -> None:
    body = sale(items=[("SAND-AZ-38", 2, 59.90), ("BOLSA-PT", 1, 80.00), ("SAND-AZ-38", 1, 0.07)], discount=0.05)
    assert await banban.take("sales", body) == DONE
    row = "select sale_id, store_id, customer_id, total_cents, discount_cents, paid_cents, status from sales"
    assert banban.rows(row) == [("S1", "LOJA-01", "C1", 19982, 5, 0, "open")]
    assert banban.rows("select line, sku, quantity, amount_cents from sale_items order by line") == [
        (1, "SAND-AZ-38", 2, 11980),
        (2, "BOLSA-PT", 1, 8000),
        (3, "SAND-AZ-38", 1, 7),
    ]
    assert (banban.stock(), banban.stock(sku="BOLSA-PT")) == (37, 39)
    assert banban.rows("select sum(quantity), count(*) from stock_movements where reference = 'S1'") == [(-4, 3)]
    assert banban.rows("select flow, action, reference, caller from audit") == [
        ("sales", "register_sale", "S1", "banban")
    ]


async def test_a_sale_may_take_the_stock_below_zero(banban: Hub) -> None:
    """The goods are gone, whatever the records said."""
    assert await banban.take("sales", sale(items=[("BOTA-MR-37", 41, 1.0), ("NEW-1", 1, 1.0)])) == DONE
    assert (banban.stock(sku="BOTA-MR-37"), banban.stock(sku="NEW-1")) == (-1, -1)


async def test_an_event_that_comes_again_has_no_effect_again(banban: Hub) -> None:
    assert await banban.take("sales", sale()) == DONE
    assert await banban.take("sales", sale(), sale()) == Outcome("success", 2, [])
    assert banban.stock() == 38
    assert banban.rows("select count(*) from audit") == [1]


async def test_another_event_for_the_same_sale_is_refused(banban: Hub) -> None:
    again = {**sale(), "event_id": "other"}
    outcome = await banban.take("sales", sale(), again, sale(2))
    assert outcome == Outcome("partial", 2, ["a sale with this sale_id is registered already"])
    assert banban.stock() == 36


async def test_a_sale_whose_lines_do_not_add_up_is_refused(banban: Hub) -> None:
    outcome = await banban.take("sales", sale(total=99.99))
    assert outcome == refused("the lines add up to 10000 cents with the discount, the sale says 9999")
    assert banban.rows("select count(*) from sales") == [0]
    assert banban.stock() == 40


async def test_payments_add_up_to_a_paid_sale_and_never_more(banban: Hub) -> None:
    await banban.take("sales", sale())
    assert await banban.take("sales-follow-up", payment(1, amount=60.10)) == DONE
    assert banban.rows("select paid_cents, status from sales") == [(6010, "open")]
    too_much = "the payment is more than what is still open of the sale"
    assert await banban.take("sales-follow-up", payment(2, amount=39.91)) == refused(too_much)
    assert await banban.take("sales-follow-up", payment(3, amount=39.90)) == DONE
    assert banban.rows("select paid_cents, status from sales") == [(10000, "paid")]
    assert await banban.take("sales-follow-up", payment(4, amount=0.01)) == refused(too_much)
    assert banban.rows("select payment_id, amount_cents, method from payments order by 1") == [
        ("P1", 6010, "pix"),
        ("P3", 3990, "pix"),
    ]


async def test_the_same_payment_under_another_event_is_refused(banban: Hub) -> None:
    await banban.take("sales", sale())
    again = {**payment(amount=10), "event_id": "other"}
    outcome = await banban.take("sales-follow-up", payment(amount=10), again)
    assert outcome == Outcome("partial", 1, ["a payment with this payment_id is registered already"])
    assert banban.rows("select paid_cents from sales") == [1000]


async def test_a_cancelled_sale_gives_all_back_and_takes_nothing_more(banban: Hub) -> None:
    await banban.take("sales", sale(items=[("SAND-AZ-38", 2, 30.0), ("SAND-AZ-38", 1, 40.0)]))
    await banban.take("sales-follow-up", payment(amount=70))
    assert await banban.take("sales-follow-up", cancellation()) == DONE
    row = "select status, paid_cents, refunded_cents, reason from sales"
    assert banban.rows(row) == [("cancelled", 7000, 7000, "a mistake")]
    assert banban.stock() == 40
    assert banban.rows("select sum(quantity) from stock_movements") == [0]
    outcome = await banban.take("sales-follow-up", payment(2, amount=1), cancellation(2))
    assert outcome == refused("the sale is cancelled", "the sale is cancelled")


async def test_a_sale_with_returns_cannot_be_cancelled(banban: Hub) -> None:
    await _paid(banban)
    assert await banban.take("returns", _return(sand=1)) == DONE
    outcome = await banban.take("sales-follow-up", cancellation())
    assert outcome == refused("products of this sale came back before; register a return for the others")


# purchase


def _order(number: int = 1, **quantities: int) -> object:
    items = [{**line, "cost": 21.35} for line in lines(**quantities)]
    data = {"order_id": f"PO{number}", "supplier_id": "F1", "destination_id": "CD-01", "ordered_at": at()}
    return event("create_order", number, **data, items=items)


def _document(number: Any = 1, key: Any = NF, order: Any = "PO1", **quantities: int) -> object:
    data = {"document_id": key, "order_id": order, "received_at": at(10), "items": lines(**quantities)}
    return event("receive_document", number, **data)


def _count(number: Any = 1, key: Any = NF, **quantities: int) -> object:
    return event("confirm_stock", number, document_id=key, confirmed_at=at(20), items=lines(**quantities))


async def test_a_purchase_becomes_stock_when_it_is_counted(banban: Hub) -> None:
    assert await banban.take("purchase", _order(sand=100, tenis=40)) == DONE
    assert await banban.take("purchase", _document(sand=60, tenis=40)) == DONE
    assert banban.rows("select status from purchase_orders") == ["partly_received"]
    assert banban.stock("CD-01") == 500
    assert await banban.take("purchase", _count(sand=60, tenis=40)) == DONE
    assert (banban.stock("CD-01"), banban.stock("CD-01", "TENIS-BR-40")) == (560, 540)
    rest = await banban.take("purchase", _document(2, OTHER_NF, sand=40), _count(2, OTHER_NF, sand=40))
    assert rest == Outcome("success", 2, [])
    assert banban.rows("select status from purchase_orders") == ["received"]
    assert banban.stock("CD-01") == 600
    moved = "select kind, reference, sku, quantity from stock_movements order by 2, 3"
    assert banban.rows(moved) == [
        ("purchase", NF, "SAND-AZ-38", 60),
        ("purchase", NF, "TENIS-BR-40", 40),
        ("purchase", OTHER_NF, "SAND-AZ-38", 40),
    ]


@pytest.mark.parametrize(
    ("quantities", "reason"),
    [
        ({"sand": 101}, "divergence: SAND-AZ-38: 101 came, 100 are due."),
        ({"sand": 101, "bota": 1}, "divergence: SAND-AZ-38: 101 came, 100 are due. BOTA-MR-37 was not ordered."),
    ],
)
async def test_a_document_that_does_not_agree_with_its_order_is_refused_whole(
    banban: Hub, quantities: dict[str, int], reason: str
) -> None:
    await banban.take("purchase", _order(sand=100))
    assert await banban.take("purchase", _document(**quantities)) == refused(reason)
    assert banban.rows("select count(*) from purchase_documents") == [0]
    assert banban.rows("select received from purchase_order_items") == [0]


async def test_every_event_of_a_purchase_may_be_sent_again(banban: Hub) -> None:
    """Whoever did not hear the answer sends the same body, and hears it."""
    for body in (_order(sand=100), _document(sand=100), _count(sand=100)):
        assert await banban.take("purchase", body) == DONE
        assert await banban.take("purchase", body) == DONE
    assert banban.stock("CD-01") == 600


async def test_documents_together_bring_no_more_than_was_ordered(banban: Hub) -> None:
    await banban.take("purchase", _order(sand=100))
    too_much = "divergence: the document has a product that was not ordered, or more of it than was"
    # at the same moment neither knows of the other: the database decides
    outcome = await banban.at_once("purchase", _document(sand=60), _document(2, OTHER_NF, sand=41))
    assert outcome == Outcome("partial", 1, [too_much])
    assert await banban.take("purchase", _document(3, OTHER_NF, sand=41)) == refused(
        "divergence: SAND-AZ-38: 41 came, 40 are due."
    )


@pytest.mark.parametrize(
    ("quantities", "reason"),
    [
        ({"sand": 59, "tenis": 40}, "divergence: what was counted is not what the document says"),
        ({"sand": 60, "tenis": 40, "bota": 1}, "divergence: what was counted is not what the document says"),
        ({"sand": 60}, "divergence: a product of the document was not counted"),
    ],
)
async def test_a_count_that_is_not_the_document_is_refused_and_nothing_becomes_stock(
    banban: Hub, quantities: dict[str, int], reason: str
) -> None:
    await banban.take("purchase", _order(sand=100, tenis=40), _document(sand=60, tenis=40))
    assert await banban.take("purchase", _count(**quantities)) == refused(reason)
    assert banban.rows("select status from purchase_documents") == ["received"]
    assert banban.stock("CD-01") == 500


async def test_what_is_not_there_or_is_there_already_is_refused(banban: Hub) -> None:
    await banban.take("purchase", _order(sand=10), _document(sand=10), _count(sand=10))
    again = [{**body, "event_id": f"again-{index}"} for index, body in enumerate(  # type: ignore[dict-item]
        [_order(sand=10), _document(sand=10), _count(sand=10)]
    )]  # fmt: skip
    nowhere = [_document(8, OTHER_NF, "PO9", sand=1), _count(9, OTHER_NF, sand=1)]
    assert await banban.take("purchase", *again, *nowhere) == refused(
        "an order with this order_id is there already",
        "this document was received before",
        "the stock of this document was confirmed before",
        "there is no order PO9",
        "there is no document with this document_id",
    )
    assert banban.stock("CD-01") == 510


async def test_a_product_on_two_lines_is_refused(banban: Hub) -> None:
    twice = lines(sand=1) + lines(sand=2)
    body = event("confirm_stock", document_id=NF, confirmed_at=at(), items=twice)
    assert await banban.take("purchase", body) == refused("a product stands on two lines; write one line for each")


# inventory


def _adjust(number: int = 1, quantity: int = -1, sku: str = "SAND-AZ-38") -> object:
    data = {"adjustment_id": f"A{number}", "location_id": "LOJA-01", "sku": sku, "quantity": quantity}
    return event("adjust_stock", number, **data, reason="counted", adjusted_at=at())


def _validate(number: int, reference: str, quantity: int, place: str = "LOJA-01") -> object:
    data = {"reference": reference, "location_id": place, "sku": "SAND-AZ-38", "quantity": quantity}
    return event("validate_movement", number, **data, validated_at=at(30))


async def test_adjustments_change_the_stock_and_never_below_zero(banban: Hub) -> None:
    assert await banban.take("inventory", _adjust(1, -40), _adjust(2, 3), _adjust(3, 7, "NEW-1")) == Outcome(
        "success", 3, []
    )
    assert (banban.stock(), banban.stock(sku="NEW-1")) == (3, 7)
    less = "divergence: there is less in stock than the adjustment takes away"
    assert await banban.take("inventory", _adjust(4, -4), _adjust(5, -1, "NEW-2")) == refused(less, less)
    assert banban.rows("select count(*) from stock where sku = 'NEW-2'") == [0]
    again = {**_adjust(2, 3), "event_id": "other"}  # type: ignore[dict-item]
    assert await banban.take("inventory", again) == refused("an adjustment with this adjustment_id is there already")
    assert banban.stock() == 3


async def test_a_snapshot_keeps_what_is_there_now(banban: Hub) -> None:
    snapshot = event("take_snapshot", snapshot_id="I1", location_id="LOJA-01", taken_at=at())
    assert await banban.take("inventory", snapshot) == DONE
    await banban.take("inventory", _adjust(1, -40))
    kept = "select quantity from stock_snapshots where snapshot_id = 'I1' and sku = 'SAND-AZ-38'"
    assert banban.rows(kept) == [40]
    again = event("take_snapshot", 2, snapshot_id="I1", location_id="LOJA-01", taken_at=at())
    nowhere = event("take_snapshot", 3, snapshot_id="I2", location_id="LOJA-99", taken_at=at())
    reason = "there is no stock at this location, or this snapshot was taken before"
    assert await banban.take("inventory", again, nowhere) == refused(reason, reason)
    assert banban.rows(kept) == [40]


async def test_a_movement_is_valid_when_both_have_the_same_figure(banban: Hub) -> None:
    await banban.take("sales", sale(items=[("SAND-AZ-38", 2, 1.0), ("SAND-AZ-38", 1, 1.0)]))
    assert await banban.take("inventory", _validate(1, "S1", -3)) == DONE
    assert banban.rows("select count(*) from stock_movements where validated_at is not null") == [2]
    outcome = await banban.take("inventory", _validate(2, "S1", -2), _validate(3, "S1", -3, "LOJA-02"))
    assert outcome == refused(
        "divergence: the hub moved -3 of SAND-AZ-38, the caller -2",
        "divergence: nothing of SAND-AZ-38 moved at LOJA-02 for S1",
    )


# transfer


def _transfer(number: int = 1, origin: str = "CD-01", **quantities: int) -> object:
    data = {"transfer_id": f"T{number}", "origin_id": origin, "destination_id": "LOJA-02", "created_at": at()}
    return event("create_transfer", number, **data, items=lines(**quantities))


def _ship(number: Any = 1, transfer: Any = "T1", **quantities: int) -> object:
    return event("ship_products", number, transfer_id=transfer, shipped_at=at(1), items=lines(**quantities))


def _receive(number: Any = 1, transfer: Any = "T1", **quantities: int) -> object:
    return event("receive_at_store", number, transfer_id=transfer, received_at=at(2), items=lines(**quantities))


async def test_a_transfer_moves_stock_when_shipped_and_when_received(banban: Hub) -> None:
    assert await banban.take("transfer", _transfer(sand=12, tenis=6)) == DONE
    assert (banban.stock("CD-01"), banban.stock("LOJA-02")) == (500, 40)
    assert await banban.take("transfer", _ship(sand=10, tenis=6)) == DONE
    assert (banban.stock("CD-01"), banban.stock("LOJA-02")) == (490, 40)
    assert await banban.take("transfer", _receive(sand=10, tenis=6)) == DONE
    assert (banban.stock("CD-01"), banban.stock("LOJA-02")) == (490, 50)
    assert banban.rows("select status from transfers") == ["received"]
    assert banban.rows("select kind, sum(quantity) from stock_movements group by kind order by kind") == [
        ("transfer_in", 16),
        ("transfer_out", -16),
    ]


async def test_a_transfer_never_goes_back(banban: Hub) -> None:
    await banban.take("transfer", _transfer(sand=5))
    not_on_its_way = "the transfer is not on its way; it was not shipped yet, or was received before"
    assert await banban.take("transfer", _receive(sand=5)) == refused(not_on_its_way)
    await banban.take("transfer", _ship(2, sand=5))
    assert await banban.take("transfer", _ship(3, sand=5)) == refused("the transfer was shipped before")
    await banban.take("transfer", _receive(4, sand=5))
    outcome = await banban.take("transfer", _ship(5, sand=5), _receive(6, sand=5))
    assert outcome == refused("the transfer was shipped before", not_on_its_way)
    assert banban.rows("select status from transfers") == ["received"]
    assert (banban.stock("CD-01"), banban.stock("LOJA-02")) == (495, 45)


@pytest.mark.parametrize(
    ("quantities", "reason"),
    [
        ({"sand": 6}, "divergence: a product that is not in the transfer, or more of it than was planned"),
        ({"sand": 5, "bota": 1}, "divergence: a product that is not in the transfer, or more of it than was planned"),
        ({"tenis": 50}, "divergence: the origin has less in stock than is to be shipped"),
    ],
)
async def test_what_was_not_planned_or_is_not_there_is_not_shipped(
    banban: Hub, quantities: dict[str, int], reason: str
) -> None:
    await banban.take("transfer", _transfer(origin="LOJA-01", sand=5, tenis=50))
    assert await banban.take("transfer", _ship(**quantities)) == refused(reason)
    assert banban.rows("select status from transfers") == ["created"]
    assert banban.stock() == 40


@pytest.mark.parametrize(
    ("quantities", "reason"),
    [
        ({"sand": 4, "tenis": 2}, "divergence: what arrived is not what was shipped"),
        ({"sand": 5, "tenis": 2, "bota": 1}, "divergence: what arrived is not what was shipped"),
        ({"sand": 5}, "divergence: a product that was shipped did not arrive"),
    ],
)
async def test_what_arrives_must_be_what_was_shipped(banban: Hub, quantities: dict[str, int], reason: str) -> None:
    await banban.take("transfer", _transfer(sand=5, tenis=2), _ship(sand=5, tenis=2))
    assert await banban.take("transfer", _receive(**quantities)) == refused(reason)
    assert banban.rows("select status from transfers") == ["shipped"]
    assert banban.stock("LOJA-02") == 40


async def test_transfers_that_are_none_are_refused(banban: Hub) -> None:
    itself = _transfer(1, origin="LOJA-02", sand=1)
    assert await banban.take("transfer", itself, _ship(2, "T9", sand=1)) == refused(
        "transfer T1 goes from LOJA-02 to itself", "there is no transfer with this transfer_id"
    )


# returns


async def _paid(banban: Hub, paid: float = 189.90) -> None:
    body = sale(items=[("SAND-AZ-38", 2, 59.90), ("BOLSA-PT", 1, 80.00)], discount=9.90)
    assert await banban.take("sales", body) == DONE
    assert await banban.take("sales-follow-up", payment(amount=paid)) == DONE


def _return(number: int = 1, sale: str = "S1", **quantities: int) -> object:
    data = {"return_id": f"R{number}", "sale_id": sale, "store_id": "LOJA-03", "reason": "size", "returned_at": at(60)}
    return event("register_return", number, **data, items=lines(**quantities))


def _refund(number: int = 1, back: str = "R1", amount: float = 56.93) -> object:
    data = {"refund_id": f"F{number}", "return_id": back, "method": "pix", "amount": amount, "refunded_at": at(61)}
    return event("process_refund", number, **data)


async def test_a_return_comes_back_into_stock_and_is_refunded_with_its_share_of_the_discount(banban: Hub) -> None:
    await _paid(banban)
    assert await banban.take("returns", _return(sand=1)) == DONE
    assert banban.stock("LOJA-03") == 41
    # 59.90 of 199.80, of which 189.90 were asked for
    assert banban.rows("select amount_cents, status from returns") == [(5693, "registered")]
    assert await banban.take("returns", _refund(amount=56.93)) == DONE
    assert banban.rows("select refunded_cents from sales") == [5693]
    assert banban.rows("select status from returns") == ["refunded"]


async def test_no_more_comes_back_than_was_sold_over_all_returns(banban: Hub) -> None:
    await _paid(banban)
    too_many = "a product was not sold in this sale, or more of it comes back than was sold"
    assert await banban.take("returns", _return(1, sand=3), _return(2, bota=1)) == refused(too_many, too_many)
    assert await banban.take("returns", _return(3, sand=1), _return(4, sand=1)) == Outcome("success", 2, [])
    assert await banban.take("returns", _return(5, sand=1)) == refused(too_many)
    assert banban.stock("LOJA-03") == 42


async def test_a_refund_is_never_more_than_the_products_had_cost_nor_more_than_was_paid(banban: Hub) -> None:
    await _paid(banban, paid=60.00)
    await banban.take("returns", _return(1, sand=1), _return(2, bolsa=1))
    dear = "the refund is more than the returned products had cost"
    assert await banban.take("returns", _refund(1, "R1", 56.94)) == refused(dear)
    assert await banban.take("returns", _refund(2, "R1", 56.93)) == DONE
    unpaid = "the refund is more than was paid for the sale and is not refunded yet"
    assert await banban.take("returns", _refund(3, "R2", 3.08)) == refused(unpaid)
    assert await banban.take("returns", _refund(4, "R2", 3.07)) == DONE
    assert banban.rows("select paid_cents, refunded_cents from sales") == [(6000, 6000)]


async def test_one_refund_for_one_return(banban: Hub) -> None:
    await _paid(banban)
    await banban.take("returns", _return(sand=1), _refund(1, amount=1))
    outcome = await banban.take("returns", _refund(2, amount=1), _refund(3, "R9", 1))
    assert outcome == refused("this return was refunded before", "there is no return with this return_id")
    assert banban.rows("select refunded_cents from sales") == [100]


async def test_nothing_comes_back_of_a_sale_that_is_none_or_cancelled(banban: Hub) -> None:
    await banban.take("sales", sale())
    await banban.take("sales-follow-up", cancellation())
    outcome = await banban.take("returns", _return(1, sand=1), _return(2, "S9", sand=1))
    assert outcome == refused("the sale is cancelled", "there is no sale with this sale_id")


async def test_the_database_itself_refuses_what_a_mistaken_pipeline_would_write(banban: Hub) -> None:
    """The control of the guards: without them the constraints of schema.sql still hold."""
    import sqlite3

    await _paid(banban)
    for statement in (
        "update sales set paid_cents = total_cents + 1",
        "update sales set refunded_cents = paid_cents + 1",
        "insert into transfers (transfer_id, origin_id, destination_id, created_at) values ('T', 'A', 'A', '')",
        "update sales set status = 'lost'",
    ):
        with pytest.raises(sqlite3.IntegrityError):
            sql(banban.folder, statement)


def _without(folder: Path, file: str, guard: str) -> None:
    """Take a guard out of a pipeline's file."""
    path = folder / "pipelines" / "banban" / file
    text = path.read_text("utf-8")
    assert text.count(guard) == 1
    path.write_text(text.replace(guard, ""), "utf-8")


@pytest.mark.parametrize(
    ("file", "guard", "flow", "bodies", "words"),
    [
        (
            "sales-follow-up.yaml", " and paid_cents + :amount_cents <= total_cents",
            "sales-follow-up", (payment(amount=100.01),), "CHECK constraint failed",
        ),
        (
            "transfer.yaml", " and status = 'created'",
            "transfer", (_transfer(sand=5), _ship(1, sand=5), _ship(2, sand=5)), "UNIQUE constraint failed",
        ),
        (
            "purchase.yaml", " and received + :item.quantity <= ordered",
            "purchase", (_order(sand=1), (_document(sand=1), _document(2, OTHER_NF, sand=1))),
            "CHECK constraint failed",
        ),
    ],
    ids=["paid too much", "shipped twice", "more than ordered"],
)  # fmt: skip
async def test_control_without_a_guard_only_the_tables_refuse_and_nobody_understands_why(
    tmp_path: Path, file: str, guard: str, flow: str, bodies: tuple[Any, ...], words: str
) -> None:
    folder = write_project(tmp_path)
    _without(folder, file, guard)
    async with hub(folder) as banban:
        await banban.take("sales", sale())
        *before, last = bodies
        assert not (await banban.take(flow, *before)).refused
        outcome = await banban.at_once(flow, *(last if isinstance(last, tuple) else (last,)))
        assert [words in reason for reason in outcome.refused] == [True]


async def test_control_without_once_a_body_that_is_worked_again_is_refused(tmp_path: Path) -> None:
    folder = write_project(tmp_path)
    _without(folder, "sales.yaml", "    once: {key: event_id, scope: sales}\n")
    async with hub(folder) as banban:
        assert await banban.take("sales", sale()) == DONE
        assert (await banban.take("sales", sale())).refused == ["a sale with this sale_id is registered already"]


# schedules


async def test_rfm_gives_the_best_fifth_a_five_and_does_not_count_what_was_given_back(banban: Hub) -> None:
    for number in range(1, 11):
        for again in range(number):
            sql(
                banban.folder,
                "insert into sales (sale_id, store_id, customer_id, sold_at, discount_cents, total_cents, paid_cents,"
                " refunded_cents, status) values (?, 'L', ?, ?, 0, 1000, 1000, ?, ?)",
                f"X{number}-{again}", f"K{number:02}", _days_ago(100 - number * 5 + again),
                1000 if number == 10 and again else 0, "paid",
            )  # fmt: skip
    sql(
        banban.folder,
        "insert into sales (sale_id, store_id, customer_id, sold_at, discount_cents, total_cents, status)"
        " values ('OLD', 'L', 'K99', ?, 0, 1000, 'open'), ('GONE', 'L', 'K98', ?, 0, 1000, 'cancelled'),"
        " ('NOBODY', 'L', null, ?, 0, 1000, 'open')",
        _days_ago(400), _days_ago(1), _days_ago(1),
    )  # fmt: skip
    assert await banban.run("rfm") == Outcome("success", 10, [])
    scores = banban.rows("select customer_id, recency, frequency, monetary, segment from customer_scores order by 1")
    assert [row[0] for row in scores] == [f"K{number:02}" for number in range(1, 11)]
    assert [row[1] for row in scores] == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert [row[2] for row in scores] == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    # the tenth bought most and gave nearly all of it back
    assert [row[3] for row in scores] == [1, 2, 2, 3, 3, 4, 4, 5, 5, 1]
    assert [row[4] for row in scores][::4] == ["lost", "regular", "champion"]
    assert await banban.run("rfm") == Outcome("success", 10, [])


def _days_ago(days: int) -> str:
    from datetime import UTC, datetime, timedelta

    return (datetime.now(UTC) - timedelta(days=days)).isoformat()


async def test_the_nightly_snapshot_is_the_stock_of_all_places(banban: Hub) -> None:
    assert (await banban.run("snapshot")).sent == 20
    assert (await banban.run("snapshot")).sent == 20
    assert banban.rows("select count(*), count(distinct location_id), sum(quantity) from stock_snapshots") == [
        (20, 4, 5 * 500 + 15 * 40)
    ]


# the second client


async def test_a_second_client_has_the_same_flows_and_nothing_of_the_first(tmp_path: Path) -> None:
    """Riachuelo is a row of clients.csv: the same sale at both is two sales, in two databases."""
    folder = write_project(tmp_path)
    async with hub(folder) as banban, _other(banban) as riachuelo:
        assert await banban.take("sales", sale(items=[("SAND-AZ-38", 1, 10.0)])) == DONE
        assert await riachuelo.take("sales", sale(items=[("SAND-AZ-38", 5, 10.0)])) == DONE
        assert (banban.stock(), riachuelo.stock()) == (39, 35)
        assert await riachuelo.take("returns", _return(sand=2)) == DONE
        assert banban.rows("select count(*) from returns") == [0]


def _other(banban: Hub):  # type: ignore[no-untyped-def]
    from contextlib import nullcontext

    return nullcontext(Hub(banban.folder, banban.app, "riachuelo"))
