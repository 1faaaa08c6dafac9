"""Server-sent events: cut anywhere they are the same events, and nothing of them is lost."""

from __future__ import annotations

import json

import pytest
from guardian.adapters._sse import Event, EventParser, encoded
from hypothesis import given
from hypothesis import strategies as st

from guardian import InputError

lines = st.sampled_from(
    [
        "data: {}",
        'data: {"é漢": "😀"}',
        "data:x",
        "event: ping",
        ": comment",
        "id: 7",
        "data",
        "",
        "retry: 3",
        "data: a\u2028b",
    ]
)
streams = st.lists(st.tuples(lines, st.sampled_from(["\n", "\r\n", "\r"])), max_size=20).map(
    lambda found: "".join(line + ending for line, ending in found).encode()
)


def parsed(content: bytes, lengths: list[int]) -> list[Event]:
    events: list[Event] = []
    parser, position, number = EventParser(), 0, 0
    while position < len(content):
        length = lengths[number % len(lengths)]
        events += parser.feed(content[position : position + length])
        position, number = position + length, number + 1
    return [*events, *parser.finish()]


@given(streams, st.lists(st.integers(1, 9), min_size=1, max_size=4))
def test_events_are_the_same_wherever_the_stream_is_cut(content: bytes, lengths: list[int]) -> None:
    def read(events: list[Event]) -> list[tuple[str | None, bytes | None]]:
        return [(e.name, e.data) for e in events if e.data is not None or e.name is not None]

    cut, whole = parsed(content, lengths), parsed(content, [len(content) or 1])
    assert b"".join(e.raw for e in cut) == content
    assert read(cut) == read(whole)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_fields(end: str) -> None:
    raw = end.join(["\ufeff: hello", "event: delta", "id: 9", "data: one", "data:two", "", ""]).encode()
    event, *rest = parsed(raw, [1])
    assert all(other.raw == b"\n" for other in rest)  # the end of a \r\n that came later
    assert (event.name, event.data) == ("delta", b"one\ntwo")


def test_changed_data_keeps_the_other_lines() -> None:
    (event,) = parsed(b': note\r\nevent: e\r\ndata: {"a":\r\ndata: 1}\r\nid: 9\r\n\r\n', [80])
    assert event.json() == {"a": 1}
    assert event.with_data({"a": "é\ud800\n"}) == (
        b': note\r\nevent: e\r\ndata: {"a": "\\u00e9\\ud800\\n"}\r\nid: 9\r\n\r\n'
    )


def test_new_events() -> None:
    assert encoded("e", {"a": 1}) == b'event: e\ndata: {"a": 1}\n\n'
    assert encoded(None, {"a": 1}) == b'data: {"a": 1}\n\n'


@pytest.mark.parametrize("data", [b"{", b"[1]", b'"x"', b"\xff", b"[" * 100_000])
def test_what_is_no_object_is_an_error_that_does_not_say_it(data: bytes) -> None:
    with pytest.raises(InputError, match="an event of the stream") as error:
        Event(b"", None, data).json()
    assert "{" not in str(error.value)


def test_the_end_mark_has_no_data_to_read() -> None:
    assert Event(b"", None, b"[DONE]").json() is None
    assert Event(b"", None, b"").json() is None
    assert json.loads("{}") == Event(b"", None, b"{}").json()
