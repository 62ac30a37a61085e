"""Text from the platform, made safe for errors and logs: one short line, without secrets and signed URLs.

A platform may quote a request in any encoding, so every encoded form of a secret is replaced.
"""

from __future__ import annotations

import html
import json
import re
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

if TYPE_CHECKING:
    from collections.abc import Iterable

PUBLIC_SECRET = "sandbox"  # noqa: S105
"""The client secret of the simulated platform: not a secret, but a word of its messages."""
_MAX_CHARACTERS = 300
_MAX_SEARCHED_CHARACTERS = 5000

_URL_WITH_QUERY = re.compile(
    r"""(https?(?::|%3A)(?:\\?/|%2F){2}[^\s?#"'<>/%\\]*)"""
    r"""[^\s?#"'<>]*?(?:[?#]|%3F|%23)[^\s"'<>]+""",
    re.IGNORECASE,
)
"""A URL with a query, of which only the host is kept: plain, escaped as in JSON (``\\/``), or percent-encoded within
another URL (``%2F``)."""
_SIGNATURE = re.compile(
    r"""\b((?:x-amz-[a-z-]+|x-goog-[a-z-]+|signature|sig|key-pair-id)["']?\s*(?:[=:]|%(?:25)*3D|\\u003D)\s*["']?)"""
    r"""[^\s&"'<>]+""",
    re.IGNORECASE,
)
"""A parameter of a signed query without its URL, however it is encoded."""


def redact(text: str, secrets: Iterable[str]) -> str:
    """Return the text as one line of at most 300 characters, without the secrets and without the queries of URLs."""
    forms = {form for secret in secrets if secret and secret != PUBLIC_SECRET for form in _forms(secret)}
    if forms:
        # Longest first: one secret can be the prefix of another.
        longest_first = sorted(forms, key=len, reverse=True)
        text = re.sub("|".join(map(re.escape, longest_first)), "***", text, flags=re.IGNORECASE)
    text = " ".join(text.split())[:_MAX_SEARCHED_CHARACTERS]
    text = _printable(_SIGNATURE.sub(r"\1***", _URL_WITH_QUERY.sub(r"\1/***", text)))
    return text if len(text) <= _MAX_CHARACTERS else text[:_MAX_CHARACTERS] + "…"


def _printable(text: str) -> str:
    """Escape control characters, with which a terminal can be misled, and lone surrogates, which cannot be written."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def _forms(secret: str) -> set[str]:
    """Return the encodings in which a platform that quotes our request could hold a secret."""
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
