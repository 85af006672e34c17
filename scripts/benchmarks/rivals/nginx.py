"""nginx over plain HTTP, as the page speaks it: files sent by sendfile, and taken by PUT."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.footprint import Account
from benchmarks.needs import program
from benchmarks.places import Place, free_port, wait_for_port
from benchmarks.programs import Program

NEEDS = ("nginx",)
_PLACE = Place("127.0.0.1")

_CONFIGURATION = """
daemon off; worker_processes 1; {user}
pid {folder}/nginx.pid; error_log {folder}/nginx.errors;
events {{ worker_connections 256; }}
http {{
    access_log off; sendfile on; tcp_nopush on;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen {address}:{port}; root {folder}/served;
        client_max_body_size 0; client_body_buffer_size 1m; dav_methods PUT;
    }}
}}
"""


@dataclass(frozen=True)
class Nginx:
    """A running nginx that serves, and takes files into, the folder `served`."""

    host: str
    port: int
    served: Path
    pid: int

    def watch(self) -> Account:
        """What its processes use from now on."""
        return Account(self.pid)


@contextlib.contextmanager
def nginx(folder: Path) -> Iterator[Nginx]:
    """Start one with all its files in `folder`, and end it."""
    served = folder / "served"
    served.mkdir(parents=True)
    port = free_port(_PLACE)
    configuration = folder / "nginx.conf"
    user = "user root;" if os.geteuid() == 0 else ""
    configuration.write_text(
        _CONFIGURATION.format(folder=folder, address=_PLACE.address, port=port, user=user)
    )
    errors = str(folder / "nginx.errors")
    serve = [program("nginx"), "-c", str(configuration), "-e", errors]
    try:
        with Program(serve, folder) as server:
            wait_for_port(_PLACE, port)
            yield Nginx(_PLACE.address, port, served, server.process.pid)
    finally:
        shutil.rmtree(folder)
