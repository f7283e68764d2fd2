"""Which values a setting may take, told before anything is loaded, trained or written.

A value must be of the kind of the one that is registered. What else a setting asks for stands
under its name in `RULES`: a share is below 1, a kernel has an odd size.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

LARGEST = 10**9
"""No setting is larger: a slip of the finger would train for years, or ask for all memory."""
MOST_NAMES = 30
"""A message lists no more."""
STAND_IN = "stand-in"
"""What ``data`` is in a trial."""


class SettingError(ValueError):
    """A setting or an option that cannot be; the message names it."""


@contextmanager
def as_settings(what: str = "") -> Iterator[None]:
    """Let the complaints of what is inside be those about settings."""
    try:
        yield
    except SettingError:
        raise
    except (ValueError, TypeError, RuntimeError, MemoryError) as error:
        reason = " ".join(str(error).partition("\n")[0].split()) or type(error).__name__
        raise SettingError(what + reason) from error


class Rule(NamedTuple):
    """What is expected in words, whether a value is that, and whether null turns it off."""

    wanted: str
    fits: Callable[[Any], bool]
    off: bool = False


def whole(least: int = 1, *, off: bool = False) -> Rule:
    """Expect a whole number of at least ``least``."""

    def fits(value: Any) -> bool:
        return type(value) is int and least <= value <= LARGEST

    return Rule(f"a whole number from {least} to 10**9", fits, off)


def number(least: float = 0.0, *, more: bool = False, off: bool = False) -> Rule:
    """Expect a number of at least ``least``, or of ``more`` than that."""

    def fits(value: Any) -> bool:
        wide = type(value) in (int, float) and least <= value <= LARGEST  # NaN is not
        return wide and not (more and value == least)

    return Rule(f"a number {'above' if more else 'from'} {least:g} to 10**9", fits, off)


def share(*, off: bool = False) -> Rule:
    """Expect a share of at least 0 and below 1."""
    fits = number().fits
    return Rule("a number from 0 to below 1", lambda value: fits(value) and value < 1, off)


def _is_seed(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**32


def _is_odd_kernel(value: Any) -> bool:
    return type(value) is int and value % 2 == 1 and 3 <= value <= 99


SEED = Rule("a whole number from 0 to 2**32 - 1", _is_seed)

RULES: Mapping[str, Rule] = {
    "average": share(off=True),
    "clip": number(more=True, off=True),
    "dropout": share(),
    "final_lr": number(),
    "kernel_size": Rule("an odd whole number from 3 to 99", _is_odd_kernel),
    "last_pixel": number(more=True),
    "lr": number(more=True),
    "*_lr": number(more=True),
    "patience": whole(off=True),
    "*seed": SEED,
    "test_patches": whole(2),  # a standard error needs two
}
"""By name, where ``*`` stands for anything; the first that fits."""


def _of_kind(name: str, usual: Any) -> Rule:
    """Return what is expected in the place of a value that is registered."""
    found = next((rule for key, rule in RULES.items() if fnmatchcase(name, key)), None)
    if found is not None:
        return found
    if isinstance(usual, bool):
        return Rule("true or false", lambda value: type(value) is bool)
    if isinstance(usual, int):
        return whole(0 if usual == 0 else 1)
    if isinstance(usual, float):
        return number()
    if isinstance(usual, str):
        # Text says what the experiment is: with another, its record would say something false.
        known = [usual, STAND_IN] if name == "data" else [usual]
        return Rule(" or ".join(map(json.dumps, dict.fromkeys(known))), known.__contains__)
    if isinstance(usual, list) and usual:
        entry, fixed = _of_kind("", usual[0]), len(usual) if name == "shape" else None
        return Rule(
            f"a list of {fixed or 'one or more'} entries, each {entry.wanted}",
            lambda value: (
                isinstance(value, list)
                and len(value) > 0
                and fixed in (None, len(value))
                and all(map(entry.fits, value))
            ),
        )
    return Rule(f"what is registered, {_shown(usual)}", lambda value: value == usual)


def check_setting(name: str, value: Any, usual: Any) -> Any:
    """Return a setting as JSON has it, if it can take the place of the usual one."""
    usual, plain = _plain(usual), _plain(value)
    rule = _seeds(usual) if name == "seeds" else _of_kind(name, usual)
    if not (rule.fits(plain) or (rule.off and plain is None)):
        also = ", or null" if rule.off else ""
        raise SettingError(f"{name}: expected {rule.wanted}{also}, got {_shown(value)}")
    return plain


def _plain(value: Any) -> Any:
    """Return what JSON makes of a value, of arrays, too; ... of what it does not know."""
    try:
        return json.loads(json.dumps(value, default=lambda x: x.tolist()))
    except (AttributeError, ValueError, TypeError, RecursionError):
        return ...


def _seeds(usual: list[int]) -> Rule:
    if not usual:
        return Rule("[], for no seed is used", lambda value: value == [])
    return Rule(
        f"a list of different seeds, such as {usual}, each {SEED.wanted}",
        lambda value: (
            isinstance(value, list)
            and len(value) > 0
            and all(map(SEED.fits, value))
            and len(set(value)) == len(value)
        ),
    )


def check_settings(
    name: str, plain: Mapping[str, Any], usual: Mapping[str, Any], changes: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the plain settings of an experiment, some of them changed, like the usual ones."""
    for key in sorted(map(str, changes.keys() - plain.keys())):
        raise SettingError(f"{key}: no setting of {name}; {suggestion(key, plain)}")
    return {
        key: check_setting(key, changes.get(key, was), usual.get(key, was))
        for key, was in plain.items()
    }


def check_size(name: str, value: int, least: int, most: int, why: str) -> None:
    """Refuse a size that the data do not allow."""
    if not least <= value <= most:
        raise SettingError(f"{name}: expected {least} to {most}, {why}, got {value}")


def is_trial(changes: Mapping[str, Any]) -> bool:
    """Return whether the changes alone make a run a trial."""
    return changes.get("data") == STAND_IN


def suggestion(name: str, known: Iterable[str]) -> str:
    """Say which name may have been meant, or which there are."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    if close:
        return f"did you mean {' or '.join(close)}?"
    more = [f"and {len(known) - MOST_NAMES} more"] if len(known) > MOST_NAMES else []
    return f"there are {', '.join([*known[:MOST_NAMES], *more])}"


def _shown(value: Any) -> str:
    """Write a value as one does on the command line, in short."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (ValueError, TypeError):
        text = repr(value)
    text = " ".join(text.split())
    return text if len(text) <= 60 else f"{text[:57]}..."
