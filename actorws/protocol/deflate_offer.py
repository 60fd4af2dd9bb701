"""permessage-deflate (RFC 7692), client side: what is offered, and what the server made of it.

Rule owned here: what a server answers is within what was offered, or there is no connection. How messages are deflated
stands in ``deflate``, for both sides. Must not know frames.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from websockets.exceptions import InvalidHeaderFormat, NegotiationError
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.headers import build_extension, parse_extension

from actorws.protocol.deflate import NAME, Agreed

if TYPE_CHECKING:
    from actorws.config import Compression

__all__ = ["agree", "offer"]

#: zlib takes it for inflating alone; by an offer without a number any is allowed (RFC 7692 section 7.1.2.2).
_CANT_COMPRESS = ("client_max_window_bits", "8")


def offer(options: Compression) -> str | None:
    """The value of ``Sec-WebSocket-Extensions`` in the request, if anything is offered."""
    if not options.compression:
        return None
    factory = _factory(options)
    return build_extension([(factory.name, factory.get_request_params())])


def agree(value: str | None, options: Compression) -> Agreed | None:
    """What the server agreed to in its ``Sec-WebSocket-Extensions``. Raises ``ValueError``, in words."""
    if value is None:
        return None
    try:
        answers = parse_extension(value)
    except InvalidHeaderFormat:
        raise ValueError("its Sec-WebSocket-Extensions is not a list of extensions") from None
    if not options.compression or [name for name, _ in answers] != [NAME]:
        raise ValueError(f"it uses extensions that were not offered: {value!r:.200}")
    if _CANT_COMPRESS in answers[0][1]:
        raise ValueError("it asks for a window of 8 bits (client_max_window_bits), which zlib can't compress with")
    try:
        extension = _factory(options).process_response_params(answers[0][1], [])
    except NegotiationError as error:
        raise ValueError(f"it agreed to a compression that was not offered: {error}") from None
    return Agreed(value, extension)


def _factory(options: Compression) -> ClientPerMessageDeflateFactory:
    bits = options.client_max_window_bits
    return ClientPerMessageDeflateFactory(
        server_no_context_takeover=not options.server_context_takeover,
        client_no_context_takeover=not options.client_context_takeover,
        server_max_window_bits=options.server_max_window_bits if options.server_max_window_bits < 15 else None,
        # True: the server may say how far back our messages refer.
        client_max_window_bits=bits if bits < 15 else True,
        compress_settings={"level": options.compression_level, "memLevel": options.compression_memory_level},
    )
