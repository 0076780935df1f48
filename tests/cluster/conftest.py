# A Ray of this machine's own, on the loopback address, that tells nobody of itself.
#
# Knows: Ray's settings. Must not know: what is being tested.

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.servers import KEY

# Before Ray is imported, and for its workers.
for name in list(os.environ):
    if name.startswith("DASHSCOPE_") or name.lower().endswith("_proxy"):
        del os.environ[name]
os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "DASHSCOPE_API_KEY": KEY}


@pytest.fixture(scope="session", autouse=True)
def _ray() -> Iterator[None]:
    import ray
    from ray.data import DataContext

    # Two CPUs for actors, one for what reads and writes, one for what leaves out the rows of a checkpoint.
    ray.init(
        num_cpus=4, include_dashboard=False, _node_ip_address="127.0.0.1", object_store_memory=200 * 2**20,
        log_to_driver=False, logging_level="ERROR",
    )  # fmt: skip
    context = DataContext.get_current()
    context.enable_progress_bars = False
    yield
    ray.shutdown()
