"""The SDK's own tests of a tap, against the sandbox. They check shapes; what the records are is checked elsewhere."""

from __future__ import annotations

from typing import Any

from singer_sdk.testing import SuiteConfig, get_tap_test_class

from tap_cxone.config.entities import entities
from tap_cxone.tap import TapCXone

CONFIG: dict[str, Any] = {
    "sandbox": True,
    "start_date": "2024-01-01",
    "end_date": "2024-01-03",
    "submit_interval": 0,
    "poll_interval": 1,
    # With a fixed schema: of columns that are taken up the SDK's tests, which look at the catalog, know nothing.
    "data_extraction_entities": [{"stream": entity.stream, "schema": entity.schema} for entity in entities(None)],
}
CATALOG = TapCXone(config=CONFIG).catalog_dict
for stream in CATALOG["streams"]:
    for entry in stream["metadata"]:
        entry["metadata"]["selected"] = True

TestTapCXone = get_tap_test_class(
    TapCXone, config=CONFIG, catalog=CATALOG, suite_config=SuiteConfig(max_records_limit=100)
)
