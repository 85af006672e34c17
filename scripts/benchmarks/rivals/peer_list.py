"""An HTTP tracker that tells everyone of the same peers, for programs that find peers only so."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@contextlib.contextmanager
def peer_list(peers: list[tuple[str, int]]) -> Iterator[str]:
    """Serve the list on loopback; the address to announce to."""
    packed = b"".join(socket.inet_aton(host) + port.to_bytes(2) for host, port in peers)
    answer = b"d8:intervali1800e12:min intervali5e5:peers%d:%se" % (len(packed), packed)

    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/announce"
    finally:
        server.shutdown()
        server.server_close()
