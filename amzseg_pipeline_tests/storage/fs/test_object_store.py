"""Addresses and atomic writes of files and folders in an object store."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from amzseg_pipeline.contracts.errors import SettingsError, WriteError
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.steps.figures.gallery import Gallery, RenderedPlot
from amzseg_pipeline.storage.data_root import DataRoot, data_root_at, data_root_from_environment, settings_of
from amzseg_pipeline.storage.fs.atomic_writes import atomic_folder, atomic_write, files_below, sha256_of
from amzseg_pipeline.storage.fs.object_store import path_at
from amzseg_pipeline.storage.parquet.partitions import write_part
from amzseg_pipeline.storage.serving.plots import plots_of, write_gallery
from amzseg_pipeline_tests.object_store import Store


def names_below(folder: Path) -> list[str]:
    return [str(path).removeprefix(f"{folder}/") for path in files_below(folder)]


def put(path: Path, content: bytes) -> None:
    cast(Any, path).fs.pipe_file(cast(Any, path).path, content)


@pytest.mark.parametrize(
    ("address", "path"),
    [
        ("s3://bucket/team/segments", "s3://bucket/team/segments"),
        ("s3://bucket/team/segments/", "s3://bucket/team/segments"),
        ("s3://my.bucket-1/a=1/b_c.d-e", "s3://my.bucket-1/a=1/b_c.d-e"),
        ("s3://bucket", "s3://bucket/"),
        ("s3://bucket/", "s3://bucket/"),
    ],
)
def test_an_address_is_a_data_root_with_local_files_of_dagster(address: str, path: str) -> None:
    data_root = data_root_from_environment({"AMZSEG_DATA": address, "AMZSEG_LOCAL": "/srv/local"})
    assert str(data_root.root) == path
    assert str(data_root.published) == path.removesuffix("/") + "/published"
    assert str(data_root.landing) == path.removesuffix("/") + "/landing"
    assert (data_root.dagster, data_root.lock_file) == (Path("/srv/local/dagster"), Path("/srv/local/.lock"))


@pytest.mark.parametrize(
    "address",
    [
        "gs://bucket/a",
        "abfs://bucket/a",
        "memory://a",
        "file:///etc",
        "s3a://bucket/a",
        "S3://bucket/a",
        "s3://",
        "s3:///a",
        "s3://b",
        "s3://Bucket/a",
        "s3://key:secret@bucket/a",
        "s3://bucket:9000/a",
        "s3://bucket//a",
        "s3://bucket/../a",
        "s3://bucket/a/./b",
        "s3://bucket/.hidden",
        "s3://bucket/a?versionId=1",
        "s3://bucket/a#b",
        "s3://bucket/a*",
        "s3://bucket/a b",
        "s3://bucket/a\n",
        "s3://bucket/" + "a/" * 5000 + "*",
        "simplecache::s3://bucket/a",
    ],
)
def test_rejects_other_addresses(address: str) -> None:
    with pytest.raises(SettingsError, match=r"use a local folder or s3://bucket/prefix"):
        data_root_from_environment({"AMZSEG_DATA": address})


def test_the_error_without_s3fs_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(SettingsError, match=r'pip install "amzseg-pipeline\[s3\]"'):
        data_root_at("s3://bucket-never-named-before/a")


def test_a_local_folder_imports_no_store_library() -> None:
    asked = "import sys, amzseg_pipeline; amzseg_pipeline.has_snapshot('/nowhere'); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True).stdout.split()
    assert {"s3fs", "botocore", "upath", "dagster", "streamlit"} & set(loaded) == set()


def test_reads_settings_from_the_store(store: Store) -> None:
    data_root = data_root_at(store.address)
    assert settings_of(data_root, environment={}) == Settings()
    put(data_root.root / "settings.toml", b"k = 4")
    assert settings_of(data_root, environment={}).k == 4
    put(data_root.root / "settings.toml", b"k = ")
    with pytest.raises(SettingsError, match=r"s3://.*settings\.toml: this is not TOML"):
        settings_of(data_root, environment={})


def test_a_failed_write_keeps_the_old_file(store: Store, tmp_path: Path) -> None:
    path = path_at(store.address) / "file.txt"
    with atomic_write(path) as temporary:
        temporary.write_text("old")
        assert not path.exists()
    assert store.writes == ["team/segments/file.txt"]
    with pytest.raises(ValueError, match="mine"), atomic_write(path) as temporary:
        temporary.write_text("half")
        raise ValueError("mine")
    assert store.writes == ["team/segments/file.txt"]
    assert path.read_text() == "old"
    with (
        store.refusing(from_write=0),
        pytest.raises(WriteError, match=r"s3://.*file\.txt: it cannot be written \(refused by the test\)"),
        atomic_write(path) as temporary,
    ):
        temporary.write_text("new")
    assert path.read_text() == "old"
    assert list((tmp_path / "local/.staging").iterdir()) == []


@pytest.mark.slow
def test_uploads_a_large_file_in_parts(store: Store) -> None:
    path = path_at(store.address) / "large.bin"
    with atomic_write(path) as temporary:
        with temporary.open("wb") as stream:
            for number in range(105):
                stream.write(bytes([number]) * 2**20)
        expected = sha256_of(temporary)
    assert path.stat().st_size == 105 * 2**20
    assert sha256_of(path) == expected


@pytest.mark.parametrize("refused", [0, 1, 2])
def test_a_folder_is_complete_once_its_last_file_exists(store: Store, refused: int) -> None:
    folder = path_at(store.address) / "folder"

    def write(content: str, *names: str) -> None:
        with atomic_folder(folder, last="last.json") as draft:
            for name in (*names, "last.json"):
                (draft / name).parent.mkdir(exist_ok=True)
                (draft / name).write_text(content)

    write("old", "a/one", "two")
    with store.refusing(from_write=refused), pytest.raises(WriteError, match="refused by the test"):
        write("new", "two", "z/three")
    assert "last.json" not in names_below(folder)
    write("new", "two", "z/three")
    assert names_below(folder) == ["last.json", "two", "z/three"]
    assert {path.read_text() for path in files_below(folder)} == {"new"}
    assert store.writes[-1] == "team/segments/folder/last.json"


def test_writes_a_part_once_and_again_when_damaged(store: Store) -> None:
    part = path_at(store.address) / "warehouse/parts/0000-abc"

    def write(folder: Path) -> None:
        (folder / "bucket=0").mkdir()
        pq.write_table(pa.table({"a": [1, 2]}), folder / "bucket=0/part.parquet")

    assert (write_part(part, write), write_part(part, write)) == (True, False)
    put(part / "bucket=0/part.parquet", b"cut")
    assert (write_part(part, write), write_part(part, write)) == (True, False)
    cast(Any, part).fs.rm((cast(Any, part) / "files.json").path)
    assert write_part(part, write)


def test_a_part_completed_by_another_worker_is_kept(store: Store) -> None:
    part = path_at(store.address) / "warehouse/parts/0000-abc"

    def write(folder: Path, *values: int) -> None:
        pq.write_table(pa.table({"a": values}), folder / "part.parquet")

    def write_late(folder: Path) -> None:
        write_part(part, lambda other: write(other, 1, 2))
        store.writes.clear()
        write(folder, 2, 1)

    write_part(part, write_late)
    assert store.writes == []


def test_a_folder_may_have_only_its_last_file(store: Store) -> None:
    folder = path_at(store.address) / "folder"
    for _ in range(2):
        with atomic_folder(folder, last="last.json") as draft:
            (draft / "last.json").write_text("{}")
    assert names_below(folder) == ["last.json"]


def test_files_below_excludes_folders_with_the_same_prefix(store: Store) -> None:
    root = path_at(store.address)
    for name in ("a/1", "a/b/2", "ab/3", "a.txt"):
        put(root / name, name.encode())
    assert names_below(root / "a") == ["1", "b/2"]
    assert files_below(root / "nothing") == {}
    assert [state.size_bytes for state in files_below(root / "a").values()] == [3, 5]


def test_collects_the_plots_of_all_stages_on_one_page(store: Store) -> None:
    artifacts = data_root_at(store.address).artifacts
    now = datetime(2024, 1, 1, 2, tzinfo=UTC)
    for group, name in (("users", "old"), ("reviews", "r"), ("users", "u")):
        gallery = Gallery(group, (RenderedPlot(name, f"{name} title", f"{name} caption.", b"png"),), ())
        folder = write_gallery(artifacts, "run-1", gallery, facts={}, made_at=now)
    document = plots_of(artifacts, "run-1")
    assert document is not None and [plot["file"] for plot in document["plots"]] == ["users/u.png", "reviews/r.png"]
    assert json.loads((folder / "plots.json").read_text()) == document
    assert "old title" not in (folder / "report.html").read_text()
    assert names_below(folder / "users") == ["group.json", "u.png"]
    assert plots_of(artifacts, "run-2") is None


def test_a_local_data_root_ignores_the_local_folder(tmp_path: Path) -> None:
    data_root = data_root_from_environment({"AMZSEG_DATA": str(tmp_path), "AMZSEG_LOCAL": "/elsewhere"})
    assert data_root == DataRoot(tmp_path)
    assert {
        data_root.landing.parent,
        data_root.warehouse.parent,
        data_root.dagster.parent,
        data_root.lock_file.parent,
    } == {tmp_path}
