"""Serve the built course on this machine, and only to it.

    python3 -m tools.serve FOLDER --port 8000
    python3 -m tools.serve --check --port 8000

With ``--check`` nothing is served: it says, before a long build, whether the port can be had.
"""

import argparse
import functools
import sys
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

HOST = "127.0.0.1"


def open_server(folder: Path, port: str) -> ThreadingHTTPServer:
    """Return a server of a folder; port 0 takes a free one.

    Raises:
        ValueError: If the port is no port, is taken or may not be used; the message says so.
    """
    if not (port.isascii() and port.isdigit() and int(port) < 65536):
        raise ValueError(f"PORT={port}: expected a number from 0 to 65535, such as 8000")
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(folder))
    try:
        return ThreadingHTTPServer((HOST, int(port)), handler)
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
