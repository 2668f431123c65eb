"""Statuses, results and paging: pure rules of engine.net."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from engine.errors import Misconfigured, Rejected, Transient
from engine.net.answers import judge, retry_after
from engine.net.paging import Page, Paging, next_link
from engine.net.results import Results
from tests.connectors.http_peer import expression as x


@pytest.mark.parametrize(
    ("statuses", "kind_of"),
    [
        ((200, 201, 202, 204, 207), None),
        ((400, 402, 406, 409, 411, 412, 413, 415, 418, 422, 451), Rejected),
        ((401, 403, 405, 407, 300, 301, 302, 304, 307, 308, 404, 410, 501, 505), Misconfigured),
        ((408, 425, 429, 500, 502, 503, 504, 507, 599), Transient),
    ],
)
def test_every_status_has_its_meaning(statuses: tuple[int, ...], kind_of: type | None) -> None:
    """The table of the language."""
    for status in statuses:
        assert type(judge(status, {}, "crm")) is (kind_of or type(None)), status


@pytest.mark.parametrize("status", [404, 410])
def test_a_missing_thing_of_a_record_is_its_own_fault(status: int) -> None:
    """404 and 410 refuse the record where the path is written over it."""
    assert isinstance(judge(status, {}, "crm", path_from_record=True), Rejected)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "120"}, 120.0),
        ({"Retry-After": " 0 "}, 0.0),
        ({"Retry-After": "Wed, 21 Oct 2026 07:28:30 GMT", "Date": "Wed, 21 Oct 2026 07:28:00 GMT"}, 30.0),
        ({"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT", "Date": "Wed, 21 Oct 2026 07:29:00 GMT"}, 0.0),
        ({"Retry-After": "Wed, 21 Oct 2026 07:29:00 GMT"}, 60.0),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "-5"}, None),
        ({}, None),
    ],
)
def test_retry_after_in_both_forms(headers: dict[str, str], seconds: float | None) -> None:
    """Seconds, or a date read against the answer's own clock, else against ours."""
    assert retry_after(headers, datetime(2026, 10, 21, 7, 28, tzinfo=UTC)) == seconds
    error = judge(503, headers | {"Date": headers.get("Date", "Wed, 21 Oct 2026 07:28:00 GMT")}, "crm")
    assert isinstance(error, Transient)
    assert error.retry_after == seconds


def results(**more: str) -> Results:
    made = Results.of(
        {name: x(text) for name, text in {"at": "r", "failed": "!ok", "reason": "why", **more}.items()}, keyed=True
    )
    assert made is not None
    return made


def test_positions_count_when_both_are_equally_long() -> None:
    """The n-th item is about the n-th record."""
    receipt = results().read({"r": [{"ok": True}, {"ok": False, "why": "no bank"}]}, [None, None])
    assert receipt.rejected == {1: "no bank"}
    assert not receipt.uncertain


@pytest.mark.parametrize(
    "answer", [{"r": [{"ok": True}]}, {"r": [{"ok": True}] * 3}, {}, {"r": "done"}, {"r": {"ok": 1}}, []]
)
def test_an_answer_of_another_length_says_nothing(answer: Any) -> None:
    """Nothing at `at`, or another count: all uncertain, none taken by guess."""
    receipt = results().read(answer, [None, None])
    assert set(receipt.uncertain) == {0, 1}
    assert not receipt.rejected


def test_items_find_their_records_by_key() -> None:
    """In any order, numbers as text; missing and double items are uncertain, unknown ones a warning."""
    items = [
        {"ok": True, "id": 3},
        {"ok": False, "id": "1", "why": "closed"},
        {"ok": True, "id": "4"},
        {"ok": True, "id": 4},
        {"ok": True, "id": "99"},
        {"ok": True},
    ]
    receipt = results(match="id").read({"r": items}, ["1", "2", "3", "4"])
    assert receipt.rejected == {0: "closed"}
    assert set(receipt.uncertain) == {1, 3}
    assert "2 results for records that were not sent: 99, null" in receipt.warnings[0]


def test_a_key_sent_twice_needs_two_items() -> None:
    """Two records of one key are told apart by order, or not at all."""
    read = results(match="id").read
    assert read({"r": [{"ok": True, "id": 1}, {"ok": False, "id": 1}]}, ["1", "1"]).rejected == {
        1: "refused without a reason"
    }
    assert set(read({"r": [{"ok": True, "id": 1}]}, ["1", "1"]).uncertain) == {0, 1}


def test_one_object_speaks_for_one_record() -> None:
    """For a single record, `at` may give the item itself."""
    assert results().read({"r": {"ok": False, "why": "x"}}, [None]).rejected == {0: "x"}


def test_failed_must_be_true_or_false() -> None:
    """Anything else does not say."""
    receipt = results(failed="state").read({"r": [{"state": "ok"}, {"state": False}]}, [None, None])
    assert set(receipt.uncertain) == {0}
    assert "neither true nor false" in receipt.uncertain[0]


def test_match_needs_a_key() -> None:
    """Without a key there is nothing to compare with."""
    with pytest.raises(Misconfigured, match="key"):
        Results.of({"at": x("a"), "failed": x("b"), "match": x("c")}, keyed=False)


def page(records: list[Any], document: Any = None, **headers: str) -> Page:
    made = Page(document, headers)
    made.add(records)
    return made


def test_page_numbers_go_up_until_nothing_comes() -> None:
    """Also a short page may have another behind it."""
    paging = Paging.of({"page": {"param": "p", "start": 0, "size": 2, "size_param": "n"}}, "crm")
    turn = paging.start()
    assert turn.params == {"p": 0, "n": 2}
    following = paging.after(turn, page([1]))
    assert following is not None
    assert following.params == {"p": 1, "n": 2}
    assert paging.after(following, page([])) is None


def test_an_offset_goes_by_what_came() -> None:
    """A system that gives less a page than asked for loses no records."""
    paging = Paging.of({"offset": {"param": "skip", "size": 100}}, "crm")
    following = paging.after(paging.start(), page([1, 2, 3]))
    assert following is not None
    assert following.params == {"skip": 3}


def test_a_cursor_ends_without_a_mark() -> None:
    """Null, empty and absent end; has_next decides where it is given."""
    plain = Paging.of({"cursor": {"param": "after", "from": x("next")}}, "crm")
    assert plain.start().params == {}
    following = plain.after(plain.start(), page([1], {"next": "a"}))
    assert following is not None
    assert following.params == {"after": "a"}
    for end in ({}, {"next": None}, {"next": ""}):
        assert (
            Paging.of({"cursor": {"param": "after", "from": x("next")}}, "crm").after(following, page([2], end)) is None
        )
    asked = {"cursor": {"param": "after", "from": x("next"), "has_next": x("more")}}
    assert Paging.of(asked, "crm").after(following, page([2], {"next": "b", "more": False})) is None
    with pytest.raises(Misconfigured, match="neither true nor false"):
        Paging.of(asked, "crm").after(following, page([2], {"next": "b"}))
    with pytest.raises(Misconfigured, match="nothing at"):
        Paging.of(asked, "crm").after(following, page([2], {"more": True}))


@pytest.mark.parametrize("option", [{"page": {"param": "p"}}, {"offset": {"param": "o"}}])
def test_the_same_page_twice_fails(option: dict[str, Any]) -> None:
    """A system that ignores the parameter must not be read for ever."""
    paging = Paging.of(option, "crm")
    turn = paging.after(paging.start(), page([{"id": 1}]))
    assert turn is not None
    with pytest.raises(Misconfigured, match="same page came twice"):
        paging.after(turn, page([{"id": 1}]))


def test_a_circle_of_cursors_fails() -> None:
    """a, b, a again: the third page was asked for before."""
    paging = Paging.of({"cursor": {"param": "after", "from": x("next")}}, "crm")
    turn = paging.start()
    for number, mark in enumerate("ab"):
        following = paging.after(turn, page([number], {"next": mark}))
        assert following is not None
        turn = following
    with pytest.raises(Misconfigured, match="circle"):
        paging.after(turn, page([9], {"next": "a"}))


def test_max_pages_says_that_there_was_more() -> None:
    """A read that was cut short is not silent."""
    paging = Paging.of({"next_url": x("next"), "max_pages": 1}, "crm")
    assert paging.after(paging.start(), page([1], {"next": "/p2"})) is None
    assert "there are more" in paging.cut
    whole = Paging.of({"next_url": x("next"), "max_pages": 1}, "crm")
    assert whole.after(whole.start(), page([1], {})) is None
    assert whole.cut == ""


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ('<https://a/2>; rel="next"', "https://a/2"),
        ('<https://a/1>; rel="prev", <https://a/3?x=1,2>; title="a, b"; rel=next', "https://a/3?x=1,2"),
        ('</p3>; rel="last next"', "/p3"),
        ('<https://a/9>; rel="last"', ""),
        ("", ""),
    ],
)
def test_link_headers(text: str, url: str) -> None:
    """RFC 8288: the one whose rel holds next."""
    assert next_link({"Link": text}) == url
