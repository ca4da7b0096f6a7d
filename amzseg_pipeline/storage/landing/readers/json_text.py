"""JSON arrays and Python literals as JSON Lines: one object per line, in bounded memory."""

import json
from ast import literal_eval
from collections.abc import Iterator

from amzseg_pipeline.contracts.errors import RefusedInput
from amzseg_pipeline.storage.landing.readers.plain_text import utf_8_chunks
from amzseg_pipeline.storage.landing.scan.export import MAX_LINE_BYTES, Export

_WHITE_SPACE = b" \t\r\n"


def json_line_chunks(export: Export) -> Iterator[bytes]:
    """The export's text as JSON Lines, in chunks that need not end on a line.

    RefusedInput as by `decompressed_chunks`, and where an array is damaged or not closed.
    """
    chunks = utf_8_chunks(export, content_hash=export.content_hash)
    if export.file_type == "JSON array":
        return _array_lines(chunks)
    if export.file_type == "Python literals":
        export.assume("records are Python literals, not JSON")
        return _literal_lines(chunks)
    return chunks


def _array_lines(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The objects of an array, or objects one after the other, each on one line."""
    decoder = json.JSONDecoder()
    buffer = ""
    undecoded = b""
    is_array = is_first = True
    is_closed = False
    number = 0
    for chunk in chunks:
        text, undecoded = _decoded(undecoded + chunk)
        buffer += text
        if is_first and buffer.strip("\ufeff" + _WHITE_SPACE.decode()):
            buffer = buffer.lstrip("\ufeff" + _WHITE_SPACE.decode())
            is_array = buffer.startswith("[")
            buffer = buffer[1:] if is_array else buffer
            is_first = False
        lines = []
        while True:
            buffer = buffer.lstrip(_WHITE_SPACE.decode() + ",")
            if is_closed and buffer:
                raise RefusedInput(f"text follows the end of the JSON array after object {number:,}; deliver it again.")
            if is_array and buffer.startswith("]"):
                is_closed, buffer = True, buffer[1:]
                continue
            if not buffer:
                break
            if buffer[0] != "{":
                raise RefusedInput(f"object {number + 1:,} of the JSON array is not an object; deliver JSON objects.")
            try:
                _, end = decoder.raw_decode(buffer)
            except ValueError:
                break  # incomplete so far, or damaged
            except RecursionError as error:
                raise RefusedInput(
                    f"object {number + 1:,} of the JSON array is nested too deeply; deliver flat records."
                ) from error
            number += 1
            lines.append(buffer[:end].replace("\r", " ").replace("\n", " "))
            buffer = buffer[end:]
        if len(buffer) > MAX_LINE_BYTES:
            raise RefusedInput(
                f"object {number + 1:,} of the JSON array is damaged, or longer than {MAX_LINE_BYTES:,} bytes; "
                "export it again."
            )
        if lines:
            yield ("\n".join(lines) + "\n").encode()
    if buffer or undecoded:
        raise RefusedInput(f"object {number + 1:,} of the JSON array is damaged or cut; deliver it again.")
    if is_array and not is_closed:
        raise RefusedInput(f"the JSON array looks cut: it is not closed after object {number:,}; deliver it again.")


def _decoded(text: bytes) -> tuple[str, bytes]:
    """The text, and the bytes of a character that is cut at its end. RefusedInput where it is not UTF-8."""
    for missing in range(4):
        try:
            end = len(text) - missing
            return text[:end].decode(), text[end:]
        except UnicodeDecodeError as error:
            if error.start < len(text) - 4:
                break
    raise RefusedInput("the text is not UTF-8; save the export as UTF-8.")


def _literal_lines(chunks: Iterator[bytes]) -> Iterator[bytes]:
    pending = b""
    for chunk in chunks:
        lines = (pending + chunk).split(b"\n")
        pending = lines.pop()
        if len(pending) > MAX_LINE_BYTES:
            raise RefusedInput(f"a line is longer than {MAX_LINE_BYTES:,} bytes; deliver one record per line.")
        if lines:
            yield b"".join(_json_line(line) + b"\n" for line in lines)
    if pending:
        yield _json_line(pending)


def _json_line(line: bytes) -> bytes:
    """The literal as JSON; the line unchanged where it is damaged, so that it becomes a reader fault.

    `literal_eval` builds constants only: it calls nothing.
    """
    try:
        return json.dumps(literal_eval(line.decode().strip())).encode()
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return line
