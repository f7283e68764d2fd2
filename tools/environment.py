"""Set up what the commands need, once: a virtual environment that holds the pinned packages.

    python3 -m tools.environment .venv [--torch-index ADDRESS]

make runs it before every other command; where nothing has changed, it does nothing. Stopped at
any moment, it mends at the next call what it had left half done. It runs before anything is
installed and under whatever Python there is, if only to refuse it: hence the standard library
alone, and its plain syntax.
"""

import argparse
import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import sys
import typing
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EXTRAS = ".[book,homework,test]"
# The newest Python for which every pin has a wheel (see constraints.txt).
NEWEST = (3, 14)


class SetupError(RuntimeError):
    """The environment could not be set up; the message says what to do."""


def oldest(root: Path = ROOT) -> tuple:
    """Return the oldest Python that the project takes, such as (3, 11)."""
    found = re.search(
        r'^requires-python = ">=(\d+)\.(\d+)"', (root / "pyproject.toml").read_text("utf-8"), re.M
    )
    if found is None:
        raise SetupError('pyproject.toml: there is no line requires-python = ">=X.Y"')
    return int(found[1]), int(found[2])


def dotted(version: tuple) -> str:
    """Return (3, 11) as 3.11."""
    return ".".join(map(str, version))


def half_installed(folder: Path) -> list:
    """Return the records of packages whose installation was stopped before its end.

    pip takes a package for installed as soon as its .dist-info is there, and writes INSTALLER into
    it when all files and programs of the package are in place.
    """
    half: set = set()
    for site in folder.glob("lib/python*/site-packages"):
        half.update(site.glob("~*"))  # what pip had set aside
        half.update(p for p in site.glob("*.dist-info") if not (p / "INSTALLER").is_file())
    return sorted(half)


def version_inside(folder: Path) -> tuple:
    """Return the version of the folder's Python, or () if it does not start."""
    command = [str(folder / "bin" / "python"), "-c", "import sys; print(*sys.version_info[:2])"]
    try:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return ()
    return tuple(map(int, done.stdout.split()))


def make_environment(folder: Path) -> None:
    """Make the virtual environment, or make it anew if it is half made, broken or was moved."""
    ours = (folder / "pyvenv.cfg").is_file()
    works = version_inside(folder)
    # `activate` is what venv writes last; an environment of conda has neither it nor a pyvenv.cfg.
    if works and not moved(folder) and (not ours or (folder / "bin" / "activate").is_file()):
        if works < oldest():
            raise SetupError(
                f"{folder} holds Python {dotted(works)}, and {dotted(oldest())} or newer is "
                "needed: remove that folder, or name another: make VENV=FOLDER"
            )
        return
    if folder.is_dir() and not ours and any(path.is_file() for path in folder.rglob("*")):
        raise SetupError(
            f"{folder} is no virtual environment and holds files: move it away, "
            "or name another folder: make VENV=FOLDER"
        )
    if sys.version_info < oldest():
        raise SetupError(
            f"Python {dotted(oldest())} or newer is needed, and {sys.executable} is "
            f"{dotted(sys.version_info[:2])}; name another: make PYTHON=python3.12"
        )
    run([sys.executable, "-m", "venv", *(["--clear"] if ours else []), str(folder)])


def moved(folder: Path) -> bool:
    """Say whether the environment was set up elsewhere: its programs name the place they are at."""
    lines = stamp(folder)
    return len(lines) > 1 and lines[1] != os.path.realpath(str(folder))


def install(folder: Path, torch_index: str) -> None:
    """Install the pinned packages and, in place, the project."""
    python = str(folder / "bin" / "python")
    for path in half_installed(folder):
        if path.is_dir():
            shutil.rmtree(str(path))
        else:
            path.unlink()
    if not any(folder.glob("lib/python*/site-packages/pip-*.dist-info")):
        run([python, "-m", "ensurepip", "--default-pip"])
    pip = [python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    if torch_index:
        pins = (ROOT / "constraints.txt").read_text("utf-8").split()
        torch = next(pin for pin in pins if pin.startswith("torch=="))
        run([*pip, "--index-url", torch_index, torch])
    run([*pip, "-c", "constraints.txt", "-e", EXTRAS])


def run(command: list) -> None:
    """Run a command in the project's folder, whatever pip is set to do by the user."""
    environment = {**os.environ, "PIP_USER": "0"}
    done = subprocess.run(command, cwd=str(ROOT), env=environment)
    if done.returncode:
        newer = ""
        if sys.version_info[:2] > NEWEST:
            newer = (
                f"; perhaps because Python {dotted(sys.version_info[:2])} is newer than the pinned "
                f"packages: make PYTHON=python{dotted(NEWEST)}"
            )
        raise SetupError(
            f"could not set up the environment (see above){newer}. Run the same command again: "
            "it goes on where it stopped"
        )


def state() -> str:
    """Return a checksum of what decides on the environment: the project's place and its needs."""
    parts = [str(ROOT).encode("utf-8", "surrogateescape")]
    parts += [(ROOT / name).read_bytes() for name in ("pyproject.toml", "constraints.txt")]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def stamp(folder: Path) -> list:
    """Return what the last complete set-up has left: the state and the place of the environment."""
    path = folder / ".installed"
    return path.read_text("utf-8", "surrogateescape").splitlines() if path.is_file() else []


def set_up(folder: Path, torch_index: str = "") -> None:
    """Bring the environment to what the project asks for."""
    wanted = [state(), os.path.realpath(str(folder))]
    if stamp(folder) == wanted and version_inside(folder):
        return
    with one_at_a_time():
        if stamp(folder) == wanted and version_inside(folder):
            return
        make_environment(folder)
        print(f"Setting up {folder}: some minutes when much is to be downloaded", flush=True)
        install(folder, torch_index)
        part = folder / ".installed.part"
        part.write_text("\n".join(wanted) + "\n", "utf-8", "surrogateescape")
        part.replace(folder / ".installed")


@contextlib.contextmanager
def one_at_a_time() -> typing.Iterator[None]:
    """Let a second make wait for the first; the system drops the lock when its holder ends."""
    import fcntl

    handle = os.open(str(ROOT), os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # some network folders know no locks
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="Set up the virtual environment of the commands.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--torch-index", default="", help="where torch alone is taken from")
    options = parser.parse_args()
    try:
        set_up(options.folder, options.torch_index)
    except (SetupError, OSError) as error:
        print(f"make: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
