"""What of a platform's text may stand in a message or a log: one short line, without secrets and signed queries.

A platform quotes what it was sent, in whatever form it has it by then; so every form is looked for.
"""

from __future__ import annotations

import html
import json
import re
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

if TYPE_CHECKING:
    from collections.abc import Iterable

_QUOTE_CHARACTERS = 300
_LOOKED_AT_CHARACTERS = 5000

_QUERY = re.compile(
    r"""(https?(?::|%3A)(?:\\?/|%2F){2}[^\s?#"'<>/%\\]*)"""
    r"""[^\s?#"'<>]*?(?:[?#]|%3F|%23)[^\s"'<>]+""",
    re.IGNORECASE,
)
"""An address with a query, of which only the host is kept: as it is, in JSON (``\\/``), or as part of another address
(``%2F``)."""
_SIGNATURE = re.compile(r"""\b((?:x-amz-[a-z-]+|x-goog-[a-z-]+|signature|sig)(?:=|%3D))[^\s&"'<>]+""", re.IGNORECASE)
"""A piece of a signed query without its address."""


def redact(text: str, secrets: Iterable[str]) -> str:
    """Return a text as one line of at most 300 characters, without secrets and without the queries of addresses."""
    forms = {form for secret in secrets if secret for form in _forms(secret)}
    if forms:
        # The longest first: one secret can be the beginning of another one.
        longest_first = sorted(forms, key=len, reverse=True)
        text = re.sub("|".join(map(re.escape, longest_first)), "***", text, flags=re.IGNORECASE)
    text = " ".join(text.split())[:_LOOKED_AT_CHARACTERS]
    text = _SIGNATURE.sub(r"\1***", _QUERY.sub(r"\1/***", text))
    return text if len(text) <= _QUOTE_CHARACTERS else text[:_QUOTE_CHARACTERS] + "…"


def _forms(secret: str) -> set[str]:
    """Return the forms in which a platform that quotes our request would have a secret."""
    as_json = {json.dumps(secret, ensure_ascii=ascii_only)[1:-1] for ascii_only in (True, False)}
    return {
        secret,
        quote_plus(secret),
        quote(secret, safe=""),
        quote(secret),
        html.escape(secret),
        *as_json,
        *(form.replace("/", "\\/") for form in as_json),
    }
