# Which proxy, if any, stands between this client and an origin.
#
# Knows: proxy URLs and the environment's conventions. Must not know: how a proxy is spoken to.
# No text shows credentials.

from __future__ import annotations

import urllib.request
from typing import Any
from urllib.parse import unquote, urlsplit

from .._errors import ConfigError


def check_proxy(url: str, name: str = "proxy") -> str:
    """`url` if it is one of an HTTP proxy. Raises ConfigError, TypeError."""
    if not isinstance(url, str):
        raise TypeError(f"{name} must be a str or None, not {type(url).__name__}")
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and url.isascii() and url.isprintable()
        good = good and " " not in url and parts.port != 0
    except ValueError:
        good = False
    if not good:
        raise ConfigError(f"{name} must be an http:// or https:// URL with a host")
    return url


def proxy_of_environment(origin: str) -> str | None:
    """The proxy that HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY name for an origin (``https://host:port``)."""
    parts = urlsplit(origin)
    proxies = urllib.request.getproxies_environment()
    url = proxies.get(parts.scheme) or proxies.get("all")
    if not url or urllib.request.proxy_bypass_environment(parts.netloc, proxies):  # type: ignore[attr-defined]
        return None
    variable = f"{parts.scheme}_proxy".upper() if proxies.get(parts.scheme) else "ALL_PROXY"
    return check_proxy(url if "://" in url else "http://" + url, variable)


def make_proxy(http: Any, url: str, ssl_context: Any) -> Any:
    """The HTTP module's description of the proxy, its credentials taken out of the URL."""
    parts = urlsplit(url)
    auth = None
    if parts.username is not None:
        auth = (unquote(parts.username).encode(), unquote(parts.password or "").encode())
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    port = f":{parts.port}" if parts.port is not None else ""
    secure = ssl_context if parts.scheme == "https" else None
    return http.Proxy(f"{parts.scheme}://{host}{port}", auth=auth, ssl_context=secure)
