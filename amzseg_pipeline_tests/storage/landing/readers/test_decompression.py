"""gzip is read as a stream, within the size limits, and only when complete."""

import gzip
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from amzseg_pipeline.contracts.errors import RefusedInput
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.storage.landing.readers.decompression import SMALL_BYTES, compression_of, decompressed_chunks

TEXT = b'{"a": 1}\n' * 50_000
MEBIBYTE = 2**20

quick = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def unpacked(folder: Path, content: bytes, **ceilings: float) -> bytes:
    (folder / "a.gz").write_bytes(content)
    return b"".join(decompressed_chunks(folder / "a.gz", Settings(**ceilings)))


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (TEXT, TEXT),
        (gzip.compress(TEXT), TEXT),
        (gzip.compress(TEXT, 1) + gzip.compress(b"more\n") + gzip.compress(b""), TEXT + b"more\n"),
        (gzip.compress(TEXT) + b"\0" * 1000, TEXT),
        (gzip.compress(b"x" * 3 * MEBIBYTE), b"x" * 3 * MEBIBYTE),
        (b"", b""),
        (b"\x1f", b"\x1f"),
    ],
    ids=["plain", "one member", "three members", "padded", "more than a chunk", "nothing", "a byte"],
)
def test_returns_the_complete_text_in_small_chunks(tmp_path: Path, content: bytes, text: bytes) -> None:
    assert unpacked(tmp_path, content) == text
    assert max((len(chunk) for chunk in decompressed_chunks(tmp_path / "a.gz", Settings())), default=0) <= MEBIBYTE


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (gzip.compress(TEXT)[:-1], "looks cut"),
        (gzip.compress(TEXT)[:500], "looks cut"),
        (gzip.compress(TEXT)[:5], "looks cut"),
        (gzip.compress(TEXT) + gzip.compress(TEXT)[:-3], "looks cut"),
        (gzip.compress(TEXT)[:-8] + b"\0" * 8, "is damaged"),
        (gzip.compress(TEXT) + b"more text than a header", "is damaged"),
        (b"\x1f\x8b\x07" + gzip.compress(TEXT)[3:], "is damaged"),
        (gzip.compress(TEXT)[:200] + b"\xff" * 50 + gzip.compress(TEXT)[250:], "is damaged"),
    ],
    ids=["a byte less", "half", "head", "second cut", "no checksum", "text after", "method", "bytes amid"],
)
def test_refuses_a_damaged_or_cut_file(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(RefusedInput, match=f"the gzip file {message}.*deliver it"):
        unpacked(tmp_path, content)


def test_reads_up_to_the_maximum_expanded_size(tmp_path: Path) -> None:
    text = b"x" * 1000
    assert unpacked(tmp_path, gzip.compress(text), max_expanded_bytes=1000) == text
    with pytest.raises(RefusedInput, match=r"expands to more than 999; .*raise max_expansion_ratio or max_expanded"):
        unpacked(tmp_path, gzip.compress(text), max_expanded_bytes=999)


def test_small_files_may_have_any_ratio(tmp_path: Path) -> None:
    packed = gzip.compress(b"x" * SMALL_BYTES)
    assert len(unpacked(tmp_path, packed, max_expansion_ratio=2)) == SMALL_BYTES
    with pytest.raises(RefusedInput, match=f"expands to more than {SMALL_BYTES:,}"):
        unpacked(tmp_path, packed + gzip.compress(b"x"), max_expansion_ratio=2)
    assert len(unpacked(tmp_path, packed + gzip.compress(b"x"), max_expansion_ratio=2000)) == SMALL_BYTES + 1


BOMBS = {
    "zeros": [b'{"parent_asin": 1}\n', b"\0" * 16 * MEBIBYTE],
    "one endless line": [b'{"a": "', b"x" * 16 * MEBIBYTE],
    "records": [b"", b'{"user_id": "A", "parent_asin": "B", "rating": 5.0, "timestamp": 1}\n' * 250_000],
}
"""How each begins, and what comes again and again."""

_READ = """
import resource, sys, time
from pathlib import Path
import duckdb, pyarrow.csv, pyarrow.parquet
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.storage.data_root import DataRoot
from amzseg_pipeline.storage.landing import raw_reviews
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
before = peak()
try:
    settings = Settings(max_expanded_bytes=40_000_000)
    raw_reviews(DataRoot(Path(sys.argv[1])), settings, now=time.time(), skip_settling=False)
except Exception as error:
    print(type(error).__name__, (peak() - before) // 1024)
"""


@pytest.mark.parametrize("bomb", BOMBS)
def test_refuses_a_gzip_bomb_in_bounded_memory(tmp_path: Path, bomb: str) -> None:
    (tmp_path / "landing").mkdir()
    begin, again = (gzip.compress(part, 9) for part in BOMBS[bomb])
    (tmp_path / "landing" / "bomb.jsonl.gz").write_bytes(begin + again * 64)
    ran = subprocess.run([sys.executable, "-c", _READ, str(tmp_path)], capture_output=True, text=True, check=True)
    name, mebibytes = ran.stdout.split()
    assert name == "RefusedInput"
    assert int(mebibytes) < 200
    assert not list((tmp_path / "warehouse").rglob("*.parquet*"))


@quick
@given(st.lists(st.binary(max_size=200), min_size=1, max_size=4), st.integers(0, 9))
def test_joins_gzip_members(tmp_path: Path, parts: list[bytes], level: int) -> None:
    assert unpacked(tmp_path, b"".join(gzip.compress(part, level) for part in parts)) == b"".join(parts)


@quick
@given(st.data())
def test_damaged_gzip_is_read_correctly_or_refused(tmp_path: Path, data: st.DataObject) -> None:
    text = data.draw(st.binary(min_size=1, max_size=300))
    content = bytearray(gzip.compress(text))
    at = data.draw(st.integers(2, len(content) - 1))
    content[at : at + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=4))
    try:
        found = unpacked(tmp_path, bytes(content))
    except RefusedInput:
        return
    assert compression_of(tmp_path / "a.gz") == "gzip"
    assert found == text  # the checksum vouches for it; only the header's time and name may differ
