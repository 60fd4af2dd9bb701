"""Certificates: the two files that make it https and wss.

Rule owned here: whatever is wrong with them is told with the name of the file it is about, and nobody is asked for
anything at the terminal. Must not know what is served with them.
"""

from __future__ import annotations

import ssl

from actorws.exceptions import ConfigError

__all__ = ["tls_of"]


def tls_of(cert: str | None, key: str | None) -> ssl.SSLContext | None:
    """TLS for ``--tls-cert`` and ``--tls-key``, if they were given. Raises ``ConfigError``."""
    if cert is None and key is None:
        return None
    if cert is None or key is None:
        given, missing = ("--tls-key", "--tls-cert") if cert is None else ("--tls-cert", "--tls-key")
        raise ConfigError(f"{given} needs {missing} beside it")
    for name, path in (("--tls-cert", cert), ("--tls-key", key)):
        try:
            open(path, "rb").close()  # The ssl module's own error does not say which of the two files it means.
        except OSError as error:
            raise ConfigError(f"can't read {name} {path}: {error.strerror}") from None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.set_alpn_protocols(["http/1.1"])

    def no_password() -> str:
        # Else OpenSSL would ask for it at the terminal, and wait: once for each worker.
        raise ConfigError(f"the key in --tls-key {key} is encrypted: decrypt it first (openssl pkey)")

    try:
        context.load_cert_chain(cert, key, no_password)
    except ssl.SSLError as error:
        why = error.reason or error.strerror
        raise ConfigError(f"{cert} and {key} are not a certificate in PEM and its private key: {why}") from None
    return context
