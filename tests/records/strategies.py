"""Hypothesis strategies for records, valid and invalid ones."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import strategies as st

from tests.records.exports import FIELDS

_awkward = st.sampled_from(
    [
        "}",
        "{",
        "]",
        "[",
        '"',
        "\\",
        '"}',
        "},{",
        '{"id": "x"}',
        "\\u007d",
        ",",
        "\n",
        "\r\n",
        "\t",
        "\x00",
        "\x7f",
        "ü",
        "日本",
        "😀",
        "\u2028",
        "\ufeff",
        "",
    ]
)
any_text = st.lists(_awkward | st.text(max_size=5), max_size=4).map("".join)
any_number = st.one_of(
    st.sampled_from([0, -0.0, 2**63, -(2**63) - 1, 2**64, 10**39 + 1, 5e-324, 1.7976931348623157e308, 0.1]),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
)
any_json = st.recursive(
    st.none() | st.booleans() | any_number | any_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(any_text, inner, max_size=3),
    max_leaves=6,
)
dates = st.sampled_from(
    [
        "2024-01-01T00:00:00.000Z",
        "2024-02-29T23:59:59Z",
        "2024-01-01T00:00:00+02:00",
        "2024-01-01T00:00:00.123456-11:30",
        "9999-12-31T23:59:59.999Z",
        "0001-01-01T00:00:00Z",
        "2024-01-01 00:00:00",
        "2024-01-01T00:00:00.5",
        "2024-01-01 00:00:00+02:00",
        "2024-01-01",
    ]
)
not_dates = st.sampled_from(["", "today", "2023-02-29T00:00:00Z", "1/1/2024", "2024-01-01T00:00:61Z", "}"])
ids = st.integers(0, 9).map("id-{}".format) | any_text.filter(bool)

valid_records = st.fixed_dictionaries(
    {
        "id": ids,
        "type": any_text,
        "dateFrom": dates,
        "dateTo": dates,
        "botId": any_text,
        "agentId": any_text,
        "duration": any_number,
    }
)
extra_fields = st.dictionaries(any_text.filter(lambda name: name not in FIELDS), any_json, max_size=2)
invalid_fields = st.dictionaries(
    st.sampled_from(FIELDS),
    st.just(...) | any_json | not_dates | st.sampled_from([math.nan, math.inf, "\ud800", "\udc00x"]),
    max_size=2,
)


@st.composite
def any_records(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a record with or without invalid fields (two at most) and unknown fields."""
    fields = draw(valid_records) | draw(st.just({}) | extra_fields) | draw(st.just({}) | invalid_fields)
    return {name: value for name, value in fields.items() if value is not ...}
