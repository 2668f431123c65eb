"""S15: nobody gets another address by saying so; what trusted proxies wrote is believed, from the right."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.http.addresses import address_of, caller_address, inside, neighbourhood, networks

PROXIES = networks(["10.0.0.0/8", "::1"])
EVERYTHING = networks(["0.0.0.0/0", "::/0"])


def xff(*lines: str) -> dict[str, tuple[str, ...]]:
    return {"x-forwarded-for": lines}


def forwarded(*lines: str) -> dict[str, tuple[str, ...]]:
    return {"forwarded": lines}


@pytest.mark.parametrize(
    ("peer", "headers", "caller"),
    [
        ("203.0.113.9", {}, "203.0.113.9"),
        ("203.0.113.9", xff("192.0.2.1"), "203.0.113.9"),
        ("203.0.113.9", forwarded("for=192.0.2.1"), "203.0.113.9"),
        ("10.0.0.1", {}, "10.0.0.1"),
        ("10.0.0.1", xff("203.0.113.9"), "203.0.113.9"),
        ("10.0.0.1", xff("192.0.2.1, 203.0.113.9"), "203.0.113.9"),
        ("10.0.0.1", xff("192.0.2.1", "203.0.113.9"), "203.0.113.9"),
        ("10.0.0.1", xff("192.0.2.1, 203.0.113.9, 10.0.0.2"), "203.0.113.9"),
        ("10.0.0.1", xff("10.9.9.9, 10.0.0.2"), "10.9.9.9"),
        ("10.0.0.1", xff("192.0.2.1, unknown"), None),
        ("10.0.0.1", xff("192.0.2.1, _hidden, 10.0.0.2"), None),
        ("10.0.0.1", xff("192.0.2.1,"), None),
        ("10.0.0.1", xff("203.0.113.9:443"), "203.0.113.9"),
        ("10.0.0.1", xff("[2001:db8::9]:443"), "2001:db8::9"),
        ("10.0.0.1", xff("::ffff:203.0.113.9"), "203.0.113.9"),
        ("::ffff:10.0.0.1", xff("203.0.113.9"), "203.0.113.9"),
        ("::ffff:203.0.113.9", xff("10.0.0.5"), "203.0.113.9"),
        ("10.0.0.1", forwarded('for=192.0.2.1, for="[2001:db8::9]:80";proto=https;by=10.0.0.1'), "2001:db8::9"),
        ("10.0.0.1", forwarded('for="a,b=c";host="x;for=192.0.2.1", for=203.0.113.9'), "203.0.113.9"),
        ("10.0.0.1", forwarded("proto=https"), None),
        ("10.0.0.1", {**xff("203.0.113.9"), **forwarded("for=203.0.113.9")}, "203.0.113.9"),
        ("10.0.0.1", {**xff("203.0.113.9"), **forwarded("for=192.0.2.1")}, None),
        ("10.0.0.1", {**xff("203.0.113.9"), **forwarded("for=unknown")}, None),
        ("", xff("203.0.113.9"), None),
    ],
)
def test_the_rightmost_address_that_no_proxy_is_known_by(
    peer: str, headers: dict[str, tuple[str, ...]], caller: str | None
) -> None:
    found = caller_address(peer, headers, PROXIES)
    assert (str(found) if found else None) == caller


def test_whoever_trusts_everybody_believes_everybody() -> None:
    """The control: with every address trusted, a forged header is believed."""
    forged = xff("192.0.2.1")
    assert str(caller_address("203.0.113.9", forged, EVERYTHING)) == "192.0.2.1"
    assert str(caller_address("203.0.113.9", forged, ())) == "203.0.113.9"


@given(st.lists(st.text(max_size=30), max_size=4), st.sampled_from(["x-forwarded-for", "forwarded"]))
def test_an_untrusted_peer_is_itself_whatever_it_writes(lines: list[str], name: str) -> None:
    assert str(caller_address("203.0.113.9", {name: tuple(lines)}, PROXIES)) == "203.0.113.9"


@given(st.lists(st.text(max_size=40), max_size=3), st.sampled_from(["203.0.113.9", "2001:db8::9"]))
def test_whatever_a_caller_writes_the_proxys_word_stands_right_of_it(lines: list[str], real: str) -> None:
    """Text before it, even with commas and quotes, never wins over what the proxy appended in a line of its own."""
    assert str(caller_address("10.0.0.1", xff(*lines, real), PROXIES)) == real


@pytest.mark.parametrize(
    "text",
    ["", "localhost", "1.2.3", "1.2.3.4:port", "1.2.3.4:1:2", "[::1", "[::1]x", "0x7f.1", "1.2.3.4:1234567", "¹.2.3.4"],
)
def test_what_is_no_address_is_none(text: str) -> None:
    assert address_of(text) is None


def test_an_ipv4_network_holds_ipv4_written_as_ipv6() -> None:
    assert inside(address_of("::ffff:10.1.2.3"), networks(["10.0.0.0/8"]))
    assert inside(address_of("10.1.2.3"), networks(["::ffff:10.0.0.0/104"]))
    assert not inside(address_of("::10.1.2.3"), networks(["10.0.0.0/8"]))
    assert not inside(None, EVERYTHING)


def test_what_is_no_network_is_named() -> None:
    with pytest.raises(ValueError, match=r"'10\.0\.0\.0/40' is not an address"):
        networks(["10.0.0.0/40"])


def test_an_ipv6_customer_counts_as_one() -> None:
    assert neighbourhood(address_of("2001:db8::1")) == neighbourhood(address_of("2001:db8::ffff:1"))
    assert neighbourhood(address_of("10.0.0.1")) != neighbourhood(address_of("10.0.0.2"))
