"""Which URLs a tenant may have the gateway send to."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from onevault.policy.outbound import destination

HOSTILE = (
    "http://example.com/", "ftp://example.com/", "https:example.com", "https:///x", "//example.com/", "javascript:alert(1)",
    "https://user:pass@example.com/", "https://user@127.0.0.1/", "https://example.com@10.0.0.1/", "https://exa mple.com/",
    "https://example.com\\@10.0.0.1/", "https://example.com/#x", "https://example.com:0/", "https://example.com:99999/",
    "https://example.com:/", "https://example.com./", "https://localhost/", "https://LOCALHOST/", "https://a.localhost/",
    "https://intranet/", "https://metadata.google.internal/", "https://printer.local/", "https://exämple.com/",
    "https://①②⑦.0.0.1/", "https://127.0.0.1/", "https://127.1/", "https://2130706433/", "https://0x7f000001/",
    "https://0x7f.0.0.1/", "https://0177.0.0.1/", "https://127.0.0.01/", "https://127.0.0.1./", "https://0/", "https://0.0.0.0/",
    "https://10.1.2.3/", "https://100.64.0.1/", "https://169.254.169.254/", "https://172.31.0.1/", "https://192.0.0.8/",
    "https://192.168.1.1/", "https://192.88.99.1/", "https://198.18.0.1/", "https://203.0.113.9/", "https://224.0.0.1/",
    "https://255.255.255.255/", "https://[::]/", "https://[::1]/", "https://[::ffff:10.0.0.1]/", "https://[::ffff:8.8.8.8]/",
    "https://[::10.0.0.1]/", "https://[64:ff9b::a00:1]/", "https://[64:ff9b:1::1]/", "https://[100::1]/", "https://[2001::1]/",
    "https://[2001:db8::1]/", "https://[2002:a00:1::]/", "https://[fc00::1]/", "https://[fd00:ec2::254]/", "https://[fe80::1]/",
    "https://[fe80::1%25eth0]/", "https://[fec0::1]/", "https://[ff02::1]/", "https://[5f00::1]/", "https://[3fff::1]/",
    "https://[1::2/", "https://" + "a" * 64 + ".com/", "https://example.com/" + "a" * 2_048,
)  # fmt: skip


@pytest.mark.parametrize("url", HOSTILE)
def test_a_hostile_url_is_refused_with_a_reason(url: str) -> None:
    with pytest.raises(ValueError, match=r"^(must|is not)"):
        destination(url)


@pytest.mark.parametrize(
    ("url", "port"),
    [("https://example.com/hook?x=1", 443), ("https://8.8.8.8:8443/", 8443), ("https://[2606:4700::1]/", 443)],
)
def test_a_public_https_url_is_taken(url: str, port: int) -> None:
    assert destination(url).port == port


def test_http_is_for_loopback_that_the_operator_added() -> None:
    networks = (ip_network("127.0.0.0/8"), ip_network("10.0.0.0/8"))
    assert destination("http://127.0.0.1:9000/", networks).port == 9000
    assert destination("https://10.0.0.1/", networks).port == 443
    for url in ("http://10.0.0.1/", "http://example.com/"):
        with pytest.raises(ValueError, match="https"):
            destination(url, networks)
