"""Reproducible choices for the cells of Data Extraction rows, and the texts to choose from."""

from __future__ import annotations

import hashlib
from datetime import timedelta

from tap_cxone.sandbox.events import FIRST_DAY

Row = dict[str, str]
"""The cells of a row by column."""
AGENTS = (
    *("Ada Quist", "Björn Åkesson", "Chloë O'Neill", "Dana Petrov", "Émile Roux", "Farid Haddad", "Grace Lim"),
    *("Hana Sato", "Ines Müller", "João Prado", "Kwame Boateng", "Łucja Nowak", 'Max "Mo" Stern', "Nora, Team Lead"),
)
TEAMS = ("Billing", "Orders & Returns", "Retention", "Support, Tier 2", "Zürich")
TEXTS = (
    "Caller asked for a copy of the invoice.",
    "Called twice, no answer.\nLeft a message.",
    'Said: "I will call back on Monday", then hung up.',
    "First line,\r\nsecond line,\r\n\r\nfourth line",
    "Grüße aus Köln: zufrieden, 5 € gutgeschrieben",
    '"quoted","like",\n"a row","of a file"',
    "お客様は満足しています 🙂",
    "  spaces on both ends  ",
)
YES_NO = ("Yes", "No")


class RowSeed:
    """The input for one row: its time, its number within the day, and reproducible choices."""

    def __init__(self, entity: str, day: int, number: int, milliseconds: int) -> None:
        """Create a seed. `day` and `milliseconds` count from 2024-01-01T00:00Z, `number` from the start of the day."""
        digest = hashlib.blake2b(b"%s %d %d" % (entity.encode(), day, number), digest_size=32).hexdigest()
        self.day = day
        self.number = number
        self.milliseconds = milliseconds
        self.guid = f"{digest[:8]}-{digest[8:12]}-4{digest[12:15]}-a{digest[15:18]}-{digest[18:30]}"
        self._entropy = int(digest[30:], 16)
        self._refills = 0

    def next_below(self, limit: int) -> int:
        """Return the next choice: a number from 0 to `limit` - 1."""
        if self._entropy < limit:
            self._refills += 1
            digest = hashlib.blake2b(b"%s %d" % (self.guid.encode(), self._refills), digest_size=32).digest()
            self._entropy = int.from_bytes(digest)
        self._entropy, choice = divmod(self._entropy, limit)
        return choice

    def choose(self, texts: tuple[str, ...], empty: int = 0) -> str:
        """Return one of the texts; in `empty` percent of the rows, an empty cell."""
        return self.maybe_empty(texts[self.next_below(len(texts))], empty)

    def maybe_empty(self, text: str, empty: int) -> str:
        """Return the text; in `empty` percent of the rows, an empty cell."""
        return "" if self.next_below(100) < empty else text


def iso(milliseconds: int) -> str:
    """Format milliseconds since 2024-01-01 as `YYYY-MM-DDTHH:MM:SS.mmmZ`."""
    moment = FIRST_DAY + timedelta(milliseconds=milliseconds)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}Z"
