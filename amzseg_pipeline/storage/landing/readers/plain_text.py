"""An export as a plain UTF-8 file: the file itself, or a temporary copy that is decompressed and decoded."""

import codecs
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from amzseg_pipeline.contracts.errors import RefusedInput
from amzseg_pipeline.storage.landing.readers.decompression import ContentHash, compression_of, decompressed_chunks
from amzseg_pipeline.storage.landing.scan.export import Export

_UTF_8_SEQUENCE = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
WINDOWS_1252 = "the text is Windows-1252"
"""The assumption of this encoding."""

_UNDEFINED = re.compile(rb"[\x00\x81\x8d\x8f\x90\x9d]")


@contextmanager
def plain_text_file(export: Export) -> Iterator[Path]:
    """The path of the export's text in UTF-8 (or whatever else is not UTF-16), not compressed."""
    if not export.is_utf_16 and not compression_of(export.path):
        yield export.path
        return
    with TemporaryDirectory(prefix="amzseg-") as folder:
        plain = Path(folder) / "export"
        with plain.open("wb") as stream:
            for chunk in utf_8_chunks(export):
                stream.write(chunk)
        yield plain


@contextmanager
def windows_1252_as_utf_8(export: Export, plain: Path, refusal: RefusedInput) -> Iterator[Path]:
    """A UTF-8 copy of a Windows-1252 text; raises `refusal` where the text may be damaged UTF-8 or binary."""
    with TemporaryDirectory(prefix="amzseg-") as folder:
        copy = Path(folder) / "export"
        with plain.open("rb") as source, copy.open("wb") as target:
            for line in source:
                if _UTF_8_SEQUENCE.search(line) or _UNDEFINED.search(line):
                    raise refusal
                target.write(line.decode("cp1252").encode())
        export.assume(WINDOWS_1252)
        yield copy


def utf_8_chunks(export: Export, *, content_hash: ContentHash | None = None) -> Iterator[bytes]:
    """The text's bytes, decompressed, and in UTF-8 where the export is UTF-16. RefusedInput where it is damaged."""
    chunks = decompressed_chunks(export.path, export.settings, content_hash=content_hash)
    if not export.is_utf_16:
        yield from chunks
        return
    export.assume("the text is UTF-16")
    first = next(chunks, b"")
    encoding = "utf-16-be" if first.startswith(codecs.BOM_UTF16_BE) or first[:1] == b"\0" else "utf-16-le"
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    try:
        yield decoder.decode(first).removeprefix("\ufeff").encode()
        for chunk in chunks:
            yield decoder.decode(chunk).encode()
        yield decoder.decode(b"", final=True).encode()
    except UnicodeError as error:
        raise RefusedInput(f"the text is damaged or cut UTF-16 ({error}); save it as UTF-8.") from error
