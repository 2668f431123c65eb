"""JSON, packing, credentials, proxies and the parts of a request: pure rules of engine.net."""

from __future__ import annotations

import gzip
import zlib
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from engine.errors import RecordError
from engine.net import proxy
from engine.net.answers import retry_after
from engine.net.auth import credentials
from engine.net.inflate import Damaged, Inflate
from engine.net.jsontext import NotJson, decode, encode
from engine.net.request import header_map, path_text, query_pairs


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


def _proxy(url: str, option: str | None) -> str | None:
    return proxy.choose(url, option, proxy.environment())


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
    assert _proxy("http://api.example/", None) is None
    monkeypatch.setenv("HTTP_PROXY", "http://p:1")
    monkeypatch.setenv("HTTPS_PROXY", "p:2")
    monkeypatch.setenv("NO_PROXY", "corp.example, .inside.example,10.0.0.0/8,api.example:8443")
    assert _proxy("http://api.example/", None) == "http://p:1"
    assert _proxy("https://api.example/", None) == "http://p:2", "an address without a scheme is http"
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
        assert _proxy(direct, None) is None, direct
    assert _proxy("http://notcorp.example/", None) == "http://p:1"
    assert _proxy("http://corp.example/", "http://own:3") == "http://own:3"
    assert _proxy("http://api.example/", "none") is None
