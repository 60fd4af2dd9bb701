"""StaticFolder: files of a folder as responses.

Rule owned here: nothing outside the folder is ever served, whatever the path says or links point to. All file system
work is done in trio's worker threads, so a slow disk holds up no tick. Must not know routes or sockets.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from email.utils import formatdate, parsedate_to_datetime
from mimetypes import MimeTypes
from pathlib import Path
from urllib.parse import quote, urlencode

import trio
from attrs import frozen

from actorws.exceptions import ConfigError
from actorws.server.http import Request, Response

__all__ = ["StaticFolder"]

#: Bytes read, and sent, at once.
CHUNK = 64 * 1024
#: Without the system's tables: the same file has the same type on every machine.
_TYPES = MimeTypes()
for _suffix, _type in {
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".avif": "image/avif",
    ".webp": "image/webp",
    ".woff": "font/woff",
    ".woff2": "font/woff2",
}.items():
    _TYPES.add_type(_type, _suffix)
_ONE_RANGE = re.compile(r"bytes=[ \t]*([0-9]{0,18})-([0-9]{0,18})[ \t]*", re.IGNORECASE)
_ETAG = re.compile(r'(?:W/)?("[^"]*")')


@frozen
class _File:
    """A regular file inside the folder, at one time."""

    path: str
    size: int
    mtime_ns: int

    @classmethod
    def of(cls, path: str, status: os.stat_result) -> _File:
        return cls(path, status.st_size, status.st_mtime_ns)

    @property
    def etag(self) -> str:
        return f'"{self.mtime_ns:x}-{self.size:x}"'

    @property
    def last_modified(self) -> str:
        return formatdate(self.mtime_ns // 1_000_000_000, usegmt=True)

    def read(self, start: int, size: int) -> bytes:
        """Raises ``OSError`` if the file is not the same any more: its parts must not be mixed."""
        with open(self.path, "rb") as file:
            if _File.of(self.path, os.fstat(file.fileno())) != self:
                raise OSError(f"{self.path} has changed while it was being sent")
            file.seek(start)
            return file.read(size)


class _Pieces:
    """A part of a file, piece by piece. Keeps no file open between two, so a client that goes away leaves nothing."""

    __slots__ = ("_at", "_end", "_file")

    def __init__(self, file: _File, start: int, end: int) -> None:
        self._file = file
        self._at = start
        self._end = end

    def __aiter__(self) -> _Pieces:
        return self

    async def __anext__(self) -> bytes:
        if self._at >= self._end:
            raise StopAsyncIteration
        piece = await trio.to_thread.run_sync(self._file.read, self._at, min(CHUNK, self._end - self._at))
        if not piece:
            raise OSError(f"{self._file.path} has changed while it was being sent")
        self._at += len(piece)
        return piece


class StaticFolder:
    """Serves the files below ``folder``; of a folder below, its ``index``. An HTTP handler.

    The file is named by the path parameter ``path``. Answers GET and HEAD, conditional requests and a single range.
    Links are followed as long as they lead to something inside. Raises ``ConfigError`` if there is no such folder.
    """

    def __init__(self, folder: str | Path, index: str = "index.html") -> None:
        self._root = os.path.realpath(folder)
        self._index = index
        if not os.path.isdir(self._root):
            raise ConfigError(f"folder {str(folder)!r} is not a folder")
        if not index or os.path.basename(index) != index:
            raise ConfigError(f"index must be the name of a file, not {index!r}")

    async def __call__(self, request: Request) -> Response:
        """The response to ``request``: 200, 206, 304, 308, 404, 405 or 416."""
        if request.method not in ("GET", "HEAD"):
            return Response("only GET and HEAD are served here\n", 405, {"Allow": "GET, HEAD"})
        path = request.path_params.get("path", "")
        as_folder = request.path.endswith("/")
        file, is_folder = await trio.to_thread.run_sync(self._find, path.removesuffix("/") if as_folder else path)
        if file is None or (as_folder and not is_folder):
            return Response("there is nothing here\n", 404)
        if is_folder and not as_folder:
            return _redirect(request)  # else the page's relative links would lead beside it
        return _respond(request, file)

    def _find(self, path: str) -> tuple[_File | None, bool]:
        """The file that may be served for ``path``, and whether ``path`` is the folder that it is the index of."""
        segments = path.split("/") if path else []
        if any(not _is_plain(segment) for segment in segments):
            return None, False
        file = self._inside(segments)
        if file is not None:
            return file, False
        return self._inside([*segments, self._index]), True

    def _inside(self, segments: list[str]) -> _File | None:
        try:
            # What is stated and opened later is the path without links.
            path = os.path.realpath(os.path.join(self._root, *segments), strict=True)
            status = os.stat(path)
        except (OSError, ValueError):
            return None  # not there, not for us, a name too long, a circle of links
        # Only regular files: opening a FIFO would hang the thread.
        if os.path.commonpath([self._root, path]) != self._root or not stat.S_ISREG(status.st_mode):
            return None
        return _File.of(path, status)


def _is_plain(segment: str) -> bool:
    """Whether a segment of a path names something in its folder, on every platform."""
    return segment not in ("", ".", "..") and not any(character in segment for character in "\0\\:")


def _redirect(request: Request) -> Response:
    # One slash in front: //example.org would be another host.
    location = quote("/" + request.path.lstrip("/") + "/")
    query = f"?{urlencode(request.query)}" if request.query else ""
    return Response(status=308, headers={"Location": location + query})


def _respond(request: Request, file: _File) -> Response:
    headers = {
        "ETag": file.etag,
        "Last-Modified": file.last_modified,
        "Accept-Ranges": "bytes",
        "X-Content-Type-Options": "nosniff",
    }
    if _is_known(request.headers, file):
        return Response(status=304, headers=headers)
    part = _range(request, file)
    if part is None:
        return _part(file, 0, file.size, 200, headers)
    start, end = part
    if start >= end:
        return Response(b"", 416, {**headers, "Content-Range": f"bytes */{file.size}"})
    return _part(file, start, end, 206, {**headers, "Content-Range": f"bytes {start}-{end - 1}/{file.size}"})


def _part(file: _File, start: int, end: int, status: int, headers: dict[str, str]) -> Response:
    return Response(_Pieces(file, start, end), status, headers, _content_type(file.path), end - start)


def _content_type(path: str) -> str:
    kind, encoding = _TYPES.guess_type(os.path.basename(path))
    if encoding is not None:  # without Content-Encoding, what is sent is the archive itself
        return "application/gzip" if encoding == "gzip" else "application/octet-stream"
    if kind is None:
        return "application/octet-stream"
    return f"{kind}; charset=utf-8" if kind.startswith("text/") else kind


def _is_known(headers: Mapping[str, str], file: _File) -> bool:
    """Whether the client has the file already (RFC 9110 section 13.2.2: the ETag decides, else the date)."""
    tags = headers.get("if-none-match")
    if tags is not None:
        return tags.strip() == "*" or file.etag in _ETAG.findall(tags)
    since = _seconds(headers.get("if-modified-since"))
    return since is not None and file.mtime_ns // 1_000_000_000 <= since


def _seconds(date: str | None) -> float | None:
    try:
        return parsedate_to_datetime(date).timestamp() if date else None
    except (ValueError, OverflowError):
        return None


def _range(request: Request, file: _File) -> tuple[int, int] | None:
    """Start and end of what is asked for, empty if it can't be had, ``None`` for everything.

    Several ranges are answered with everything, as is one of a file that has changed (RFC 9110 sections 13.1.5, 14.2).
    """
    match = _ONE_RANGE.fullmatch(request.headers.get("range", ""))
    if match is None or request.method != "GET" or match.groups() == ("", ""):
        return None
    if request.headers.get("if-range", file.etag) not in (file.etag, file.last_modified):
        return None
    first, last = match.groups()
    if not first:
        return max(0, file.size - int(last)), file.size
    if last and int(last) < int(first):
        return None  # malformed, so ignored
    return int(first), min(int(last) + 1, file.size) if last else file.size
