"""The two files that make it https, and what is said of others."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from actorws.cli import main


@pytest.fixture(scope="module")
def pems(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Files: a certificate and its key, the key of another certificate, and a text."""
    folder = tmp_path_factory.mktemp("pems")
    authority = trustme.CA()
    ours, other = authority.issue_cert("localhost"), authority.issue_cert("localhost")
    for name, blobs in {
        "cert": ours.cert_chain_pems,
        "key": [ours.private_key_pem],
        "other": [other.private_key_pem],
    }.items():
        (folder / name).write_bytes(b"".join(blob.bytes() for blob in blobs))
    (folder / "text").write_text("not a certificate")
    return {name: str(folder / name) for name in ("cert", "key", "other", "text", "missing")}


def test_a_certificate_and_its_key_make_it_https(site: str, served: list[Any], pems: dict[str, str]) -> None:
    assert main(["serve", f"{site}:app", "--tls-cert", pems["cert"], "--tls-key", pems["key"]]) == 0
    assert isinstance(served[0][1]["tls"], ssl.SSLContext)


@pytest.mark.parametrize(
    ("cert", "key", "line"),
    [
        ("cert", None, "--tls-cert needs --tls-key beside it"),
        (None, "key", "--tls-key needs --tls-cert beside it"),
        ("missing", "key", "can't read --tls-cert {missing}: No such file or directory"),
        ("cert", "missing", "can't read --tls-key {missing}: No such file or directory"),
        ("text", "key", "{text} and {key} are not a certificate in PEM and its private key: "),
        ("cert", "text", "{cert} and {text} are not a certificate in PEM and its private key: "),
        ("cert", "other", "{cert} and {other} are not a certificate in PEM and its private key: KEY_VALUES_MISMATCH"),
    ],
)
def test_certificates_that_cannot_serve_are_named(
    fails: Callable[..., str], pems: dict[str, str], cert: str | None, key: str | None, line: str
) -> None:
    arguments = ["--tls-cert", pems[cert]] if cert else []
    arguments += ["--tls-key", pems[key]] if key else []
    assert fails("serve", "a:b", *arguments).startswith(line.format(**pems))


def test_an_encrypted_key_is_told_without_asking_for_its_password(
    fails: Callable[..., str], pems: dict[str, str], tmp_path: Path
) -> None:
    key = serialization.load_pem_private_key(Path(pems["key"]).read_bytes(), None)
    encryption = serialization.BestAvailableEncryption(b"password")
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    path = tmp_path / "encrypted"
    path.write_bytes(key.private_bytes(encoding, form, encryption))
    line = fails("serve", "a:b", "--tls-cert", pems["cert"], "--tls-key", str(path))
    assert line == f"the key in --tls-key {path} is encrypted: decrypt it first (openssl pkey)"
