"""Run a challenge: entries are trained by this program, and measured on data that nobody has.

Run it in the course folder::

    python challenge.py --new             # challenge/: settings, what students get; the key
    python challenge.py                   # train and measure what lies in challenge/entries/
    python challenge.py --student ada     # one student's entries
    python challenge.py --again           # also what did not change since it was measured

An entry is one file, ``challenge/entries/<student>/density.py`` or ``pictures.py`` (or a notebook).
The results are in ``challenge/leaderboard.md`` and ``.csv``, the points in ``grades.csv``.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from grading.challenge.run import begin, run
from grading.challenge.settings import ChallengeError
from grading.host import HostError
from grading.key import KeyFileError


def main(arguments: list[str] | None = None) -> int:
    """Run from the command line; return 0 where everything was measured or has its reason."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--course", type=Path, default=Path.cwd(), help="the course folder")
    parser.add_argument("--new", action="store_true", help="make the challenge's folder")
    parser.add_argument("--student", help="this student's entries only")
    parser.add_argument("--again", action="store_true", help="also what was measured before")
    options = parser.parse_args(arguments)
    course = options.course.expanduser().resolve()
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr] - a name may be any text
    try:
        if options.new:
            folder = begin(course)
            print(f"{folder}: hand out handout/; keep {course / 'key'} to yourself")
            return 0
        rows = run(
            course,
            student=options.student,
            again=options.again,
            tell=lambda s: print(s, flush=True),
        )
    except (ChallengeError, HostError, KeyFileError) as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        said = f"{error.filename}: {error.strerror}" if error.filename else error
        print(f"stopped: {said}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; what was measured stays. To go on: python challenge.py")
        return 130
    print(f"{len(rows)} results: {course / 'challenge' / 'leaderboard.md'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
