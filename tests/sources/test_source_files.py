"""Files, directories and archives are read in a fixed order, and an unreadable one is a fault, not the end."""

import gzip
import io
import os
import tarfile
from collections.abc import Iterable
from pathlib import Path

import pytest

from evtrack.domain.errors import BadArgument, SourceChanged, SourceNotFound
from evtrack.sources.file_formats import Format
from evtrack.sources.file_source import FileSource, reopen
from evtrack.sources.records import MAX_ITEM_BYTES, InvalidItem

Read = list[tuple[str, int | None, str]]


def read(source: FileSource) -> Read:
    """Read all; the reason of an invalid item is shown in angle brackets."""
    found: Read = []
    for part in source.parts():
        for group in part.records():
            for line, item, _ in group:
                found.append((part.name, line, f"<{item.reason}>" if isinstance(item, InvalidItem) else item.decode()))
    return found


def tar(path: Path, members: Iterable[tuple[str, bytes]], mode: str = "w:gz") -> None:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))


def test_a_single_file_is_named_by_its_file_name(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"1\n2\n")
    source = FileSource([str(path)])
    assert [("a.jsonl", 1, "1"), ("a.jsonl", 2, "2")] == read(source)
    assert ("a.jsonl", 4) == (source.name, source.bytes_total)


def test_several_files_are_named_as_they_were_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "a.jsonl").write_bytes(b"1\n")
    (tmp_path / "a.json").write_bytes(b"{}")
    monkeypatch.chdir(tmp_path)
    assert [("x/a.jsonl", 1, "1"), ("a.json", None, "{}")] == read(FileSource(["x/a.jsonl", "a.json"]))


def test_gzip_with_several_members_is_read_completely(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(b"1\n2") + gzip.compress(b"3\n4\n") + bytes(512))
    assert ["1", "23", "4"] == [item for _, _, item in read(FileSource([str(path)]))]


def test_damaged_gzip_yields_its_readable_part_and_the_reason(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    whole = gzip.compress(os.urandom(200_000).hex().encode() + b"\n2\n", 0)
    path.write_bytes(gzip.compress(b"1\n") + whole[:-9])
    found = read(FileSource([str(path)]))
    assert ("a.jsonl.gz", 1, "1") == found[0]
    assert ("a.jsonl.gz", 3) == found[-1][:2] or ("a.jsonl.gz", 4) == found[-1][:2]
    assert "cannot be read from here on: the compressed data ends too early" in found[-1][2]


def test_a_file_that_is_not_gzip_is_invalid(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(b"1\n2\n")
    ((name, line, reason),) = read(FileSource([str(path)]))
    assert ("a.jsonl.gz", None) == (name, line)
    assert "cannot be read" in reason


def test_a_directory_is_read_in_a_fixed_order(tmp_path: Path) -> None:
    deep = tmp_path / "sub"
    deep.mkdir()
    (tmp_path / ".hidden").mkdir()
    for name, data in {
        "b.jsonl": b"1\n",
        "z.json": b"2",
        "sub/a.json": b"[3,4]",
        "c.csv": b"id\n5\n",
        "d.jsonl.gz": gzip.compress(b"6\n"),
        "README.md": b"no\n",
        ".hidden/x.json": b"7",
        "._b.jsonl": b"8\n",
    }.items():
        (tmp_path / name).write_bytes(data)
    tar(tmp_path / "t.tgz", [("m.json", b"9")])
    expected = [
        ("sub/a.json", 1, "3"),
        ("sub/a.json", 2, "4"),
        ("z.json", None, "2"),
        ("b.jsonl", 1, "1"),
        ("d.jsonl.gz", 1, "6"),
        ("c.csv", 2, '{"id":"5"}'),
        ("t.tgz/m.json", None, "9"),
    ]
    assert expected == read(FileSource([str(tmp_path)]))


@pytest.mark.parametrize(("name", "mode"), [("t.tgz", "w:gz"), ("t.tar.gz", "w:gz"), ("t.tar", "w")])
def test_an_archive_is_read_in_the_order_of_a_directory(tmp_path: Path, name: str, mode: str) -> None:
    path = tmp_path / name
    members = [("./b.jsonl", b"1\n2\n"), ("x/a.json", b"3"), (".x/h.json", b"4"), ("r.txt", b"5"), ("a.json", b"[6]")]
    tar(path, members, mode)
    expected = [("a.json", 1, "6"), ("x/a.json", None, "3"), ("b.jsonl", 1, "1"), ("b.jsonl", 2, "2")]
    assert expected == read(FileSource([str(path)]))


def test_a_damaged_archive_yields_its_readable_part_and_the_reason(tmp_path: Path) -> None:
    path = tmp_path / "t.tgz"
    tar(path, [("a.json", b"1"), ("b.json", b'"' + os.urandom(60_000).hex().encode() + b'"')])
    path.write_bytes(path.read_bytes()[:-2_000])
    found = read(FileSource([str(path)]))
    assert ("a.json", None, "1") == found[0]
    assert "cannot be read to its end" in found[-1][2]


def test_an_archive_without_items_is_reported(tmp_path: Path) -> None:
    tar(tmp_path / "t.tgz", [("r.txt", b"1")])
    ((_, _, reason),) = read(FileSource([str(tmp_path / "t.tgz")]))
    assert "contains no .json" in reason


def test_a_file_that_disappears_before_it_is_read_is_invalid(tmp_path: Path) -> None:
    for name in ("a.jsonl", "b.jsonl"):
        (tmp_path / name).write_bytes(b"1\n")
    source = FileSource([str(tmp_path)])
    (tmp_path / "a.jsonl").unlink()
    assert [("a.jsonl", None, "<cannot be read: No such file or directory>"), ("b.jsonl", 1, "1")] == read(source)


def test_csv_rows_become_objects(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(
        b'\xef\xbb\xbfid, name\r\n1,"a, ""b"""\r\n\r\n2,"two\n\nlines"\n3\n4,"x"y\n5,\xff\n'
        b'6,5" pipe\n7,"never closed\n8,x'
    )
    assert [
        ("a.csv", 2, '{"id":"1","name":"a, \\"b\\""}'),
        ("a.csv", 4, '{"id":"2","name":"two\\n\\nlines"}'),
        ("a.csv", 7, "<the row has 1 fields, but the header has 2>"),
        ("a.csv", 8, "<broken CSV: ',' expected after '\"'>"),
        ("a.csv", 9, "<not valid UTF-8: byte 3 is 0xff>"),
        ("a.csv", 10, '{"id":"6","name":"5\\" pipe"}'),
        ("a.csv", 11, "<a quote is never closed>"),
    ] == read(FileSource([str(path)]))


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (b"a,a\n1,2\n", "two columns named 'a'"),
        (b"a,\n1,2\n", "column 2"),
        (b"id;text\n1;x\n", "one column, 'id;text': use commas, not ';', between fields"),
        (b"id\ttext\n1\tx\n", "use commas, not '\\t'"),
    ],
)
def test_an_invalid_csv_header_is_invalid(tmp_path: Path, header: bytes, reason: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(header)
    ((_, _, invalid),) = read(FileSource([str(path)]))
    assert reason in invalid


def test_any_file_can_be_read_by_lines(tmp_path: Path) -> None:
    path = tmp_path / "ids.txt"
    path.write_bytes('12\n\nö"x\n'.encode())
    assert [("ids.txt", 1, '"12"'), ("ids.txt", 3, '"ö\\"x"')] == read(FileSource([str(path)], format="lines"))


@pytest.mark.parametrize("format_", ["json", "jsonl", "csv", "lines"])
@pytest.mark.parametrize("packed", [False, True])
def test_reading_can_resume_after_any_record(tmp_path: Path, format_: Format, *, packed: bool) -> None:
    texts = {"json": b"[1,2,3]", "jsonl": b"1\n\n2\n3", "csv": b'a\n"1\n1"\n2\n3\n', "lines": b"1\n2\n3\n"}
    path = tmp_path / ("x.gz" if packed else "x")
    path.write_bytes(gzip.compress(texts[format_]) if packed else texts[format_])
    (part,) = FileSource([str(path)], format=format_).parts()
    whole = [record for group in part.records() for record in group]
    assert 3 == len(whole)
    for place, (line, _, end) in enumerate(whole):
        assert whole[place + 1 :] == [r for group in part.records(offset=end, line=line or 0) for r in group]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("nothing", "no such file"),
        ("x.txt", "does not reveal its format"),
        ("empty", "contains no .json"),
        ("\udcff", "UTF-8"),
    ],
)
def test_an_invalid_source_is_refused(tmp_path: Path, name: str, reason: str) -> None:
    (tmp_path / "x.txt").touch()
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceNotFound, match=reason):
        FileSource([str(tmp_path / name)])


def test_standard_input_can_be_named_only_once() -> None:
    with pytest.raises(BadArgument, match="twice"):
        FileSource(["-", "-"])


def test_a_source_that_changed_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"1\n")
    described = FileSource([str(path)]).describe()
    reopen(described, format=None, max_item_bytes=MAX_ITEM_BYTES)
    path.write_bytes(b"1\n2\n")
    with pytest.raises(SourceChanged, match="bytes was 2, is 4"):
        reopen(described, format=None, max_item_bytes=MAX_ITEM_BYTES)


def test_a_directory_with_an_additional_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b"1\n")
    described = FileSource([str(tmp_path)]).describe()
    (tmp_path / "b.jsonl").write_bytes(b"1\n")
    with pytest.raises(SourceChanged, match="files was 1, is 2"):
        reopen(described, format=None, max_item_bytes=MAX_ITEM_BYTES)
