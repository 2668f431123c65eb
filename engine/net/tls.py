"""How a connection proves who it talks to: authorities, client certificate, or none of it."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.errors import Misconfigured


def context(name: str, options: Mapping[str, Any] | None, project: Path) -> ssl.SSLContext:
    """Make the TLS settings of connection *name* from ``tls: {ca, cert, key, verify}``. Raises Misconfigured.

    Without ``ca`` the system's authorities count, or those of the environment's SSL_CERT_FILE and SSL_CERT_DIR.
    """
    options = options or {}
    made = _trusting(name, options.get("ca"), project)
    if options.get("verify") is False:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    if options.get("cert"):
        _identify(name, made, project / options["cert"], options.get("key"), project)
    elif options.get("key"):
        raise Misconfigured(f"{name}: tls.key needs tls.cert, the certificate it belongs to")
    return made


def _trusting(name: str, ca: str | None, project: Path) -> ssl.SSLContext:
    if not ca:
        return ssl.create_default_context()
    try:
        return ssl.create_default_context(cafile=project / ca)
    except (OSError, ssl.SSLError) as error:
        raise Misconfigured(f"{name}: tls.ca: {ca} is not a readable file of certificates: {_why(error)}") from None


def _identify(name: str, made: ssl.SSLContext, cert: Path, key: str | None, project: Path) -> None:
    try:
        # a callback, because without one OpenSSL would ask for a passphrase on the terminal
        made.load_cert_chain(cert, project / key if key else None, password=lambda: b"")
    except (OSError, ssl.SSLError) as error:
        raise Misconfigured(
            f"{name}: tls.cert: {cert.name} and its key cannot be used (PEM, key without passphrase): {_why(error)}"
        ) from None


def _why(error: OSError) -> str:
    return error.strerror or str(error)
