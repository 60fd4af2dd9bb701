"""Addresses: a URL means one thing, or is refused in a sentence; a password is never shown."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from actorws.cluster.address import Address, Login, parse_address
from actorws.exceptions import ConfigError


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://host", Address((("host", 6379),))),
        ("REDIS://host/", Address((("host", 6379),))),
        ("redis://10.0.0.1:7000/3", Address((("10.0.0.1", 7000),), database=3)),
        ("redis://host?database=3", Address((("host", 6379),), database=3)),
        ("redis://[::1]:7000", Address((("::1", 7000),))),
        ("redis://a-b_c.example.com.", Address((("a-b_c.example.com.", 6379),))),
        ("redis://:secret@host", Address((("host", 6379),), login=Login(None, "secret"))),
        ("redis://me:s%40c%2Fr%23t@host", Address((("host", 6379),), login=Login("me", "s@c/r#t"))),
        ("redis://me:a:b@host", Address((("host", 6379),), login=Login("me", "a:b"))),
        ("redis://host?user=me&password=s%26t", Address((("host", 6379),), login=Login("me", "s&t"))),
        ("redis://host?app=chat-2", Address((("host", 6379),), app="chat-2")),
        ("unix:///run/redis.sock", Address(path="/run/redis.sock")),
        ("unix:///a%20b.sock?database=1", Address(path="/a b.sock", database=1)),
        ("unix://me:secret@/run/r.sock", Address(path="/run/r.sock", login=Login("me", "secret"))),
        ("redis+sentinel://a/main", Address((("a", 26379),), service="main")),
        (
            "redis+sentinel://me:pw@a,b:7,[::2]/main?database=2&sentinel_user=s&sentinel_password=t",
            Address(
                (("a", 26379), ("b", 7), ("::2", 26379)),
                service="main",
                database=2,
                login=Login("me", "pw"),
                sentinel_login=Login("s", "t"),
            ),
        ),
    ],
)
def test_a_good_url_is_read(url, address):
    assert parse_address(url) == address


@pytest.mark.parametrize("url", ["rediss://host", "rediss+sentinel://host/main"])
def test_tls_is_checked_against_the_system_s_certificates(url):
    tls = parse_address(url).tls
    assert tls is not None
    assert tls.verify_mode is ssl.CERT_REQUIRED
    assert tls.check_hostname


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("", "must begin with one of redis, rediss, unix"),
        ("host:6379", "must begin with one of"),
        ("http://host", "must begin with one of redis, rediss, unix, redis+sentinel, rediss+sentinel (http)"),
        ("redis+cluster://host", "must begin with one of"),
        ("redis://", "must have a host, or host:port"),
        ("redis:///0", "must have a host, or host:port"),
        ("redis://ho st", "must have a host, or host:port; reserved characters of a password escaped (ho st)"),
        ("redis://host:", "must have a host"),
        ("redis://host:0", "must have a host"),
        ("redis://host:65536", "must have a host"),
        ("redis://host:port", "must have a host"),
        ("redis://::1", "must have a host"),
        ("redis://[::1", "can't be read"),
        ("redis://[1:2:3::zz]", "can't be read"),
        (f"redis://{'a' * 64}.example", "must have a host"),
        (f"redis://{'a.' * 127}", "must have a host"),
        ("redis://a..b", "must have a host"),
        ("redis://h\u00f6st", "must have a host"),
        ("redis://a\0b", "must have a host"),
        ("redis://a,b", "must name one host (several are for Sentinels: redis+sentinel://) (a,b)"),
        ("redis://host/one", "must have a number as database (one)"),
        ("redis://host/1/2", "must have a number as database (1/2)"),
        ("redis://host/-1", "must have a number as database"),
        ("redis://host/12345", "must have a number as database"),
        ("redis://host/\u0663", "must have a number as database"),
        ("redis://host/1?database=1", "has the database twice"),
        ("redis://host?app=a&app=b", "has a parameter twice"),
        ("redis://host?app=", "must have an app of 1 to 64 letters, digits, dots, hyphens or underscores"),
        ("redis://host?app=a{b}", "must have an app of"),
        ("redis://host?app=a/b", "must have an app of"),
        ("redis://host?name=x", "may have the parameters app, database, password, user here, and no other (name)"),
        ("redis://host?ca=x", "may have the parameters"),
        ("redis://host?sentinel_user=x", "may have the parameters"),
        ("redis://host?app", "can't be read"),
        ("redis://host#x", "has no part after #, which in a password is written %23 (x)"),
        ("redis://user@host", "has a user without a password"),
        ("redis://host?user=me", "has a user without a password"),
        ("redis://me:pw@host?user=me", "has the user or the password twice"),
        ("redis+sentinel://host", "of Sentinels ends in the name of the service: redis+sentinel://host/service"),
        ("redis+sentinel://host/", "of Sentinels ends in the name of the service"),
        ("redis+sentinel:///main", "must have a host"),
        ("redis+sentinel://a,,b/main", "must have a host"),
        ("unix://run/redis.sock", "of a Unix socket has three slashes: unix:///path/to.sock (run)"),
        ("unix://", "of a Unix socket has three slashes"),
        ("unix:redis.sock", "of a Unix socket has three slashes"),
        ("unix:///" + "a" * 107, "must have a path of at most 107 bytes to a Unix socket"),
        ("unix:///a%00b", "must have a path of at most 107 bytes to a Unix socket"),
        ("rediss://host?ca=/nowhere/ca.pem", "can't be used"),
        ("rediss://host?key=/nowhere/key.pem", "has a key without a cert"),
        (None, "must be a str, not NoneType"),
        (b"redis://host", "must be a str, not bytes"),
    ],
    ids=repr,
)
def test_a_bad_url_is_refused_in_a_sentence(url, why):
    with pytest.raises(ConfigError) as caught:
        parse_address(url)
    assert "the cluster's URL" in str(caught.value)
    assert why in str(caught.value)


# Passwords with reserved characters that somebody has forgotten to escape, and other accidents around a password.
SECRET = "s3cr3t"


@pytest.mark.parametrize(
    "url",
    [
        f"redis://me:{SECRET}@",
        f"redis://me:{SECRET}@ho st",
        f"redis://me:{SECRET}@host:port",
        f"redis://me:{SECRET}@host/name",
        f"redis://me:{SECRET}@host?app=a/b",
        f"redis://me:{SECRET}@host?database=x",
        f"redis://me:{SECRET}@host?unknown=1",
        f"redis://me:{SECRET}@host?user=me",
        f"redis://me:/{SECRET}@host",
        f"redis://me:#{SECRET}@host",
        f"redis://me:?{SECRET}@host",
        f"redis://me:{SECRET}/x@host",
        f"redis://me:{SECRET}#x@host",
        f"redis://me:{SECRET}?x@host",
        f"redis://me:{SECRET}?x=1@host",
        f"redis://me:[{SECRET}@host",
        f"redis://me:{SECRET}\u2100@host",
        f"redis://host?password=a&{SECRET}",
        f"redis://host?password=a&{SECRET}=1",
        f"redis://host?password=a#{SECRET}",
        f"redis://host?user=me&password={SECRET}&x=1",
        f"redis+sentinel://me:{SECRET}@host",
        f"redis+sentinel://host/main?sentinel_password=a&{SECRET}",
        f"unix://me:{SECRET}@run/r.sock",
        f"unix:///{'a' * 200}?password={SECRET}",
        f"{SECRET}@host",
        f"me:{SECRET}@host",
    ],
)
def test_a_password_is_in_no_refusal(url):
    with pytest.raises(ConfigError) as caught:
        parse_address(url)
    assert SECRET not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_a_password_is_in_no_representation():
    for url in (
        f"redis://me:{SECRET}@host",
        f"unix:///r.sock?password={SECRET}",
        f"redis+sentinel://me:{SECRET}@host/main?sentinel_password={SECRET}",
    ):
        address = parse_address(url)
        assert SECRET in (address.login.password or "")
        assert SECRET not in f"{address} {address!r}"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://me:pw@host", "redis://host:6379"),
        ("rediss://[::1]:7", "rediss://[::1]:7"),
        ("unix:///run/r.sock?database=3", "unix:///run/r.sock"),
        ("redis+sentinel://a,b:7/main", "redis+sentinel://a:26379,b:7/main"),
    ],
)
def test_an_address_is_shown_as_a_url(url, shown):
    assert str(parse_address(url)) == shown


@given(st.text(max_size=30), st.sampled_from(["", "redis://", "rediss://", "unix://", "redis+sentinel://a/b?"]))
def test_any_text_is_an_address_or_refused(text, scheme):
    try:
        assert isinstance(parse_address(scheme + text), Address)
    except ConfigError:
        pass


# Certificates


def test_files_of_certificates_are_loaded(tmp_path: Path):
    authority = trustme.CA()
    certificate = authority.issue_cert("me")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    certificate.private_key_and_cert_chain_pem.write_to_path(tmp_path / "both.pem")
    certificate.private_key_pem.write_to_path(tmp_path / "key.pem")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    address = parse_address(f"rediss://host?ca={tmp_path}/ca.pem&cert={tmp_path}/both.pem")
    assert address.tls is not None
    assert len(address.tls.get_ca_certs()) == 1
    parse_address(f"rediss://host?cert={tmp_path}/cert.pem&key={tmp_path}/key.pem")
    with pytest.raises(ConfigError, match="the certificates of the cluster's URL can't be used: "):
        parse_address(f"rediss://host?cert={tmp_path}/cert.pem&key={tmp_path}/ca.pem")


def test_an_encrypted_key_is_refused_instead_of_asked_about(tmp_path: Path):
    """OpenSSL would ask for the password at the terminal."""
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"pw"))
    (tmp_path / "key.pem").write_bytes(pem)
    trustme.CA().issue_cert("me").cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    with pytest.raises(ConfigError, match="the key of the cluster's URL must not be encrypted"):
        parse_address(f"rediss://host?cert={tmp_path}/cert.pem&key={tmp_path}/key.pem")
