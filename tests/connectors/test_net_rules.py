"""The pure rules of engine.net."""

from __future__ import annotations

import gzip
import ipaddress
import zlib
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from engine.errors import Misconfigured, RecordError, Rejected, Transient
from engine.net import proxy
from engine.net.answers import judge, retry_after
from engine.net.auth import credentials
from engine.net.egress import Egress, Guard, kind, literal
from engine.net.inflate import Damaged, Inflate
from engine.net.jsontext import NotJson, decode, encode
from engine.net.paging import Page, Paging, next_link
from engine.net.request import header_map, path_text, query_pairs
from engine.net.results import Results
from tests.connectors.http_peer import expression as x

# ---- json


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"a": Decimal("12.50")}, b'{"a":12.50}'),
        (Decimal("1E+5"), b"1E+5"),
        ([2**70, -(2**70)], b"[1180591620717411303424,-1180591620717411303424]"),
        ({"x": (1, 2)}, b'{"x":[1,2]}'),
        ([datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), date(2026, 1, 2)], b'["2026-01-02T03:04:05+00:00","2026-01-02"]'),
        ({"big": 2**70, "exact": Decimal("0.10"), "n": None}, b'{"big":1180591620717411303424,"exact":0.10,"n":null}'),
    ],
)
def test_numbers_are_written_with_their_digits(value: Any, text: bytes) -> None:
    """Decimals, integers beyond 64 bits and dates come out exactly."""
    assert encode(value) == text


@pytest.mark.parametrize(
    "value", [float("nan"), [float("inf")], {"a": {"b": -float("inf")}}, Decimal("NaN"), b"x", {1: 2}, "\ud800", {1, 2}]
)
def test_what_is_not_json_is_refused(value: Any) -> None:
    """NaN, infinities, bytes, odd keys and lone surrogates never leave."""
    with pytest.raises(NotJson):
        encode(value)


def test_exact_numbers_keep_every_digit() -> None:
    """With exact: decimals and long integers; without: floats."""
    assert decode(b"[0.10, 12345678901234567890123]", exact=True) == [Decimal("0.10"), 12345678901234567890123]
    assert str(decode(b"[0.10]", exact=True)[0]) == "0.10"
    assert isinstance(decode(b"[0.10]")[0], float)


@pytest.mark.parametrize("text", [b"", b"{", b"NaN", b"[1e5", b"<html>", b"\xff", b"[" * 100_000])
@pytest.mark.parametrize("exact", [False, True])
def test_bad_json_is_refused(text: bytes, exact: bool) -> None:
    """Neither reader takes it, or falls over."""
    with pytest.raises(NotJson):
        decode(text, exact=exact)


# ---- answers


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


# ---- results


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


# ---- paging


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


# ---- credentials


def test_each_kind_of_credentials() -> None:
    """Bearer, basic, key in a header or the query, headers; what is null is absent."""
    assert credentials({"bearer": "t"}).headers == {"Authorization": "Bearer t"}
    assert credentials({"basic": {"username": "u", "password": "p"}}).headers == {"Authorization": "Basic dTpw"}
    assert credentials({"api_key": {"header": "K", "value": "v"}}).headers == {"K": "v"}
    assert credentials({"api_key": {"query": "key", "value": "v"}}).query == (("key", "v"),)
    assert credentials({"headers": {"A": "1", "B": None}}, {"C": "3"}).headers == {"C": "3", "A": "1"}
    for absent in (
        None,
        {},
        {"bearer": None},
        {"api_key": {"value": None}},
        {"basic": {"username": "u", "password": None}},
    ):
        assert credentials(absent).headers == {}
    assert "sesame" not in repr(credentials({"bearer": "sesame"}))


# ---- egress


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("8.8.8.8", "public"),
        ("2606:4700::1111", "public"),
        ("127.0.0.1", "private"),
        ("0.0.0.0", "private"),
        ("10.1.2.3", "private"),
        ("172.16.0.1", "private"),
        ("192.168.1.1", "private"),
        ("100.64.0.1", "private"),
        ("169.254.1.1", "private"),
        ("224.0.0.1", "private"),
        ("255.255.255.255", "private"),
        ("::1", "private"),
        ("::", "private"),
        ("fd00::1", "private"),
        ("fe80::1", "private"),
        ("ff02::1", "private"),
        ("::ffff:127.0.0.1", "private"),
        ("::ffff:8.8.8.8", "public"),
        ("::127.0.0.1", "private"),
        ("64:ff9b::a00:1", "private"),
        ("2002:7f00:1::", "private"),
        ("169.254.169.254", "metadata"),
        ("::ffff:169.254.169.254", "metadata"),
        ("64:ff9b::a9fe:a9fe", "metadata"),
        ("fd00:ec2::254", "metadata"),
        ("100.100.100.200", "metadata"),
    ],
)
def test_kinds_of_addresses(text: str, what: str) -> None:
    """Also through IPv4 inside IPv6."""
    assert kind(ipaddress.ip_address(text)) == what


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "0177.0.0.1", "127.1", "0x7f.1", "127.0.1", "0"])
def test_disguised_addresses_are_refused(host: str) -> None:
    """Decimal, octal, hexadecimal and shortened forms."""
    with pytest.raises(ValueError):
        literal(host)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://0.0.0.0/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[fd00::1]/",
        "http://2130706433/",
        "http://0x7f.0.0.1/",
        "http://0177.0.0.1/",
        "http://169.254.169.254/latest/meta-data/",
        "http://good.example@127.0.0.1/",
        "http://a@b/",
        "http://a:b@b.example/",
        "http://a@b.example/",
        "file:///etc/passwd",
        "gopher://b.example/",
        "ftp://b.example/",
        "//b.example/",
        "http:///x",
        "http://b.example/\r\nX: y",
        "http://b.example/ x",
        "http://b.example:99999/",
        "http://[::1/",
        "",
    ],
)
def test_addresses_from_data_are_refused(url: str) -> None:
    """Inside addresses, disguises, user names, other schemes, control characters."""
    with pytest.raises(Misconfigured):
        Guard(Egress(), frozenset({"api.example"}), "crm").check_url(url)
    Guard(Egress(), frozenset({"api.example"}), "crm", enabled=False).check_url(url)  # control


def test_an_own_host_may_be_inside() -> None:
    """A connection's own host is allowed, metadata addresses never."""
    guard = Guard(Egress(), frozenset({"10.0.0.5", "169.254.169.254"}), "crm")
    guard.check_url("http://10.0.0.5/x")
    with pytest.raises(Misconfigured, match="metadata"):
        guard.check_url("http://169.254.169.254/")
    with pytest.raises(Misconfigured, match="metadata"):
        Guard(Egress("allow", ("169.254.169.254",)), frozenset(), "crm").check_url("http://169.254.169.254/")


@pytest.mark.parametrize("entry", ["10.0.0.0/8", "10.1.2.3", "db.corp.example", "*.corp.example"])
def test_allow_names_hosts_suffixes_addresses_and_networks(entry: str) -> None:
    """Any of them lets an inside host from data through; nothing does not."""
    assert Guard(Egress(allow=(entry,)), frozenset()).choose("db.corp.example", ["10.1.2.3"]) == ["10.1.2.3"]
    with pytest.raises(Misconfigured, match=r"egress\.allow"):
        Guard(Egress(), frozenset()).choose("db.corp.example", ["10.1.2.3"])


def test_an_own_host_that_moves_inside_is_refused() -> None:
    """DNS rebinding: public at first, inside later."""
    guard = Guard(Egress(), frozenset({"api.example"}), "crm")
    assert guard.choose("api.example", ["8.8.8.8"]) == ["8.8.8.8"]
    with pytest.raises(Misconfigured, match="changed"):
        guard.choose("api.example", ["127.0.0.1"])
    assert guard.choose("api.example", ["127.0.0.1", "8.8.8.8"]) == ["8.8.8.8"]
    inside = Guard(Egress(), frozenset({"erp.corp"}), "erp")
    assert inside.choose("erp.corp", ["10.0.0.1"]) == ["10.0.0.1"]
    assert inside.choose("erp.corp", ["10.0.0.2"]) == ["10.0.0.2"]


# ---- request parts


def test_paths_are_made_valid_and_kept_in_place() -> None:
    """Spaces and accents are encoded, what is encoded stays, a query of the author's stays."""
    assert path_text("/a b/ção/%2F/x?q=1&r=á b") == "/a%20b/%C3%A7%C3%A3o/%2F/x?q=1&r=%C3%A1%20b"
    assert path_text("/50%/x#y") == "/50%25/x%23y"
    for bad in ("/a/../b", "/a/%2e%2E/b", "/./a", "/a%2f..%2fb", "/a\\b", "/a\r\nb", "/a\tb", "/a\0b"):
        with pytest.raises(RecordError):
            path_text(bad)


def test_query_values_become_text() -> None:
    """Null is left out, lists repeat, decimals keep their digits."""
    value = {"a": 1, "b": None, "c": [True, "x"], "d": Decimal("1.50"), "e": date(2026, 1, 2)}
    assert query_pairs(value) == [("a", "1"), ("c", "true"), ("c", "x"), ("d", "1.50"), ("e", "2026-01-02")]
    for bad in ({"a": {"b": 1}}, [1], "a=1"):
        with pytest.raises(RecordError):
            query_pairs(bad)


@pytest.mark.parametrize(
    "headers",
    [
        {"X": "a\r\nY: b"},
        {"X": "a\nb"},
        {"X\r\n": "a"},
        {"X Y": "a"},
        {"Content-Length": "5"},
        {"Host": "x"},
        {"X": "\0"},
    ],
)
def test_headers_cannot_break_out(headers: dict[str, str]) -> None:
    """Line breaks, odd names and framing headers are refused."""
    with pytest.raises(RecordError):
        header_map(headers)


# ---- proxy


def test_the_environment_names_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """HTTP_PROXY by scheme, NO_PROXY by name, suffix and network; this machine never; an option wins."""
    for name in (
        "http_proxy",
        "https_proxy",
        "no_proxy",
        "all_proxy",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "NO_PROXY",
        "ALL_PROXY",
    ):
        monkeypatch.delenv(name, raising=False)
    assert proxy.choose("http://api.example/", None) is None
    monkeypatch.setenv("HTTP_PROXY", "http://p:1")
    monkeypatch.setenv("HTTPS_PROXY", "p:2")
    monkeypatch.setenv("NO_PROXY", "corp.example, .inside.example,10.0.0.0/8,api.example:8443")
    assert proxy.choose("http://api.example/", None) == "http://p:1"
    assert proxy.choose("https://api.example/", None) == "http://p:2"
    for direct in (
        "http://corp.example/",
        "http://x.corp.example/",
        "http://y.inside.example/",
        "http://10.2.3.4/",
        "https://api.example:8443/",
        "http://localhost:4000/",
        "http://127.0.0.1/",
        "http://[::1]/",
    ):
        assert proxy.choose(direct, None) is None, direct
    assert proxy.choose("http://notcorp.example/", None) == "http://p:1"
    assert proxy.choose("http://corp.example/", "http://own:3") == "http://own:3"
    assert proxy.choose("http://api.example/", "none") is None


# ---- unpacking


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "raw", "identity", "two"])
@pytest.mark.parametrize("step", [1, 7, 100_000])
def test_unpacking_in_pieces(encoding: str, step: int) -> None:
    """Any cut of the input gives the same output."""
    data = b"".join(b"line %d\n" % number for number in range(3000))
    raw = zlib.compressobj(wbits=-15)
    packed = {
        "gzip": gzip.compress(data),
        "deflate": zlib.compress(data),
        "raw": raw.compress(data) + raw.flush(),
        "identity": data,
        "two": gzip.compress(data[:500]) + gzip.compress(data[500:]),
    }[encoding]
    inflate = Inflate({"raw": "deflate", "two": "gzip"}.get(encoding, encoding))
    out = [piece for at in range(0, len(packed), step) for piece in inflate.feed(packed[at : at + step])]
    inflate.finish()
    assert b"".join(out) == data


def test_a_bomb_comes_out_in_small_pieces() -> None:
    """100 MB of zeros never stand in memory at once."""
    packed = gzip.compress(bytes(100_000_000))
    sizes = [len(piece) for piece in Inflate("gzip").feed(packed)]
    assert max(sizes) <= 64 * 1024
    assert sum(sizes) == 100_000_000


@pytest.mark.parametrize("cut", [5, 15, -1])
def test_a_torn_package_is_damaged(cut: int) -> None:
    """What ends too early is no whole answer."""
    inflate = Inflate("gzip")
    list(inflate.feed(gzip.compress(b"hello" * 100)[:cut]))
    with pytest.raises(Damaged):
        inflate.finish()


def test_unknown_packing_is_refused() -> None:
    """Only what was asked for."""
    with pytest.raises(ValueError):
        Inflate("br")


def test_dates_are_not_guessed() -> None:
    """A Retry-After far away is honoured in full."""
    base = datetime(2026, 1, 1, tzinfo=UTC)
    later = (base + timedelta(days=2)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    assert retry_after({"Retry-After": later}, base) == 172800.0
