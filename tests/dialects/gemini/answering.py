"""A provider that says one thing, on a real socket, for the official SDK to make sense of."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from google import genai
from google.genai import types

from gateway.dialects.codec import Reply


@contextmanager
def answering(reply: Reply) -> Iterator[str]:
    """The base URL of a server which gives `reply` to every request."""

    class Speaker(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("content-length") or 0))
            self.do_GET()

        def do_GET(self) -> None:
            self.send_response(reply.status)
            for name, value in reply.headers:
                self.send_header(name.decode(), value.decode())
            self.send_header("content-length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)

        def log_message(self, format: str, *args: object) -> None:
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Speaker) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def client(reply: Reply) -> Iterator[genai.Client]:
    """The official SDK, talking to that server."""
    with answering(reply) as base_url:
        options = types.HttpOptions(base_url=base_url)
        with genai.Client(api_key="made-up", http_options=options) as found:
            yield found
