"""Keep a process from the files, the network and the processes of the machine that it runs on.

On Linux the kernel does it: Landlock for files, namespaces for network and processes. Other systems
have resource limits at most; what could not be done is said, and grading goes on.
"""

from __future__ import annotations

import ctypes
import os
import socket
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

# Numbers of Linux; those of Landlock's calls are the same on every processor.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_PATH_BENEATH = 1
_ASK_VERSION = 1
_NO_NEW_PRIVILEGES, _SUBREAPER = 38, 36
_NEW_USER, _NEW_PROCESSES, _NEW_NETWORK = 0x10000000, 0x20000000, 0x40000000

# Rights to files: to execute, to write, to read, to list, and so on to what later versions added.
_EXECUTE, _WRITE, _READ, _LIST = 1, 2, 4, 8
_RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
_OF_A_FILE = _EXECUTE | _WRITE | _READ | 1 << 14  # what can be allowed of a file; 14: to cut it
_TCP = 3  # to listen and to connect
_SCOPES = 3  # no signals and no abstract sockets to processes outside

# What any program on Linux reads: libraries, time zone, names, the number of processors.
SYSTEM = (
    *("/usr", "/lib", "/lib32", "/lib64", "/bin", "/sbin", "/nix/store", "/gnu/store"),
    *("/etc/ld.so.cache", "/etc/localtime", "/etc/fonts", "/etc/passwd", "/etc/group"),
    *("/etc/nsswitch.conf", "/etc/mime.types", "/etc/alternatives", "/dev/urandom", "/dev/random"),
    *("/dev/zero", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/self"),
    "/sys/devices/system",
)
_HARMLESS = "/dev/null"

FILES, NETWORK, PROCESSES = "files", "network", "processes"
_WORDS = {
    FILES: "read and change your files",
    NETWORK: "reach the network",
    PROCESSES: "end your processes",
}


def sentence(missing: Iterable[str]) -> str:
    """Return in one sentence what submissions are not kept from, or nothing."""
    words = [_WORDS[name] for name in _WORDS if name in set(missing)]
    if not words:
        return ""
    listed = " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
    return (
        f"On this system a submission's code can {listed}: grade in the container "
        "(see the Dockerfile) what you would not run yourself."
    )


def limit(memory: int, files: int) -> None:
    """Limit what this process may use beyond what it has, as far as the system can."""
    try:
        import resource
    except ImportError:  # Windows
        return
    limits = {resource.RLIMIT_CORE: 0, resource.RLIMIT_FSIZE: files, resource.RLIMIT_NOFILE: 1024}
    with suppress(OSError):  # elsewhere than on Linux the grader alone watches the memory
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limits[resource.RLIMIT_AS] = pages * resource.getpagesize() + memory
    for which, most in limits.items():
        _, hard = resource.getrlimit(which)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(which, (most, most))


def close(readable: Iterable[Path | str], writable: Path) -> list[str]:
    """Close this process off from all but these files, and return what could not be done.

    Where it can, it goes on in a new process, which the calling one waits for.
    """
    missing = separate()
    version = close_off(readable, writable)
    if version >= 6 and PROCESSES in missing:
        missing.remove(PROCESSES)  # it can send no signals, and what it leaves the grader ends
    return missing if version else [FILES, *missing]


def adopt_orphans() -> None:
    """Become the parent of what descendants leave behind, so that it can be found and ended."""
    if sys.platform == "linux":
        _libc().prctl(_SUBREAPER, 1, 0, 0, 0)


def separate() -> list[str]:
    """Go on in a process that sees no network and no other processes; return what failed.

    The calling process waits for that one and ends as it ends. When it ends, the kernel ends all
    that it started.
    """
    if sys.platform != "linux":
        return [NETWORK, PROCESSES]
    user, group = os.getuid(), os.getgid()
    if _libc().unshare(_NEW_USER | _NEW_NETWORK | _NEW_PROCESSES) != 0:
        connected = any(name != "lo" for _, name in socket.if_nameindex())
        return [NETWORK, PROCESSES] if connected else [PROCESSES]
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{user} {user} 1"),
        ("gid_map", f"{group} {group} 1"),
    ):
        try:
            Path(f"/proc/self/{name}").write_text(text)
        except OSError:
            continue  # the user has no name then, which harms nothing
    inner = os.fork()
    if inner:
        _, status = os.waitpid(inner, 0)
        code = os.waitstatus_to_exitcode(status)
        os._exit(code if code >= 0 else 128 - code)
    return []


def close_off(readable: Iterable[Path | str], writable: Path) -> int:
    """Let this process and what it starts touch these files only.

    Returns:
        The version of Landlock; 0 where it could not be done.
    """
    if sys.platform != "linux":
        return 0
    libc = _libc()
    version = libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(_ASK_VERSION))
    if version < 1:
        return 0
    rights = _RIGHTS[max(known for known in _RIGHTS if known <= version)]
    # Rights to files, to the network, and scopes: each version of the kernel knows a longer struct.
    attributes = (ctypes.c_uint64 * 3)(rights, _TCP, _SCOPES)
    size = 8 if version < 4 else 16 if version < 6 else 24
    ruleset = libc.syscall(_CREATE_RULESET, attributes, ctypes.c_size_t(size), ctypes.c_uint32(0))
    if ruleset < 0:
        return 0
    reading = _EXECUTE | _READ | _LIST
    for path in (*SYSTEM, *readable):
        _allow(ruleset, path, reading & rights)
    _allow(ruleset, _HARMLESS, (_READ | _WRITE) & rights)
    _allow(ruleset, writable, rights)
    libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    restricted = libc.syscall(_RESTRICT_SELF, ruleset, ctypes.c_uint32(0))
    os.close(ruleset)
    return version if restricted == 0 else 0


class _Beneath(ctypes.Structure):
    """A rule: what may be done to a file, or to all that lies in a folder."""

    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("allowed", ctypes.c_uint64), ("folder", ctypes.c_int32))


def _allow(ruleset: int, path: Path | str, rights: int) -> None:
    """Add a rule for a path, if there is such a path."""
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    if not Path(path).is_dir():
        rights &= _OF_A_FILE
    rule = _Beneath(rights, place)
    _libc().syscall(_ADD_RULE, ruleset, _PATH_BENEATH, ctypes.byref(rule), ctypes.c_uint32(0))
    os.close(place)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
