"""StaticFolder: what is served of a folder, and that nothing else is."""

from __future__ import annotations

import os
from email.utils import formatdate
from pathlib import Path

import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actorws.exceptions import ConfigError
from actorws.server import static
from actorws.server.http import Framing, Request, Response, framing
from actorws.server.static import StaticFolder

SECRET = b"nobody may see this"
MTIME = 1_000_000_000


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a secret beside it and links that lead there."""
    outside = tmp_path_factory.mktemp("outside")
    (outside / "secret.txt").write_bytes(SECRET)
    (outside / "root-secret").mkdir()
    (outside / "root-secret" / "secret.txt").write_bytes(SECRET)
    root = outside / "root"
    (root / "sub").mkdir(parents=True)
    (root / "empty").mkdir()
    (root / "index.html").write_text("<p>index")
    (root / "sub" / "index.html").write_text("<p>sub")
    (root / "sub" / "a b.txt").write_bytes(b"0123456789")
    (root / "none").write_bytes(b"")
    (root / "...").write_bytes(b"dots")
    (root / "big.bin").write_bytes(bytes(range(256)) * 1000)
    (root / "link.txt").symlink_to(root / "sub" / "a b.txt")
    (root / "out.txt").symlink_to(outside / "secret.txt")
    (root / "outside").symlink_to(outside)
    (root / "loop").symlink_to(root / "loop")
    os.mkfifo(root / "fifo")
    for path in root.rglob("*.*"):
        os.utime(path, (MTIME, MTIME), follow_symlinks=False)
    return root


def request(path: str, method: str = "GET", **headers: str) -> Request:
    return Request(
        method=method,
        path=f"/s/{path}",
        path_params={"path": path},
        headers={name.replace("_", "-").lower(): value for name, value in headers.items()},
    )


async def body_of(response: Response) -> bytes:
    payload = response.payload()
    if isinstance(payload, bytes):
        return payload
    body = b"".join([piece async for piece in payload])
    assert len(body) == response.content_length
    return body


async def get(root: Path, path: str, **headers: str) -> tuple[int, bytes, dict[str, object]]:
    response = await StaticFolder(root)(request(path, **headers))
    return response.status, await body_of(response), dict(response.headers)


class TestFiles:
    async def test_a_file_is_sent_with_type_length_and_date(self, root: Path) -> None:
        response = await StaticFolder(root)(request("sub/a b.txt"))
        assert await body_of(response) == b"0123456789"
        assert (response.status, response.content_length, response.content_type) == (
            200,
            10,
            "text/plain; charset=utf-8",
        )
        assert response.headers["Last-Modified"] == formatdate(MTIME, usegmt=True)
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert framing(response) is Framing.LENGTH

    async def test_a_big_file_comes_in_pieces(self, root: Path) -> None:
        payload = (await StaticFolder(root)(request("big.bin"))).payload()
        assert not isinstance(payload, bytes)
        pieces = [piece async for piece in payload]
        assert [len(piece) for piece in pieces] == [65536, 65536, 65536, 59392]
        assert b"".join(pieces) == bytes(range(256)) * 1000

    async def test_an_empty_file_is_empty(self, root: Path) -> None:
        status, body, _ = await get(root, "none")
        assert (status, body) == (200, b"")

    async def test_head_is_as_get(self, root: Path) -> None:
        got, head = [await StaticFolder(root)(request("big.bin", method)) for method in ("GET", "HEAD")]
        assert (head.status, head.headers, head.content_length) == (got.status, got.headers, got.content_length)

    async def test_another_method_is_405(self, root: Path) -> None:
        response = await StaticFolder(root)(request("big.bin", "POST"))
        assert response.status == 405 and response.headers["Allow"] == "GET, HEAD"

    async def test_a_link_that_stays_inside_is_followed(self, root: Path) -> None:
        assert (await get(root, "link.txt"))[:2] == (200, b"0123456789")

    @pytest.mark.parametrize(("path", "body"), [("", b"<p>index"), ("sub/", b"<p>sub")])
    async def test_a_folder_is_its_index(self, root: Path, path: str, body: bytes) -> None:
        assert (await get(root, path))[:2] == (200, body)

    async def test_a_folder_without_slash_is_redirected(self, root: Path) -> None:
        asked = Request(method="GET", path="//é/sub", path_params={"path": "sub"}, query={"a": "b c"})
        response = await StaticFolder(root)(asked)
        assert (response.status, response.headers["Location"]) == (308, "/%C3%A9/sub/?a=b+c")

    async def test_the_index_can_have_another_name(self, root: Path) -> None:
        response = await StaticFolder(root, index="a b.txt")(request("sub/"))
        assert await body_of(response) == b"0123456789"

    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            ("a.html", "text/html; charset=utf-8"),
            ("a.JS", "text/javascript; charset=utf-8"),
            ("a.json", "application/json"),
            ("a.png", "image/png"),
            ("a.svg", "image/svg+xml"),
            ("a.wasm", "application/wasm"),
            ("a.woff2", "font/woff2"),
            ("a.tar.gz", "application/gzip"),
            ("a.svgz", "application/gzip"),
            ("a.bz2", "application/octet-stream"),
            ("a.unknown", "application/octet-stream"),
            ("none", "application/octet-stream"),
        ],
    )
    def test_the_type_follows_the_name(self, name: str, expected: str) -> None:
        assert static._content_type(f"/x/{name}") == expected

    async def test_a_file_that_changes_meanwhile_is_not_mixed(self, tmp_path: Path) -> None:
        (tmp_path / "a").write_bytes(b"a" * 100_000)
        payload = (await StaticFolder(tmp_path)(request("a"))).payload()
        assert not isinstance(payload, bytes)
        pieces = aiter(payload)
        await anext(pieces)
        (tmp_path / "a").write_bytes(b"b" * 99_999)
        with pytest.raises(OSError, match="has changed"):
            await anext(pieces)

    async def test_a_file_cut_short_while_it_is_read_doesnt_hang(self, root: Path) -> None:
        path = root / "sub" / "a b.txt"
        pieces = static._Pieces(static._File.of(str(path), path.stat()), 0, 11)
        assert await anext(pieces) == b"0123456789"
        with pytest.raises(OSError, match="has changed"):
            await anext(pieces)


class TestNothingElse:
    @pytest.mark.parametrize(
        "path",
        [
            "../secret.txt",
            "sub/../../secret.txt",
            "sub/../index.html",
            "./index.html",
            "../root-secret/secret.txt",
            "../root/index.html",
            "..",
            ".",
            "/etc/passwd",
            "//etc/passwd",
            "sub//a b.txt",
            "sub\\a b.txt",
            "..\\secret.txt",
            "index.html\x00",
            "\x00",
            "C:/secret.txt",
            "%2e%2e/secret.txt",
            "out.txt",
            "outside/secret.txt",
            "outside/",
            "outside",
            "loop",
            "fifo",
            "missing",
            "empty/",
            "empty",
            "index.html/",
            "index.html/x",
            "x" * 5000,
            "\udcff",
        ],
    )
    async def test_is_404(self, root: Path, path: str) -> None:
        status, body, _ = await get(root, path)
        assert status == 404 and SECRET not in body

    async def test_a_name_of_dots_only_is_a_name(self, root: Path) -> None:
        assert (await get(root, "..."))[:2] == (200, b"dots")

    @given(st.lists(st.sampled_from(["..", ".", "", "sub", "outside", "secret.txt", "root", "\x00", "~"]), max_size=6))
    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_no_path_leads_outside(self, root: Path, segments: list[str]) -> None:
        async def fetch() -> bytes:
            return (await get(root, "/".join(segments)))[1]

        assert SECRET not in trio.run(fetch)

    def test_a_missing_folder_is_named(self, root: Path) -> None:
        for folder in (root / "missing", root / "index.html"):
            with pytest.raises(ConfigError) as caught:
                StaticFolder(folder)
            assert str(folder) in str(caught.value)

    @pytest.mark.parametrize("index", ["", "sub/index.html", "../secret.txt"])
    def test_an_index_elsewhere_is_refused(self, root: Path, index: str) -> None:
        with pytest.raises(ConfigError, match="index"):
            StaticFolder(root, index)


class TestConditions:
    async def test_a_known_etag_is_304(self, root: Path) -> None:
        _, _, headers = await get(root, "index.html")
        etag = str(headers["ETag"])
        for known in (etag, f"W/{etag}", f'"x", {etag}', "*"):
            status, body, answered = await get(root, "index.html", If_None_Match=known)
            assert (status, body, answered["ETag"]) == (304, b"", etag)
        assert (await get(root, "index.html", If_None_Match='"x"'))[0] == 200

    async def test_an_unchanged_date_is_304(self, root: Path) -> None:
        for seconds, expected in ((MTIME - 1, 200), (MTIME, 304), (MTIME + 1, 304)):
            assert (await get(root, "index.html", If_Modified_Since=formatdate(seconds, usegmt=True)))[0] == expected

    @pytest.mark.parametrize(
        "date", ["", "yesterday", "Mon, 99 Foo 2020 00:00:00 GMT", "Mon, 01 Jan 99999 00:00:00 GMT"]
    )
    async def test_a_malformed_date_is_ignored(self, root: Path, date: str) -> None:
        assert (await get(root, "index.html", If_Modified_Since=date))[0] == 200

    async def test_the_etag_decides_before_the_date(self, root: Path) -> None:
        date = formatdate(MTIME + 1, usegmt=True)
        assert (await get(root, "index.html", If_None_Match='"x"', If_Modified_Since=date))[0] == 200

    async def test_the_etag_changes_with_the_file(self, tmp_path: Path) -> None:
        (tmp_path / "a").write_bytes(b"1")
        first = (await get(tmp_path, "a"))[2]["ETag"]
        os.utime(tmp_path / "a", ns=(1, 1))
        assert (await get(tmp_path, "a"))[2]["ETag"] != first


class TestRanges:
    @pytest.mark.parametrize(
        ("asked", "body", "content_range"),
        [
            ("bytes=0-0", b"0", "bytes 0-0/10"),
            ("bytes=2-4", b"234", "bytes 2-4/10"),
            ("Bytes= 8-", b"89", "bytes 8-9/10"),
            ("bytes=8-99", b"89", "bytes 8-9/10"),
            ("bytes=-3", b"789", "bytes 7-9/10"),
            ("bytes=-99", b"0123456789", "bytes 0-9/10"),
        ],
    )
    async def test_a_part_is_206(self, root: Path, asked: str, body: bytes, content_range: str) -> None:
        status, got, headers = await get(root, "sub/a b.txt", Range=asked)
        assert (status, got, headers["Content-Range"]) == (206, body, content_range)

    @pytest.mark.parametrize("asked", ["bytes=10-", "bytes=10-11", "bytes=-0", "bytes=99-100"])
    async def test_a_part_that_isnt_there_is_416(self, root: Path, asked: str) -> None:
        status, body, headers = await get(root, "sub/a b.txt", Range=asked)
        assert (status, body, headers["Content-Range"]) == (416, b"", "bytes */10")

    @pytest.mark.parametrize(
        "asked",
        ["bytes=0-1,3-4", "bytes=4-2", "bytes=-", "bytes=", "bytes=a-b", "lines=0-1", "bytes=" + "9" * 30 + "-"],
    )
    async def test_other_ranges_are_ignored(self, root: Path, asked: str) -> None:
        assert (await get(root, "sub/a b.txt", Range=asked))[:2] == (200, b"0123456789")

    async def test_a_range_of_a_changed_file_is_the_whole_file(self, root: Path) -> None:
        etag = str((await get(root, "sub/a b.txt"))[2]["ETag"])
        for condition, expected in (
            (etag, 206),
            (formatdate(MTIME, usegmt=True), 206),
            ('"x"', 200),
            (f"W/{etag}", 200),
            (formatdate(MTIME + 1, usegmt=True), 200),
        ):
            assert (await get(root, "sub/a b.txt", Range="bytes=0-1", If_Range=condition))[0] == expected

    async def test_head_has_no_ranges(self, root: Path) -> None:
        assert (await StaticFolder(root)(request("sub/a b.txt", "HEAD", Range="bytes=0-1"))).status == 200
