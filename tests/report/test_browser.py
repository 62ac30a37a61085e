"""The page in a browser: in light and dark theme, in print, and without requests or scripts."""

from __future__ import annotations

import base64
import json
import re
from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from tap_cxone.observability.audit_files import AuditLogs
from tap_cxone.report.drawing import COLOURS
from tap_cxone.report.page import render
from tap_cxone.report.summary import summary
from tap_cxone.report.webhooks import read_deliveries
from tests.report.conftest import SCRIPT, Log, at, browser_or_skip

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from selenium.webdriver import Chrome

    from tap_cxone.report.figures import Figures

PLOTS = ("timeline", "days", "refusals", "durations", "webhooks")
pytestmark = pytest.mark.xdist_group("browser")


@pytest.fixture(scope="module")
def chrome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    """Start a browser that logs its requests and console messages."""
    browser, driver = browser_or_skip()
    from selenium.webdriver import Chrome, ChromeOptions, ChromeService  # noqa: PLC0415 - not needed if the tests are skipped

    options = ChromeOptions()
    options.binary_location = browser
    for switch in (
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        f"--user-data-dir={tmp_path_factory.mktemp('browser')}",
        "--window-size=1200,900",
    ):
        options.add_argument(switch)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    chrome = Chrome(options=options, service=ChromeService(driver))
    yield chrome
    chrome.quit()


@pytest.fixture
def figures(faulty: Log) -> Figures:
    figures = faulty.figures()
    with faulty.path.open("rb") as log:
        figures.deliveries = read_deliveries(AuditLogs([log]), figures.offsets)
    return figures


@pytest.fixture
def page(chrome: Chrome, figures: Figures, tmp_path: Path) -> Chrome:
    """Return the browser with the page of the faulty log."""
    file = tmp_path / "page.html"
    file.write_text(render(figures, at(0)), encoding="utf-8")
    entries(chrome, "performance")
    entries(chrome, "browser")
    chrome.get(file.as_uri())
    return chrome


def entries(page: Chrome, kind: str) -> list[dict[str, Any]]:
    """Return what the browser has logged since the last call."""
    found: list[dict[str, Any]] = page.get_log(kind)  # type: ignore[no-untyped-call]
    return found


def scheme(page: Chrome, name: str, media: str = "screen") -> None:
    features = [{"name": "prefers-color-scheme", "value": name}]
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": features})


def colour(page: Chrome, selector: str, style: str) -> tuple[float, ...]:
    text: str = page.execute_script(
        "return getComputedStyle(document.querySelector(arguments[0]))[arguments[1]]", selector, style
    )
    return tuple(float(part) for part in re.findall(r"[\d.]+", text)[:3])


def contrast(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    """Return the contrast of two colours as WCAG 2 defines it, 1 to 21."""

    def luminance(rgb: tuple[float, ...]) -> float:
        parts = [part / 255 for part in rgb]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def cells(page: Chrome, table: str) -> list[list[str]]:
    script = "return [...document.querySelectorAll(arguments[0])].map(r => [...r.cells].map(c => c.textContent.trim()))"
    found: list[list[str]] = page.execute_script(script, f"{table} tbody tr")
    return found


@pytest.mark.parametrize("name", ["light", "dark"])
def test_page_has_all_plots(page: Chrome, name: str) -> None:
    scheme(page, name)
    for plot in PLOTS:
        box = page.execute_script("return document.getElementById(arguments[0]).getBoundingClientRect().toJSON()", plot)
        assert box["width"] > 500, plot
        assert box["height"] > 60, plot
        assert page.execute_script("return document.querySelector(`#${arguments[0]} svg > title`).textContent", plot)
    paper, ink = colour(page, "body", "backgroundColor"), colour(page, "body", "color")
    assert (sum(paper) > sum(ink)) == (name == "light")
    drawn = {colour(page, selector, "fill") for selector in ("#timeline text", "#days text")}
    assert drawn == {ink}, "the plots do not follow the theme"
    used = page.execute_script(
        "return ['fill', 'stroke'].flatMap(name => [...document.querySelectorAll("
        "`svg [style*='${name}: #'], svg [${name}^='#']`)].map(element => getComputedStyle(element)[name]))"
    )
    theme = {colours[name == "dark"] for colours in COLOURS.values()}
    assert {"#{:02x}{:02x}{:02x}".format(*map(int, re.findall(r"\d+", text)[:3])) for text in used} <= theme


@pytest.mark.parametrize("name", ["light", "dark"])
def test_texts_and_colours_have_enough_contrast(page: Chrome, name: str) -> None:
    scheme(page, name)
    paper = colour(page, "body", "backgroundColor")
    for selector in ("body", "a", ".note, footer", ".bad", ".good", "summary", ".totals dt"):
        assert contrast(colour(page, selector, "color"), paper) >= 4.5, selector
    script = "return getComputedStyle(document.documentElement).getPropertyValue(arguments[0])"
    for variable in ("running", "both", "download", "emit", "bad", "good", "gap", "warn"):
        text = page.execute_script(script, f"--{variable}").strip()
        rgb = tuple(float(int(text[index : index + 2], 16)) for index in (1, 3, 5))
        assert contrast(rgb, paper) >= 3, variable


def test_page_makes_no_request_and_logs_no_error(page: Chrome) -> None:
    messages = [json.loads(entry["message"])["message"] for entry in entries(page, "performance")]
    requested = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    # The browser itself requests its new tab.
    assert [url for url in requested if not url.startswith(("data:", "chrome://"))] == [page.current_url]
    assert entries(page, "browser") == []


def test_scripts_in_the_log_do_not_run(page: Chrome) -> None:
    assert page.title == "CXone exports: report"
    assert page.execute_script("return document.querySelectorAll('script, img, iframe, [onerror]').length") == 0
    assert SCRIPT in page.execute_script("return document.getElementById('t-jobs').textContent")
    titles = page.execute_script("return [...document.querySelectorAll('#timeline title')].map(t => t.textContent)")
    assert any(SCRIPT in title for title in titles)
    page.execute_script(
        "const s = document.createElement('script'); s.textContent = \"document.title='ran'\"; document.body.append(s)"
    )
    assert page.title == "CXone exports: report", "the policy allows scripts"
    entries(page, "browser")


def test_page_shows_the_figures_of_the_log(page: Chrome, figures: Figures) -> None:
    expected = summary(figures)

    def number(name: str) -> str:
        text: str = page.execute_script("return document.getElementById(arguments[0]).textContent", f"total-{name}")
        return text

    for name in ("windows", "records", "refused", "duplicates", "errors"):
        assert number(name) == str(expected["totals"][name])
    assert (number("jobs"), number("failed")) == ("4", "1")
    days = [[day["from"][:10], str(day["records"]), day["status"]] for day in expected["streams"][0]["days"]]
    assert cells(page, ".t-days") == days
    durations = [[phase, str(values["count"])] for phase, values in expected["durations"].items()]
    assert [row[:2] for row in cells(page, "#t-durations")] == durations
    assert cells(page, "#t-refusals") == [["bot_conversations", "missing fields", "id", "2"]]
    assert [row[:5] for row in cells(page, "#t-webhooks")] == [["bi", "2", "1", "0", "0"], ["lake", "0", "2", "1", "0"]]
    failed, reason, completed = cells(page, "#t-runs")
    assert (failed[4], reason, completed[4]) == ("failed", [SCRIPT], "completed")
    bars = page.execute_script("return document.querySelectorAll('#timeline g > title').length")
    assert bars == 3 * 4 + 1 + 1 + 1 + 3, "three jobs with four phases, a failed one with its mark, a retry, downloads"


def test_gaps_differ_from_covered_days_without_records(page: Chrome) -> None:
    titles = page.execute_script("return [...document.querySelectorAll('#days title')].map(t => t.textContent)")
    assert sum("0 records, covered" in title for title in titles) >= 2
    assert sum(title.startswith("Never covered") for title in titles) == 2
    patterns = page.execute_script("return document.querySelectorAll('#days pattern').length")
    assert patterns >= 1, "gaps are not hatched"
    assert (
        page.execute_script(
            "const ids = [...document.querySelectorAll('[id]')].map(e => e.id); return ids.length - new Set(ids).size"
        )
        == 0
    ), "an id is not unique"


def test_keyboard_reaches_and_opens_the_tables(page: Chrome) -> None:
    from selenium.webdriver import ActionChains, Keys  # noqa: PLC0415 - as above

    reached: set[str] = set()
    for _ in range(60):
        ActionChains(page).send_keys(Keys.TAB).perform()
        where = page.execute_script(
            "const e = document.activeElement; if (e.tagName == 'SUMMARY') return e.textContent; return e.className"
        )
        if "Table of the export jobs" in where and where not in reached:
            ActionChains(page).send_keys(Keys.ENTER).perform()
            assert page.execute_script("return document.activeElement.parentElement.open")
        reached.add(where)
    assert {"skip", "scroll"} <= reached
    assert page.execute_script("return document.querySelectorAll('details').length") == sum(
        "Table" in where for where in reached
    )


def test_headings_and_landmarks_are_in_order(page: Chrome) -> None:
    script = "return [...document.querySelectorAll('h1, h2, h3')].map(h => Number(h.tagName[1]))"
    levels = page.execute_script(script)
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    for landmark in ("header", "nav[aria-label]", "main", "footer", "html[lang=en]"):
        assert page.execute_script("return document.querySelectorAll(arguments[0]).length", landmark) == 1


def test_page_is_printed_on_white(page: Chrome) -> None:
    scheme(page, "dark", "print")
    assert colour(page, "body", "backgroundColor") == (255, 255, 255)
    assert page.execute_script("return document.documentElement.scrollWidth <= innerWidth")
    scheme(page, "light")
    printed: dict[str, Any] = page.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True})
    pdf = base64.b64decode(printed["data"])
    assert pdf.startswith(b"%PDF")
    assert 2 <= len(re.findall(rb"/Type\s*/Page\b", pdf)) <= 8


@contextmanager
def shown(chrome: Chrome, log: Log, width: int) -> Iterator[None]:
    """Show the page of a log in a window of some width, with all tables open."""
    file = log.path.with_suffix(".html")
    file.write_text(render(log.figures(), at(0)), encoding="utf-8")
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    chrome.get(file.as_uri())
    chrome.execute_script("document.querySelectorAll('details').forEach(item => item.open = true)")
    yield
    chrome.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_printed_page_has_every_column(chrome: Chrome, faulty: Log) -> None:
    faulty.begin("019f2c41-7d55-7a3e-9f10-5b1c2d3e4f50", 14, 16, day=3, stream="evaluation_questions")
    with shown(chrome, faulty, 718):  # A4 without the margins of the browser, at 96 dpi
        scheme(chrome, "dark", "print")
        right = chrome.execute_script(
            "return [...document.querySelectorAll('th, td')].map(cell => cell.getBoundingClientRect().right)"
        )
        scheme(chrome, "light")
        assert max(right) <= 718


@pytest.mark.parametrize("width", [390, 768, 1280])
def test_page_does_not_scroll_sideways(chrome: Chrome, faulty: Log, width: int) -> None:
    faulty.begin("run-long", 1, 2, stream="n" * 500)
    faulty.export("run-long", "job-long", 1, 2, stream="n" * 500)
    with shown(chrome, faulty, width):
        script = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert chrome.execute_script(script) <= 0


CUT_WORDS = """
    const cut = [], texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
        if (texts.currentNode.parentElement.closest("style, svg")) continue;
        for (const word of texts.currentNode.data.matchAll(/[\\p{L}\\p{N}_.]+/gu)) {
            const range = document.createRange();
            range.setStart(texts.currentNode, word.index);
            range.setEnd(texts.currentNode, word.index + word[0].length);
            if (new Set([...range.getClientRects()].map(box => Math.round(box.top))).size > 1) cut.push(word[0]);
        }
    }
    return cut"""


@pytest.mark.parametrize("width", [390, 768, 1280])
def test_no_word_is_cut_and_what_scrolls_says_so(chrome: Chrome, faulty: Log, width: int) -> None:
    faulty.begin("019f2c41-7d55-7a3e-9f10-5b1c2d3e4f50", 14, 16, day=3, stream="evaluation_questions")
    faulty.export("019f2c41-7d55-7a3e-9f10-5b1c2d3e4f50", "job", 14, 16, day=3, stream="evaluation_questions")
    with shown(chrome, faulty, width):
        assert chrome.execute_script(CUT_WORDS) == []
        boxes = "[...document.querySelectorAll('.scroll')].filter(box => box.scrollWidth > box.clientWidth)"
        clipped = chrome.execute_script(f"return {boxes}.map(box => box.getAttribute('aria-label'))")
        hints = chrome.execute_script(
            "return [...document.querySelectorAll('.hint')].filter(hint => hint.offsetHeight)"
            ".map(hint => hint.nextElementSibling.getAttribute('aria-label'))"
        )
        if width == 1280:
            assert clipped == hints == []
        if width == 390:
            assert (
                {"Table: runs", "Table: jobs", "Plot: Timeline", "Plot: Records per day"} <= set(hints) <= set(clipped)
            )
            shadows = chrome.execute_script(f"return {boxes}.map(box => getComputedStyle(box).backgroundImage)")
            assert all("gradient" in shadow for shadow in shadows)


def test_a_short_run_is_as_wide_as_a_long_one(chrome: Chrome, log: Log) -> None:
    for day, run, scale in ((1, "long", 1000), (2, "short", 1)):
        log.begin(run, day, day + 1, day=day)
        log.export(run, f"job-{run}", day, day + 1, day=day)
        names = {"stream": "bot_conversations", "run_id": run, "dateFrom": at(0), "dateTo": at(1), "job_id": "x"}
        log.write("export_job_created", at(0, day), **names)
        log.write("export_job_completed", at(scale, day), **names, seconds=scale)
    with shown(chrome, log, 1280):
        script = "return [...document.querySelectorAll('#timeline g > title')]"
        widths = chrome.execute_script(
            script + ".map(t => [t.textContent, t.parentElement.getBoundingClientRect().width])"
        )
    assert max(width for title, width in widths if title.endswith("running 3.0 s")) > 200, widths


def test_overview_has_a_row_for_each_of_four_tenants(chrome: Chrome, log: Log) -> None:
    for number, tenant in enumerate(("acme", "globex", "initech", "<b>umbrella")):
        log.labels = {"tenant": tenant, "host": f"na{number}.nice-incontact.com"}
        log.begin(f"run-{number}", 1, 9, day=number + 1)
        log.export(f"run-{number}", "job", 1, 2 + number, day=number + 1)
    with shown(chrome, log, 1280):
        rows = cells(chrome, ".t-tenants")
        texts = chrome.execute_script("return [...document.querySelectorAll('#overview text')].map(t => t.textContent)")
        assert entries(chrome, "browser") == []
    assert [row[0] for row in rows] == ["<b>umbrella", "acme", "globex", "initech"]
    assert [f"{row[0]} {row[3]}" for row in rows] == [text for text in texts if re.match(r"\S+ \d+\u202f%", text)]
    assert texts.count("100\u202f%") == 1 + 2 + 3 + 4, "a number in each cell"
