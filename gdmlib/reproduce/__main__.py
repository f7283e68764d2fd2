"""``python -m gdmlib.reproduce``."""

from gdmlib._command import leave
from gdmlib.reproduce.cli import main

leave(main)
