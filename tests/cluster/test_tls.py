"""TLS: who can't be trusted is refused at once and in a sentence."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme

from actorws.cluster.address import parse_address
from tests.support.nodes import IMPATIENT, refusal, running, trying
from tests.support.redis import RedisServer, free_port
from tests.support.resp import greeting

START = Callable[..., RedisServer]


class Certificates:
    """A private authority, and files of what it has issued."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = trustme.CA()
        self.ca = str(folder / "ca.pem")
        self.authority.cert_pem.write_to_path(self.ca)
        self.server = self._issue("server", "127.0.0.1")
        self.client = self._issue("client", "me@example.com")

    def _issue(self, name: str, identity: str) -> tuple[str, str]:
        issued = self.authority.issue_cert(identity)
        cert, key = str(self.folder / f"{name}.pem"), str(self.folder / f"{name}.key")
        issued.cert_chain_pems[0].write_to_path(cert)
        issued.private_key_pem.write_to_path(key)
        return cert, key

    def options(self, port: int, clients: str) -> list[str | int]:
        cert, key = self.server
        files = ["--tls-cert-file", cert, "--tls-key-file", key, "--tls-ca-cert-file", self.ca]
        return ["--tls-port", port, "--tls-auth-clients", clients, *files]


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path)


async def test_tls_with_a_private_authority(start: START, certificates: Certificates):
    port = free_port()
    start("redis", *certificates.options(port, "no")).settle()
    url = f"rediss://127.0.0.1:{port}?ca={certificates.ca}"
    async with running(url) as (a, _), running(url) as (b, node):
        await b.join("g")
        payload = bytes(range(256)) * 4000
        assert await a.publish("g", "binary", payload) == 1
        for _ in range(1000):
            a.publish_nowait("g", "message", b"x")
        await node.seen("deliver_group", 1001)
        assert node.payloads() == [payload] + [b"x"] * 1000


async def test_a_certificate_that_is_not_trusted_is_refused(start: START, certificates: Certificates):
    port = free_port()
    start("redis", *certificates.options(port, "no"))
    said = await refusal(f"rediss://127.0.0.1:{port}")
    assert said.startswith(f"the certificate of rediss://127.0.0.1:{port} is not trusted: ")
    assert "certificate" in said.partition("trusted:")[2]
    said = await refusal(f"rediss://localhost:{port}?ca={certificates.ca}")
    assert "is not trusted: Hostname mismatch, certificate is not valid for 'localhost'" in said


async def test_a_server_may_want_a_certificate_of_ours(start: START, certificates: Certificates):
    port = free_port()
    start("redis", *certificates.options(port, "yes"))
    url = f"rediss://127.0.0.1:{port}?ca={certificates.ca}"
    said = await refusal(url)
    assert said.startswith(
        f"rediss://127.0.0.1:{port} refuses our TLS, or wants a certificate (cert and key in the URL)"
    )
    cert, key = certificates.client
    async with running(f"{url}&cert={cert}&key={key}") as (engine, _):
        assert engine.trouble is None


async def test_tls_where_there_is_none_and_none_where_there_is(start: START, certificates: Certificates):
    port = free_port()
    plain = start("redis", *certificates.options(port, "no"), tcp=True)
    async with trying(plain.tcp.replace("redis:", "rediss:"), IMPATIENT) as (engine, _):
        assert engine.trouble == f"rediss://127.0.0.1:{plain.port} did not answer in time; does it speak TLS?"
    async with trying(f"redis://127.0.0.1:{port}") as (engine, _):
        assert str(engine.trouble).startswith("the connection to the engine broke: ")
    async with greeting(b"+OK hello\r\n") as port:
        assert await refusal(f"rediss://127.0.0.1:{port}") == (
            f"rediss://127.0.0.1:{port} does not speak TLS; without it the URL begins with redis://"
        )


def test_certificates_are_checked_unless_somebody_gives_another_context():
    address = parse_address("rediss://host")
    assert address.tls is not None
    assert (address.tls.verify_mode, address.tls.check_hostname) == (ssl.CERT_REQUIRED, True)
