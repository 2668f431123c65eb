"""HMAC signatures as senders make them: what is signed, where it stands, how old it may be."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from engine.http.call import Call
from engine.http.secrets import listed

Check = Callable[[Call, float], str]
"""call, now in epoch seconds → why not; empty: it passes."""

TOLERANCE = 300.0
_MOST = 10
"""Signatures looked at in one header: rotation needs two."""
_TIMESTAMP = re.compile(r"[0-9]{1,12}")
_PART = re.compile(r"\{([a-z_]+)\}")


class Sent(NamedTuple):
    """What a signature header holds; the timestamp only where it stands in there too."""

    signatures: Sequence[str]
    timestamp: str | None = None


@dataclass(frozen=True, slots=True)
class Scheme:
    """How one kind of sender signs."""

    header: str
    signed: str = "{body}"
    algorithm: str = "sha256"
    encoding: str = "hex"
    prefix: str = ""
    timestamp_header: str | None = None
    tolerance: float = TOLERANCE
    style: str = "plain"
    """``plain``: the header is one signature; ``list`` (Standard Webhooks); ``pairs`` (Stripe)."""

    @property
    def timed(self) -> bool:
        """Whether a replay grows old."""
        return "{timestamp}" in self.signed

    @property
    def headers(self) -> tuple[str, ...]:
        """The headers that are the signature's alone."""
        return (self.header.lower(),)


PRESETS: dict[str, Scheme] = {
    "standard_webhooks": Scheme(
        "webhook-signature",
        "{id}.{timestamp}.{body}",
        encoding="base64",
        prefix="v1,",
        timestamp_header="webhook-timestamp",
        style="list",
    ),
    "github": Scheme("x-hub-signature-256", prefix="sha256="),
    "stripe": Scheme("stripe-signature", "{timestamp}.{body}", prefix="v1=", style="pairs"),
    "shopify": Scheme("x-shopify-hmac-sha256", encoding="base64"),
    "slack": Scheme(
        "x-slack-signature", "v0:{timestamp}:{body}", prefix="v0=", timestamp_header="x-slack-request-timestamp"
    ),
    "meta": Scheme("x-hub-signature-256", prefix="sha256="),
}
_ID_HEADER = "webhook-id"


def scheme(options: Mapping[str, Any]) -> Scheme:
    """Return what ``hmac:`` describes. Raises ValueError with what is wrong with it."""
    preset = options.get("preset")
    own = {key: options[key] for key in _OWN if options.get(key) is not None}
    if preset is None:
        return _generic(own, options.get("tolerance"))
    if own:
        raise ValueError(f"'{next(iter(own))}' cannot stand beside 'preset', which says it already")
    known = PRESETS[preset]
    if options.get("tolerance") is None:
        return known
    if not known.timed:
        raise ValueError(f"{preset} signs no time, so 'tolerance' has nothing to measure")
    return replace(known, tolerance=float(options["tolerance"]))


_OWN = ("header", "algorithm", "encoding", "prefix", "signed", "timestamp_header")


def _generic(own: dict[str, Any], tolerance: float | None) -> Scheme:
    if "header" not in own:
        raise ValueError("'header' is missing: the header that carries the signature")
    made = replace(Scheme(own["header"]), **{key: value for key, value in own.items() if key != "header"})
    unknown = set(_PART.findall(made.signed)) - _VALUES.keys()
    if unknown:
        known = ", ".join(f"{{{part}}}" for part in sorted(_VALUES.keys() - {"id"}))
        raise ValueError(f"'{{{min(unknown)}}}' is not part of a call; signed takes {known}")
    if "{body}" not in made.signed:
        raise ValueError("'signed' does not contain {body}: the body could be anything")
    if made.timed != (made.timestamp_header is not None):
        missing = "timestamp_header" if made.timed else "{timestamp} in signed"
        raise ValueError(f"'{missing}' is missing: a time counts only where it is sent and signed")
    if tolerance is not None and not made.timed:
        raise ValueError("'tolerance' needs a timestamp_header")
    return made if tolerance is None else replace(made, tolerance=float(tolerance))


def signature_check(options: Mapping[str, Any]) -> Check:
    """Make the judge of ``hmac:``. Raises ValueError with what is wrong with its options."""
    how = scheme(options)
    keys = [_key(text, how) for text in listed(options.get("secret"))]
    if not keys:
        raise ValueError("'secret' is missing")
    verifiers = [_verifier(key, how) for key in keys]
    content_of = _content(how)

    def check(call: Call, now: float) -> str:
        text = call.header(how.header)
        if text is None:
            return f"the header {how.header} is missing, or came twice"
        sent = _read(text, how)
        stamp = sent.timestamp or (call.header(how.timestamp_header) if how.timestamp_header else None)
        if how.timed and (stamp is None or not _TIMESTAMP.fullmatch(stamp)):
            return "there is no readable time of sending"
        content = content_of(call, stamp or "")
        found = False
        for verify in verifiers:
            for signature in sent.signatures[:_MOST]:
                found |= verify(signature, content)
        if not found:
            return "the signature does not fit the body and the secret"
        return _age(float(stamp or 0), now, how.tolerance) if how.timed else ""

    return check


def _age(stamp: float, now: float, tolerance: float) -> str:
    age = now - stamp
    if abs(age) <= tolerance:
        return ""
    return f"it was signed {age:.0f} s ago" if age > 0 else f"it was signed {-age:.0f} s ahead of our clock"


def _read(text: str, how: Scheme) -> Sent:
    if how.style == "list":
        return Sent(text.split(" "))
    if how.style == "pairs":
        pairs = [pair.strip().partition("=") for pair in text.split(",")]
        stamps = [value for name, _, value in pairs if name == "t"]
        return Sent([f"{name}={value}" for name, _, value in pairs if name == "v1"], stamps[0] if stamps else None)
    return Sent([text])


def _content(how: Scheme) -> Callable[[Call, str], bytes]:
    """Make what puts together the signed bytes of a call and its time."""
    if how.signed == "{body}":
        return lambda call, stamp: call.body
    parts = _PART.split(how.signed)
    between = [part.encode().replace(b"%", b"%%") for part in parts[::2]]
    pattern, values = b"%b".join(between), [_VALUES[part] for part in parts[1::2]]
    return lambda call, stamp: pattern % tuple([value(call, stamp) for value in values])


_VALUES: dict[str, Callable[[Call, str], bytes]] = {
    "timestamp": lambda call, stamp: stamp.encode(),
    "body": lambda call, stamp: call.body,
    "id": lambda call, stamp: (call.header(_ID_HEADER) or "").encode("utf-8", "surrogateescape"),
    "method": lambda call, stamp: call.method.encode(),
    "path": lambda call, stamp: call.path.encode("utf-8", "surrogateescape"),
}


class _Public(bytes):
    """The public half of an Ed25519 key."""


def _key(secret: str, how: Scheme) -> bytes | _Public:
    if not secret:
        raise ValueError("the secret is empty")
    if how.style != "list":
        return secret.encode()
    kind, _, rest = secret.partition("_")
    encoded = rest if kind in ("whsec", "whpk") else secret
    try:
        key = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        raise ValueError("a standard_webhooks secret is whsec_ and base64, and this one is not") from None
    if not key or (kind == "whpk" and len(key) != 32):
        raise ValueError("the secret is too short")
    return _Public(key) if kind == "whpk" else key


def _verifier(key: bytes | _Public, how: Scheme) -> Callable[[str, bytes], bool]:
    if isinstance(key, _Public):
        return _ed25519(key)
    decode = _hex if how.encoding == "hex" else _base64
    digest_of, prefix = _keyed(key, how.algorithm), how.prefix

    def verify(signature: str, content: bytes) -> bool:
        wanted = digest_of(content)
        given = decode(signature[len(prefix) :]) if signature.startswith(prefix) else b""
        return hmac.compare_digest(given, wanted)

    return verify


def _keyed(key: bytes, algorithm: str) -> Callable[[bytes], bytes]:
    """Make HMAC (RFC 2104) with what depends on the key alone done once; a copy of that is half of hmac's own."""
    block = hashlib.new(algorithm).block_size
    padded = (hashlib.new(algorithm, key).digest() if len(key) > block else key).ljust(block, b"\0")
    inner = hashlib.new(algorithm, bytes(byte ^ 0x36 for byte in padded))
    outer = hashlib.new(algorithm, bytes(byte ^ 0x5C for byte in padded))

    def digest_of(content: bytes) -> bytes:
        inside, outside = inner.copy(), outer.copy()
        inside.update(content)
        outside.update(inside.digest())
        return outside.digest()

    return digest_of


def _ed25519(key: bytes) -> Callable[[str, bytes], bool]:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    public = Ed25519PublicKey.from_public_bytes(bytes(key))

    def verify(signature: str, content: bytes) -> bool:
        if not signature.startswith("v1a,"):
            return False
        try:
            public.verify(_base64(signature.removeprefix("v1a,")), content)
        except InvalidSignature:
            return False
        return True

    return verify


def _hex(text: str) -> bytes:
    try:
        return binascii.unhexlify(text)
    except (binascii.Error, ValueError):
        return b""


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""


def sign(options: Mapping[str, Any], call: Call, now: int, identity: str) -> dict[str, str]:
    """Return the headers with which the real sender would send *call*. Raises ValueError where only it can."""
    how = scheme(options)
    key = _key(listed(options.get("secret"))[0], how)
    if isinstance(key, _Public):
        raise ValueError("a public key (whpk_) verifies and does not sign")
    headers = {how.timestamp_header: str(now)} if how.timestamp_header else {}
    if how.style == "list":
        headers[_ID_HEADER] = identity
    named = {**call.headers, **{name.lower(): (value,) for name, value in headers.items()}}
    whole = Call(call.method, call.path, call.query, named, call.body, None)
    digest = hmac.digest(key, _content(how)(whole, str(now)), how.algorithm)
    text = how.prefix + (digest.hex() if how.encoding == "hex" else base64.b64encode(digest).decode())
    headers[how.header] = f"t={now},{text}" if how.style == "pairs" else text
    return headers
