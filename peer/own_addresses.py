"""The addresses under which other machines may reach a listening port of this one."""

import socket


def own_addresses(host: str, port: int) -> list[str]:
    """`host:port` itself, or for a wildcard host every address the routing table would use.

    Loopback only when there is nothing else: to another machine it is that machine itself.
    """
    if host not in ("", "*", "0.0.0.0", "::"):
        return [_join(host, port)]
    found = []
    for family, probe in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as sock:
                # Connecting a datagram socket sends nothing; it only asks for the route.
                sock.connect((probe, 9))
                found.append(_join(sock.getsockname()[0], port))
        except OSError:
            continue
    return list(dict.fromkeys(found)) or [_join("127.0.0.1", port)]


def _join(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
