"""Certificates: the two files that make it https and wss, and those by which a client knows whom it may trust.

Rule owned here: whatever is wrong with them is told with the name of the file it is about, and nobody is asked for
anything at the terminal. Must not know what is served with them.
"""

from __future__ import annotations

import ssl

from actorws.exceptions import ConfigError

__all__ = ["tls_of", "trusting"]


def tls_of(cert: str | None, key: str | None) -> ssl.SSLContext | None:
    """TLS for ``--tls-cert`` and ``--tls-key``, if they were given. Raises ``ConfigError``."""
    if cert is None and key is None:
        return None
    if cert is None or key is None:
        given, missing = ("--tls-key", "--tls-cert") if cert is None else ("--tls-cert", "--tls-key")
        raise ConfigError(f"{given} needs {missing} beside it")
    _can_be_read(("--tls-cert", cert), ("--tls-key", key))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.set_alpn_protocols(["http/1.1"])
    _load(context, cert, key, f"--tls-key {key}")
    return context


def trusting(ca: str | None, cert: str | None, key: str | None, *, anybody: bool) -> ssl.SSLContext:
    """TLS for a client, by ``--ca``, ``--cert``, ``--key`` and ``--insecure`` (``anybody``). Raises ``ConfigError``."""
    if key is not None and cert is None:
        raise ConfigError("--key needs --cert beside it")
    _can_be_read(("--ca", ca), ("--cert", cert), ("--key", key))
    try:
        context = ssl.create_default_context(cafile=ca)
    except ssl.SSLError:
        raise ConfigError(f"in --ca {ca} there are no certificates in PEM") from None
    if anybody:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if cert is not None:
        _load(context, cert, key or cert, f"--cert {cert}" if key is None else f"--key {key}")
    return context


def _can_be_read(*files: tuple[str, str | None]) -> None:
    for name, path in files:
        try:
            if path is not None:
                open(path, "rb").close()  # The ssl module's own error does not say which of the files it means.
        except OSError as error:
            raise ConfigError(f"can't read {name} {path}: {error.strerror}") from None


def _load(context: ssl.SSLContext, cert: str, key: str, where: str) -> None:
    def no_password() -> str:
        # Else OpenSSL would ask for it at the terminal, and wait: once for each worker.
        raise ConfigError(f"the key in {where} is encrypted: decrypt it first (openssl pkey)")

    try:
        context.load_cert_chain(cert, key, no_password)
    except ssl.SSLError as error:
        why = error.reason or error.strerror
        raise ConfigError(f"{cert} and {key} are not a certificate in PEM and its private key: {why}") from None
