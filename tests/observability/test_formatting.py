"""Durations, sizes and rates as text."""

from __future__ import annotations

import pytest

from tap_cxone.observability.formatting import duration, rate, size, with_short_windows


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 ms"),
        (0.85, "850 ms"),
        (0.9994, "999 ms"),
        (0.9996, "1.0 s"),
        (4.25, "4.2 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min 0 s"),
        (185, "3 min 5 s"),
        (3599.4, "59 min 59 s"),
        (3599.6, "1 h 0 min"),
        (7384, "2 h 3 min"),
        (86_399.6, "1 d 0 h"),
        (100_000, "1 d 3 h"),
        (4e14, "4629629629 d 15 h"),
    ],
)
def test_durations_have_at_most_two_units(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1536, "1.5 KiB"),
        ((1 << 20) - 1, "1.0 MiB"),
        (5 << 20, "5.0 MiB"),
        (3 << 30, "3.0 GiB"),
        (5 << 40, "5.0 TiB"),
        (3000 << 40, "3000.0 TiB"),
    ],
)
def test_sizes_have_binary_units(count: int, text: str) -> None:
    assert size(count) == text


def test_rates_are_per_second() -> None:
    assert rate(12345, 10) == "1,234/s"
    assert rate(1, 0) == "0/s"


@pytest.mark.parametrize(
    ("window", "text"),
    [
        ("2024-01-01T00:00:00.000Z/2024-01-04T00:00:00.000Z", "2024-01-01/01-04"),
        ("2024-01-01T00:00:00.000Z/2024-01-01T12:00:00.000Z", "2024-01-01T00:00/12:00"),
        ("2024-01-01T06:30:00.000Z/2024-01-02T00:00:00.000Z", "2024-01-01T06:30/01-02T00:00"),
        ("2024-01-01T06:30:59.999Z/2024-01-01T07:15:00.001Z", "2024-01-01T06:30/07:15"),
        ("2024-12-31T00:00:00.000Z/2025-01-02T00:00:00.000Z", "2024-12-31/2025-01-02"),
        ("2024-01-01T06:30:59.999Z", "2024-01-01T06:30:59.999Z"),
    ],
)
def test_windows_are_short(window: str, text: str) -> None:
    assert with_short_windows(f"Window {window}: a reason") == f"Window {text}: a reason"
