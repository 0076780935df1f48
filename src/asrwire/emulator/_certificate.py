# A certificate for one run: the authority, the server's context, a client's context that trusts it.
#
# Knows: trustme, which only `tls=True` needs. Must not know: who serves, and whom.

from __future__ import annotations

import ssl

from .._errors import ConfigError


def certify(host: str) -> tuple[bytes, ssl.SSLContext, ssl.SSLContext]:
    """The authority (PEM), a server's context for `host` and localhost, and one for its clients.

    Raises:
        ConfigError: trustme is not installed.
    """
    try:
        import trustme
    except ImportError:
        raise ConfigError('tls=True needs trustme: pip install "asrwire[tls-emulator]"') from None
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.set_alpn_protocols(["http/1.1"])
    authority.issue_cert(*dict.fromkeys([host, "localhost"])).configure_cert(server)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(client)
    return authority.cert_pem.bytes(), server, client
