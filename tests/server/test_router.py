"""Router: which target a path leads to."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorws.server.router import Router

PATTERNS = [
    "/",
    "/chat",
    "/chat/{room}",
    "/chat/lobby",
    "/chat/{room}/log",
    "/chat/lobby/{page}",
    "/chat/{rest:path}",
    "/files/{name:path}",
    "/{any}",
]


def router_of(*patterns: str) -> Router[str, str]:
    """A router whose WebSocket targets are the patterns themselves."""
    router: Router[str, str] = Router()
    for pattern in patterns:
        router.websocket(pattern, pattern)
    return router


def found(router: Router[str, str], path: str) -> tuple[str | None, dict[str, str]] | None:
    match = router.resolve(path)
    return None if match is None else (match.websocket, dict(match.params))


class TestPatterns:
    @pytest.mark.parametrize(
        ("path", "expected"),
        [
            ("/", ("/", {})),
            ("/chat", ("/chat", {})),
            ("/chat/lobby", ("/chat/lobby", {})),
            ("/chat/9", ("/chat/{room}", {"room": "9"})),
            ("/chat/{room}", ("/chat/{room}", {"room": "{room}"})),
            ("/chat/9/log", ("/chat/{room}/log", {"room": "9"})),
            ("/chat/lobby/2", ("/chat/lobby/{page}", {"page": "2"})),
            ("/chat/lobby/log", ("/chat/lobby/{page}", {"page": "log"})),
            ("/chat/9/2", ("/chat/{rest:path}", {"rest": "9/2"})),
            ("/chat/lobby/2/3", ("/chat/{rest:path}", {"rest": "lobby/2/3"})),
            ("/chat/", ("/chat/{rest:path}", {"rest": ""})),
            ("/files/a//b/", ("/files/{name:path}", {"name": "a//b/"})),
            ("/files/", ("/files/{name:path}", {"name": ""})),
            ("/other", ("/{any}", {"any": "other"})),
            ("/é", ("/{any}", {"any": "é"})),
            ("/a/b", None),
            ("//", None),
            ("/chat2/x", None),
            ("", None),
            ("chat", None),
        ],
    )
    def test_the_more_literal_one_wins(self, path: str, expected: tuple[str, dict[str, str]] | None) -> None:
        for patterns in (PATTERNS, PATTERNS[::-1], sorted(PATTERNS)):
            assert found(router_of(*patterns), path) == expected

    @given(st.permutations(PATTERNS), st.lists(st.sampled_from(["", "chat", "lobby", "log", "files", "x"]), max_size=5))
    def test_the_order_of_adding_doesnt_matter(self, patterns: list[str], segments: list[str]) -> None:
        path = "/" + "/".join(segments)
        assert found(router_of(*patterns), path) == found(router_of(*PATTERNS), path)

    def test_many_ambiguous_segments_take_no_time(self) -> None:
        """Each node of the tree is visited once at most, whatever the path."""
        choices = itertools.product(["a", "{%s}"], repeat=8)
        patterns = ["/" + "/".join(c if c == "a" else c % f"n{i}" for i, c in enumerate(cs)) + "/end" for cs in choices]
        router = router_of(*patterns)
        assert len(router.routes) == 256
        assert router.resolve("/a" * 8 + "/no") is None
        assert found(router, "/a" * 8 + "/end") == ("/" + "a/" * 8 + "end", {})

    @pytest.mark.parametrize(
        "pattern",
        [
            "",
            "chat",
            "/a{b}",
            "/{b}a",
            "/{}",
            "/{1}",
            "/{a-b}",
            "/{a",
            "/a}",
            "/{a}{b}",
            "/{:path}",
            "/{a:int}",
            "/{{a}}",
            "/{a:path}/b",
            "/{a}/{a}",
            "/{a}/{a:path}",
        ],
    )
    def test_a_bad_pattern_is_named(self, pattern: str) -> None:
        with pytest.raises(ValueError) as caught:
            router_of(pattern)
        assert repr(pattern) in str(caught.value)

    @pytest.mark.parametrize("pattern", [None, b"/a", 1])
    def test_a_pattern_is_a_string(self, pattern: object) -> None:
        with pytest.raises(ValueError, match="path"):
            Router[str, str]().websocket(pattern, "x")  # type: ignore[arg-type]

    @pytest.mark.parametrize("pattern", ["/", "/a", "/{a}", "/{a:path}"])
    def test_a_duplicate_is_named(self, pattern: str) -> None:
        with pytest.raises(ValueError) as caught:
            router_of(pattern, pattern)
        assert repr(pattern) in str(caught.value)

    @pytest.mark.parametrize(("one", "other"), [("/{a}", "/{b}"), ("/x/{a:path}", "/x/{b:path}"), ("/{a}/x", "/{b}/x")])
    def test_patterns_that_differ_in_names_only_are_refused(self, one: str, other: str) -> None:
        with pytest.raises(ValueError, match="names only"):
            router_of(one, other)

    def test_a_refused_pattern_leaves_no_trace(self) -> None:
        router = router_of("/a/{b}")
        with pytest.raises(ValueError):
            router.websocket("/a/{b}/{c}/{b}", "x")
        assert router.resolve("/a/1/2/3") is None
        assert [route.path for route in router.routes] == ["/a/{b}"]


class TestTargets:
    def test_a_path_has_a_websocket_and_a_handler_per_method(self) -> None:
        router = router_of("/a")
        router.http("/a", "page", ["GET"])
        router.http("/a", "save", ["post", "PUT"])
        match = router.resolve("/a")
        assert match is not None and match.websocket == "/a"
        assert match.http == {"GET": "page", "HEAD": "page", "POST": "save", "PUT": "save"}
        assert len(router.routes) == 1

    def test_get_is_the_method_that_nobody_names(self) -> None:
        router: Router[str, str] = Router()
        router.http("/{a}", "page")
        match = router.resolve("/x")
        assert match is not None and match.websocket is None and match.params == {"a": "x"}
        assert match.allow == "GET, HEAD"

    def test_head_can_have_a_handler_of_its_own(self) -> None:
        router: Router[str, str] = Router()
        router.http("/a", "head", ["HEAD"])
        router.http("/a", "page", ["GET"])
        match = router.resolve("/a")
        assert match is not None and match.http == {"GET": "page", "HEAD": "head"}

    def test_allow_names_get_for_a_websocket(self) -> None:
        router = router_of("/a")
        router.http("/a", "save", ["POST"])
        match = router.resolve("/a")
        assert match is not None and match.allow == "GET, POST"

    def test_a_method_given_twice_is_refused(self) -> None:
        router: Router[str, str] = Router()
        router.http("/a", "one", ["GET", "POST"])
        with pytest.raises(ValueError, match=r"'/a'.*POST"):
            router.http("/a", "two", ["POST"])
        match = router.resolve("/a")
        assert match is not None and match.http["POST"] == "one"

    @pytest.mark.parametrize("methods", [[], "GET", [""], ["GE T"], [1]])
    def test_bad_methods_are_refused(self, methods: list[str]) -> None:
        with pytest.raises(ValueError, match="methods"):
            Router[str, str]().http("/a", "x", methods)

    def test_a_match_cant_change_the_router(self) -> None:
        match = router_of("/a").resolve("/a")
        assert match is not None
        with pytest.raises(TypeError):
            match.params["x"] = "y"  # type: ignore[index]
        with pytest.raises(TypeError):
            match.http["GET"] = "y"  # type: ignore[index]


class TestMounts:
    def test_the_longest_prefix_wins_and_gives_the_rest(self) -> None:
        router: Router[str, str] = Router()
        for prefix in ("/s", "/", "/s/deep/"):
            router.mount(prefix, prefix)
        seen = {}
        for path in ("/", "/x/y", "/s", "/s/", "/s/a//b", "/sx", "/s/deep", "/s/deep/a"):
            match = router.resolve(path)
            assert match is not None
            seen[path] = match.http["GET"], match.params["path"]
        assert seen == {
            "/": ("/", ""),
            "/x/y": ("/", "x/y"),
            "/s": ("/s", ""),
            "/s/": ("/s", ""),
            "/s/a//b": ("/s", "a//b"),
            "/sx": ("/", "sx"),
            "/s/deep": ("/s/deep/", ""),
            "/s/deep/a": ("/s/deep/", "a"),
        }

    def test_patterns_are_asked_first(self) -> None:
        router = router_of("/s/{a}")
        router.mount("/s", "files")
        assert found(router, "/s/x") == ("/s/{a}", {"a": "x"})
        assert found(router, "/s/x/y") == (None, {"path": "x/y"})

    def test_only_get_and_head_are_served(self) -> None:
        router: Router[str, str] = Router()
        router.mount("/s", "files")
        match = router.resolve("/s/a")
        assert match is not None and match.allow == "GET, HEAD" and match.websocket is None

    @pytest.mark.parametrize("prefix", ["", "s", "/{a}", "/s/", "/s"])
    def test_a_bad_or_duplicate_prefix_is_named(self, prefix: str) -> None:
        router: Router[str, str] = Router()
        router.mount("/s", "files")
        with pytest.raises(ValueError) as caught:
            router.mount(prefix, "x")
        assert repr(prefix) in str(caught.value)
