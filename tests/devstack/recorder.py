"""A program that takes the place of PostgREST in a test, run as a script.

It writes its settings to ``settings.json`` in its working directory, is ready when it is asked for the third
time, and answers each request with what it received. ``/gone`` is answered with 404 and a header.
"""

import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from threading import Thread

_asked = count(1)


class Ready(BaseHTTPRequestHandler):
    """The admin server."""

    def do_GET(self) -> None:
        """Answer ``/ready``."""
        self.send_response(200 if self.path == "/ready" and next(_asked) > 2 else 503)
        self.end_headers()


class Echo(BaseHTTPRequestHandler):
    """The API."""

    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        """Answer with what was received."""
        received = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
        headers = {name.lower(): self.headers.get_all(name) for name in self.headers}
        parts = {"method": self.command, "path": self.path, "headers": headers, "body": received}
        body = json.dumps(parts).encode()
        self.send_response(404 if self.path == "/gone" else 200)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Range", "0-0/7")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


for method in ("GET", "HEAD", "POST", "PATCH"):
    setattr(Echo, f"do_{method}", Echo.answer)

if __name__ == "__main__":
    settings = {name: value for name, value in os.environ.items() if name.startswith("PGRST_")}
    Path("settings.json").write_text(json.dumps(settings), encoding="utf-8")
    host = settings["PGRST_SERVER_HOST"]
    admin = ThreadingHTTPServer((host, int(settings["PGRST_ADMIN_SERVER_PORT"])), Ready)
    Thread(target=admin.serve_forever, daemon=True).start()
    ThreadingHTTPServer((host, int(settings["PGRST_SERVER_PORT"])), Echo).serve_forever()
