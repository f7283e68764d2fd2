"""Sounds in a page: players that need nothing but the page."""

from __future__ import annotations

import base64
import html
from collections.abc import Mapping


class Players:
    """One player a sound, with its title; each sound is a WAV file inside the page.

    Args:
        sounds: From a title to the bytes of a WAV file.
    """

    def __init__(self, sounds: Mapping[str, bytes]) -> None:
        for title, data in sounds.items():
            if not isinstance(data, bytes) or data[:4] != b"RIFF":
                raise ValueError(f"sounds: {title!r} is no WAV file; use sound.wav()")
        if not sounds:
            raise ValueError("sounds: expected at least one, got none")
        self.sounds = dict(sounds)

    def _repr_html_(self) -> str:
        rows = []
        for title, data in self.sounds.items():
            code, name = base64.b64encode(data).decode("ascii"), html.escape(title, quote=True)
            rows.append(
                f'<div style="margin:.4em 0"><div>{name}</div>'
                f'<audio controls preload="metadata" aria-label="{name}" style="max-width:100%" '
                f'src="data:audio/wav;base64,{code}"></audio></div>'
            )
        return "".join(rows)

    def __repr__(self) -> str:
        return "Sounds: " + ", ".join(self.sounds)
