"""``python -m gdmlib.data``: print the catalogue, and where files are looked for."""

from __future__ import annotations

from gdmlib.data.files import CACHE_VARIABLE, DATA_VARIABLE, cache_folder, data_folder
from gdmlib.data.listing import catalogue


def main() -> None:
    """Print the catalogue."""
    print(catalogue())
    print(f"\n{DATA_VARIABLE}: {data_folder() or 'not set'}")
    print(f"{CACHE_VARIABLE}: {cache_folder()}")


if __name__ == "__main__":
    main()
