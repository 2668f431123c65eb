"""JWT: the algorithms are ours to fix, the key is one we were given, and the claims are looked at with our clock."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from engine.http.call import Call
from engine.http.keysets import KeySet, KeySets
from engine.http.secrets import listed

Check = Callable[[Call, float], str]

LEEWAY = 30.0
"""Seconds by which clocks may differ."""
_LONGEST = 16 * 1024
_UNKNOWN = "the token is not signed with a key that is known here"
_FAMILIES = {"HS": "oct", "RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}
_NO_CLAIMS = {
    "verify_signature": True,
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
    "verify_aud": False,
    "verify_iss": False,
    "verify_sub": False,
    "verify_jti": False,
}
"""PyJWT reads the machine's clock, so the claims are judged here."""


def token_check(options: Mapping[str, Any], sets: KeySets | None = None) -> Check:
    """Make the judge of ``jwt:``. Raises ValueError with what is wrong with its options.

    *sets* has the key sets of addresses; without it such a set has no keys.
    """
    algorithms = list(options["algorithms"])
    ring = _Ring(options, algorithms, sets or KeySets())

    def check(call: Call, now: float) -> str:
        text = bearer(call)
        if text is None:
            return "there is no bearer token"
        if len(text) > _LONGEST:
            return "the token is too long"
        claims = _signed(text, ring.keys(), algorithms)
        if claims is _UNKNOWN:
            return ring.unknown()
        return claims if isinstance(claims, str) else _claims(claims, options, now)

    return check


def bearer(call: Call) -> str | None:
    """Return the token of ``Authorization: Bearer``."""
    kind, _, token = (call.header("authorization") or "").partition(" ")
    return token.strip() if kind.lower() == "bearer" and token.strip() else None


class _Key:
    """A key, the algorithms it may be used with, and its name in a set."""

    def __init__(self, key: Any, algorithms: Sequence[str], name: str | None = None) -> None:
        self.key, self.algorithms, self.name = key, list(algorithms), name


class _Ring:
    """The keys that count now: those that are written, and those of a set that is fetched."""

    def __init__(self, options: Mapping[str, Any], algorithms: Sequence[str], sets: KeySets) -> None:
        self._given = [key for text in listed(options.get("key")) for key in _own(text, algorithms)]
        self._algorithms = algorithms
        self._set: KeySet | None = None
        self._version, self._fetched = 0, list[_Key]()
        written = options.get("jwks")
        if isinstance(written, str):
            self._set = sets.of(written)
        elif written is not None:
            self._given += _set(written, algorithms)
        if not self._given and self._set is None:
            raise ValueError("'key' or 'jwks' is missing: what the tokens are signed with")

    def keys(self) -> list[_Key]:
        """Return them."""
        if self._set is None:
            return self._given
        if self._set.version != self._version:
            self._version, self._fetched = self._set.version, _readable(self._set.document, self._algorithms)
        return self._given + self._fetched

    def unknown(self) -> str:
        """Say why a token is refused that none of them signed, and ask for newer ones."""
        if self._set is None:
            return _UNKNOWN
        self._set.doubt()
        return _UNKNOWN if self._set.version else "the key set is not fetched yet, so no token can be judged"


def _own(text: str, algorithms: Sequence[str]) -> list[_Key]:
    from jwt.algorithms import get_default_algorithms
    from jwt.exceptions import InvalidKeyError

    if any(algorithm[:2] != algorithms[0][:2] for algorithm in algorithms):
        raise ValueError("'algorithms' are of different kinds, and one key fits only one kind")
    if algorithms[0].startswith("HS"):
        if "-----BEGIN" in text:
            raise ValueError(f"a public key does not go with {algorithms[0]}, which takes a shared secret")
        least = max(int(algorithm[2:]) for algorithm in algorithms) // 8
        if len(text.encode()) < least:
            raise ValueError(f"the shared secret is shorter than {least} bytes, which can be guessed")
        return [_Key(text.encode(), algorithms)]
    try:
        # only the loader of this kind of key: a key of another kind is refused now, not at the first call
        return [_Key(get_default_algorithms()[algorithms[0]].prepare_key(text), algorithms)]
    except (InvalidKeyError, ValueError, TypeError):
        raise ValueError(f"'key' is not a public key in PEM form for {algorithms[0]}") from None


def _readable(document: Any, algorithms: Sequence[str]) -> list[_Key]:
    """Return the keys of a fetched set that can be used here: others may be for somebody else."""
    found = []
    for one in document["keys"]:
        try:
            found += _set({"keys": [one]}, algorithms)
        except ValueError:
            continue
    return found


def _set(document: Any, algorithms: Sequence[str]) -> list[_Key]:
    from jwt import PyJWK
    from jwt.exceptions import PyJWTError

    if not isinstance(document, Mapping) or not isinstance(document.get("keys"), list):
        raise ValueError("'jwks' is not a key set: {\"keys\": [...]}")
    found = []
    for one in document["keys"]:
        fits = [name for name in algorithms if isinstance(one, dict) and _fits(one, name)]
        if not fits or one.get("use", "sig") != "sig":
            continue
        try:
            found.append(_Key(PyJWK(one, algorithm=one.get("alg", fits[0])).key, fits, one.get("kid")))
        except PyJWTError as error:
            raise ValueError(f"'jwks' has a key that cannot be read: {error}") from None
    if not found:
        raise ValueError(f"'jwks' has no key for {', '.join(algorithms)}")
    return found


def _fits(key: Mapping[str, Any], algorithm: str) -> bool:
    return key.get("kty") == _FAMILIES[algorithm[:2]] and key.get("alg", algorithm) == algorithm


def _signed(text: str, keys: Sequence[_Key], algorithms: Sequence[str]) -> Mapping[str, Any] | str:
    """Return the claims of a token that one of the keys signed, or why there are none."""
    import jwt

    try:
        header = jwt.get_unverified_header(text)
    except (jwt.PyJWTError, ValueError, RecursionError):
        return "the token cannot be read"
    if header.get("alg") not in algorithms:
        return "the token names an algorithm that is not allowed here"
    name = header.get("kid")
    # a key's name only chooses among ours; jku, x5u and jwk in a token are never looked at
    chosen = [key for key in keys if key.name is None or name is None or key.name == name]
    for key in chosen:
        if header["alg"] not in key.algorithms:
            continue
        try:
            claims: dict[str, Any] = jwt.decode(
                text,
                key.key,
                algorithms=key.algorithms,
                options=_NO_CLAIMS,  # type: ignore[arg-type]
            )
        except (jwt.PyJWTError, ValueError, RecursionError):
            continue
        return claims
    return _UNKNOWN


def _claims(claims: Mapping[str, Any], options: Mapping[str, Any], now: float) -> str:
    expires = _time(claims.get("exp"))
    if expires is None:
        return "the token never expires ('exp' is missing or no time)"
    if expires + LEEWAY <= now:
        return f"the token expired {now - expires:.0f} s ago"
    for name in ("nbf", "iat"):
        if name in claims and ((begins := _time(claims[name])) is None or begins - LEEWAY > now):
            return f"the token is not valid yet ('{name}')"
    if (issuer := options.get("issuer")) is not None and claims.get("iss") != issuer:
        return "the token is from another issuer"
    return _audience(claims.get("aud"), options.get("audience"))


def _audience(given: Any, wanted: str | None) -> str:
    named = [given] if isinstance(given, str) else given
    if wanted is None:
        return "" if given is None else "the token is for an audience, and the webhook names none"
    return "" if isinstance(named, list) and wanted in named else "the token is for another audience"


def _time(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def mint(options: Mapping[str, Any], now: int) -> str:
    """Return a token as the real caller would send it. Raises ValueError where only the caller can sign."""
    import jwt

    algorithm = options["algorithms"][0]
    keys = listed(options.get("key"))
    if not algorithm.startswith("HS") or not keys:
        raise ValueError(f"only the caller has the private key that signs {algorithm} tokens; give one with --header")
    claims: dict[str, Any] = {"iat": now, "exp": now + 300}
    if options.get("issuer") is not None:
        claims["iss"] = options["issuer"]
    if options.get("audience") is not None:
        claims["aud"] = options["audience"]
    return jwt.encode(claims, keys[0], algorithm=algorithm)
