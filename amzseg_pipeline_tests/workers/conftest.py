"""Clusters that last for all tests of a module."""

import importlib.util
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from amzseg_pipeline_tests.object_store import Server
from amzseg_pipeline_tests.workers.clusters import Cluster, dask_cluster, ray_cluster

_CLUSTERS: dict[str, tuple[str, Callable[[Path], AbstractContextManager[Cluster]]]] = {
    "dask": ("distributed", dask_cluster),
    "ray": ("ray", ray_cluster),
}


@pytest.fixture(scope="module", params=list(_CLUSTERS))
def cluster(
    request: pytest.FixtureRequest, _s3_server: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    """A cluster of two workers on Dask, and on Ray where it is installed."""
    module, start = _CLUSTERS[request.param]
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"the extra {request.param} is missing")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "testing")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.setenv("AWS_ENDPOINT_URL", _s3_server.endpoint)
        patch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]))
        with start(tmp_path_factory.mktemp(request.param)) as started:
            yield started
