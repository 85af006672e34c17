"""curl taking a file from nginx over TLS 1.3: encrypted like Twofold, but not verified."""

import os
import subprocess
from pathlib import Path

from benchmarks.footprint import Account, transfer_figures
from benchmarks.needs import program
from benchmarks.places import ON_LOOPBACK, Ends, free_port, wait_for_port
from benchmarks.programs import Program
from benchmarks.rounds import Figures
from benchmarks.samples import check_same, remove, sync_seconds

NEEDS = ("nginx", "curl", "openssl")

_CONFIGURATION = """
daemon off; worker_processes 2; {user}
pid {folder}/nginx.pid; error_log {folder}/nginx.errors;
events {{ worker_connections 256; }}
http {{
    access_log off; sendfile on; tcp_nopush on;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen {address}:{port} ssl; root {root};
        ssl_certificate {folder}/certificate; ssl_certificate_key {folder}/key;
        ssl_protocols TLSv1.3; ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;
    }}
}}
"""


def transfer(source: Path, folder: Path, ends: Ends = ON_LOOPBACK) -> Figures:
    """From the start of curl to its end."""
    folder.mkdir(parents=True, exist_ok=True)
    place, port, target = ends.sender, free_port(ends.sender), folder / "taken"
    _make_certificate(folder, place.address)
    configuration = folder / "nginx.conf"
    user = "user root;" if os.geteuid() == 0 else ""
    configuration.write_text(
        _CONFIGURATION.format(
            folder=folder, address=place.address, port=port, root=source.parent, user=user
        )
    )
    errors = str(folder / "nginx.errors")
    serve = [program("nginx"), "-c", str(configuration), "-e", errors]
    with Program(serve, folder, place) as server:
        wait_for_port(place, port)
        sender = Account(server.process.pid)
        url = f"https://{place.address}:{port}/{source.name}"
        options = ["-sSf", "--noproxy", "*", "--cacert", str(folder / "certificate")]
        command = [program("curl"), *options, "-o", str(target), url]
        with Program(command, folder, ends.taker) as client:
            seconds = client.finish()
            sender.note()
    durable = seconds + sync_seconds(target)
    check_same(source, target)
    remove(target)
    figures = transfer_figures(source.stat().st_size, seconds, sender, client.account)
    return figures | {"durable_seconds": durable}


def _make_certificate(folder: Path, address: str) -> None:
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    out = ["-keyout", str(folder / "key"), "-out", str(folder / "certificate")]
    names = ["-subj", "/CN=bench", "-addext", f"subjectAltName=IP:{address}"]
    command = [program("openssl"), "req", "-x509", *curve, *out, *names]
    subprocess.run(command, check=True, capture_output=True)
