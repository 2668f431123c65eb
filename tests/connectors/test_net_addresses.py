"""Which addresses may be reached: pure rules of engine.net."""

from __future__ import annotations

import ipaddress

import pytest

from engine.errors import Misconfigured
from engine.net.egress import Egress, Guard, kind, literal


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
