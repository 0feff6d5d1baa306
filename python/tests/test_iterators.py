"""Groups that come piece by piece, for functions that ask for an iterator."""

import pytest
from conversation import NO_GROUP, Process

HEAD = "from __future__ import annotations\nimport typing, collections.abc\nfrom typing import Iterator\n"
# Cut as a worker would: groups that fit are whole.
GROUPS = {"a": {"x": [1, 2]}, "b": {"x": [3, 4, 5, 6, 7, 8, 9]}, "c": {"x": [10]}}
CHUNKS = [2, 5, 8, 10]
TEXT = [{"name": "said", "type": "string"}]


def function(*lines, annotation="Iterator[object]", head=HEAD, **changes):
    body = "".join(f"    {line}\n" for line in lines)
    return Process(f"{head}\ndef fit(groups: {annotation}, key):\n{body}", **changes)


PIECES = "return {'said': ' '.join(str(piece.column('x').to_pylist()) for piece in groups)}"


@pytest.mark.parametrize(
    "annotation, head",
    [
        ("Iterator[pa.RecordBatch]", HEAD),
        ("typing.Iterator", HEAD),
        ("collections.abc.Iterator[int]", HEAD),
        ("It[int]", "from collections.abc import Iterator as It\n"),
        ("'It[int]'", "from typing import Iterator as It\n"),
        ("Iterator[int]", "from typing import Iterator\n"),
        ("'Iterator[pd.DataFrame]'", "import typing\nif typing.TYPE_CHECKING:\n    from typing import Iterator\n"),
    ],
)
def test_a_function_that_asks_for_an_iterator_gets_one(annotation, head):
    with function(PIECES, annotation=annotation, head=head, returns=TEXT) as process:
        assert process.answer["iterates"]
        rows, failures = process.apply(GROUPS)
        assert failures == []
        # Small ones come in one piece.
        assert [row["said"] for row in rows] == ["[1, 2]", "[3, 4, 5, 6, 7, 8, 9]", "[10]"]


@pytest.mark.parametrize("annotation", ["object", "'no such thing'", "typing.Iterable[int]", "'Iterators[int]'", "list"])
def test_others_get_the_whole_group(annotation):
    line = "return {'n': groups.num_rows}"
    with function(line, annotation=annotation, head="import typing\n") as process:
        assert not process.answer["iterates"]
        assert [row["n"] for row in process.apply(GROUPS)[0]] == [2, 7, 1]


def test_a_group_of_several_chunks_comes_in_their_pieces():
    with function(PIECES, returns=TEXT) as process:
        for _ in range(2):
            rows, _ = process.apply(GROUPS, chunks=CHUNKS)
            assert [row["said"] for row in rows] == ["[1, 2]", "[3, 4, 5] [6, 7, 8] [9]", "[10]"]


@pytest.mark.parametrize(
    "frame, values",
    [("pandas", "list(piece['x'])"), ("polars", "piece['x'].to_list()"), ("numpy", "piece['x'].tolist()")],
)
def test_pieces_are_frames_as_groups_are(frame, values):
    line = f"return {{'said': ' '.join(str({values}) for piece in groups)}}"
    with function(line, frame=frame, returns=TEXT) as process:
        rows, failures = process.apply(GROUPS, chunks=CHUNKS)
        assert failures == []
        assert [row["said"] for row in rows] == ["[1, 2]", "[3, 4, 5] [6, 7, 8] [9]", "[10]"]


@pytest.mark.parametrize("lines", [["return {'n': next(groups).num_rows}"], ["return {'n': 0}"]])
def test_what_is_not_read_is_skipped(lines):
    with function(*lines) as process:
        for chunks in [CHUNKS, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], None]:
            rows, failures = process.apply(GROUPS, chunks=chunks)
            assert (len(rows), failures) == (3, [])


def test_an_error_between_two_pieces_costs_its_group():
    lines = ["first = next(groups)", "if key.firm == 'b':", "    raise ValueError(first.num_rows)", "return {'n': 1}"]
    with function(*lines) as process:
        for _ in range(2):
            rows, (failure,) = process.apply(GROUPS, chunks=CHUNKS)
            assert [row["group of the message"] for row in rows] == [0, 2]
            assert (failure["group"], failure["message"]) == (1, "ValueError: 3")


def test_a_death_between_two_pieces_leaves_which_group_it_was():
    with function("import os", "next(groups)", "key.firm == 'b' and os._exit(7)", "return {'n': 1}") as process:
        process.send(GROUPS, chunks=CHUNKS)
        assert process._receive()[0] == 0
        assert process.progress() == (2, 1)


def test_an_iterator_that_is_kept_is_of_no_use():
    lines = ["kept.append(groups)", "return {'n': next(kept[0]).num_rows}"]
    with function(*lines, head=HEAD + "kept = []\n") as process:
        rows, failures = process.apply(GROUPS, chunks=CHUNKS)
        assert [row["n"] for row in rows] == [2]
        said = "the rows of a group can be read while its function runs, and it has ended"
        assert [failure["message"] for failure in failures] == [f"RuntimeError: {said}"] * 2
        assert process.progress()[1] == NO_GROUP


def test_groups_that_take_long_are_answered_early():
    lines = ["import time", "time.sleep(0.6)", "return {'n': sum(piece.num_rows for piece in groups)}"]
    with function(*lines) as process:
        rows, _ = process.apply(GROUPS, chunks=CHUNKS)
        assert ([row["n"] for row in rows], process.answers) == ([2, 7, 1], 2)


def test_one_chunk_is_held_at_a_time():
    size, count = 1 << 20, 24
    lines = [
        "rows, start = 0, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss",
        "for piece in groups:",
        "    rows += piece.num_rows",
        "    del piece",
        "return {'n': rows, 'grown': resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - start}",
    ]
    returns = [{"name": "n", "type": "int64"}, {"name": "grown", "type": "int64"}]
    import pyarrow as pa

    values = pa.array(range(size * count), pa.int64())
    with function(*lines, head=HEAD + "import resource\n", returns=returns) as process:
        ends = [size * place for place in range(1, count + 1)]
        (row,), _ = process.apply({"a": {"x": values}}, chunks=ends)
        assert row["n"] == size * count
        # In KiB: of 192 MiB a few chunks of 8 MiB.
        assert row["grown"] < 48 << 10, row["grown"]
