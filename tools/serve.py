"""Serve the built course on this machine, and only to it.

    python3 -m tools.serve FOLDER --port 8000
    python3 -m tools.serve --check --port 8000

Text is sent compressed, and an unknown address gets the book's page 404.html, as GitHub Pages does
both. With ``--check`` nothing is served: it says, before a long build, whether the port can be had.
"""

import argparse
import functools
import gzip
import io
import sys
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import BinaryIO

HOST = "127.0.0.1"
TEXT = ("text/", "application/javascript", "application/json", "image/svg+xml")
LEVEL = 6  # of gzip: the usual one


class Handler(SimpleHTTPRequestHandler):
    """Serves files, compressed where that helps, and the book's own page for what is not there."""

    def send_head(self) -> io.BytesIO | BinaryIO | None:
        """Send the head of an answer and return its body."""
        path = Path(self.translate_path(self.path))
        kind = self.guess_type(str(path))
        asked = "gzip" in self.headers.get("Accept-Encoding", "")
        # A part of a file, or a file that the browser has, is left to the class above.
        plain = not asked or {"Range", "If-Modified-Since"} & {*self.headers}
        if plain or not kind.startswith(TEXT) or not path.is_file() or self.path.endswith("/"):
            return super().send_head()
        body = gzip.compress(path.read_bytes(), LEVEL)
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Vary", "Accept-Encoding")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Last-Modified", self.date_time_string(int(path.stat().st_mtime)))
        self.end_headers()
        return io.BytesIO(body)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer an unknown address with the book's own page, if it has one."""
        missing = Path(self.directory) / "404.html"
        if code != HTTPStatus.NOT_FOUND or not missing.is_file():
            super().send_error(code, message, explain)
            return
        body = missing.read_bytes()
        self.send_response(HTTPStatus.NOT_FOUND)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def open_server(
    folder: Path, port: str, handler: type[SimpleHTTPRequestHandler] = Handler
) -> ThreadingHTTPServer:
    """Return a server of a folder; port 0 takes a free one.

    Raises:
        ValueError: If the port is no port, is taken or may not be used; the message says so.
    """
    if not (port.isascii() and port.isdigit() and int(port) < 65536):
        raise ValueError(f"PORT={port}: expected a number from 0 to 65535, such as 8000")
    serve = functools.partial(handler, directory=str(folder))
    try:
        return ThreadingHTTPServer((HOST, int(port)), serve)
    except OSError as error:
        raise ValueError(
            f"port {port}: {error.strerror}; name another, or 0 for any that is free: "
            "make serve PORT=0"
        ) from None


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="Serve the built course on this machine.")
    parser.add_argument("folder", type=Path, nargs="?", default=Path())
    parser.add_argument("--port", default="8000")
    parser.add_argument("--check", action="store_true", help="only see whether the port is free")
    options = parser.parse_args()
    try:
        server = open_server(options.folder, options.port)
    except ValueError as error:
        print(f"make serve: {error}", file=sys.stderr)
        return 1
    with server:
        if not options.check:
            print(f"The course is at http://{HOST}:{server.server_port}; Ctrl-C stops", flush=True)
            try:
                server.serve_forever()
            except KeyboardInterrupt:
                print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
