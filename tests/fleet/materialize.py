"""Materializes partitions of the Dagster example in this process, and prints how each of them ended as JSON.

Runs in the environment of the example: ``python materialize.py FLEET ASSET TENANT RANGE [TENANT RANGE …]``.
"""

from __future__ import annotations

import json
import runpy
import sys
from collections import Counter
from typing import Any

import dagster as dg


def materialize(definitions: Any, asset: str, tenant: str, key: str, instance: Any) -> dict[str, Any]:
    result = dg.materialize(
        [definitions.resolve_assets_def(asset)],
        partition_key=dg.MultiPartitionKey({"tenant": tenant, "range": key}),
        instance=instance,
        raise_on_error=False,
    )
    events = Counter(event.event_type_value for event in result.all_events)
    checks = result.get_asset_check_evaluations()
    metadata = [found.metadata for found in result.asset_materializations_for_node(asset)] if result.success else []
    return {
        "success": result.success,
        "run_id": result.run_id,
        "retries": events["STEP_RESTARTED"],
        "checks": [check.passed for check in checks],
        "metadata": {name: entry.value for found in metadata for name, entry in found.items()},
    }


def main(fleet: str, asset: str, *partitions: str) -> None:
    definitions = runpy.run_path(fleet)["definitions"]
    pairs = zip(partitions[::2], partitions[1::2], strict=True)
    with dg.DagsterInstance.ephemeral() as instance:
        ended = [materialize(definitions, asset, tenant, key, instance) for tenant, key in pairs]
    print(json.dumps(ended))


if __name__ == "__main__":
    main(*sys.argv[1:])
