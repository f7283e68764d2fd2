"""``python -m gdmlib.reproduce``."""

import sys

from gdmlib.reproduce.cli import main

sys.exit(main())
