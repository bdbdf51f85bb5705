"""``botlive publish``: valid lines are published, and invalid lines are reported."""

import io
import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import fakeredis
import pytest

from events import Publisher, PublishError
from events.publishing.address import INVALID
from operations import cli

_DATA = Path(__file__).parents[1] / "data"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> fakeredis.FakeRedis:
    """The Redis server that the command publishes to."""
    server = fakeredis.FakeRedis()
    monkeypatch.setattr(Publisher, "from_env", classmethod(lambda cls, **_: cls(server, within=10)))
    return server


@pytest.fixture
def publish(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run the command over the lines; return its exit code, stdout and the lines of stderr."""

    def run(*lines: bytes) -> tuple[int, str, list[str]]:
        file = tmp_path / "events.ndjson"
        file.write_bytes(b"\n".join(lines))
        with pytest.raises(SystemExit) as ended:
            cli.main(["publish", str(file)])
        shown = capsys.readouterr()
        return int(ended.value.code or 0), shown.out, shown.err.splitlines()

    return run


def _line(**fields: Any) -> bytes:
    event = {"type": "payment_validated", "company_id": "shop", "user_id": "u", "amount": 5, "reference": ""}
    return json.dumps({"event_id": str(uuid4()), **event, **fields}).encode()


def test_good_lines_are_published_in_order(server: fakeredis.FakeRedis, publish: Any) -> None:
    """Each event becomes one job, in the order of the file."""
    ids = [str(uuid4()) for _ in range(3)]
    assert publish(*(_line(event_id=event_id) for event_id in ids)) == (0, "published 3, refused 0\n", [])
    assert server.lrange("rq:queue:botlive", 0, -1) == [event_id.encode() for event_id in ids]


def test_a_bad_line_is_named_and_its_neighbours_go_through(server: fakeredis.FakeRedis, publish: Any) -> None:
    """An invalid line is reported by number, field and problem, without its value; exit code 1."""
    code, out, err = publish(_line(), _line(amount="+2250700000000"), _line())
    assert (code, out) == (1, "published 2, refused 1\n")
    assert len(err) == 1
    assert err[0].startswith("line 2: amount: ")
    assert "2250700000000" not in err[0]
    assert server.llen("rq:queue:botlive") == 2


def test_a_byte_order_mark_is_no_part_of_the_first_line(server: fakeredis.FakeRedis, publish: Any) -> None:
    """Programs on Windows write it. In a later line it is an error like any other text before the object."""
    mark = b"\xef\xbb\xbf"
    code, out, err = publish(mark + _line(), mark + _line())
    assert (code, out, err) == (1, "published 1, refused 1\n", ["line 2: json: is not valid JSON"])


@pytest.mark.parametrize(
    ("name", "encoding"), [("Aïssatou", "utf-16"), ("Awa", "utf-16-be"), ("Aïssatou", "cp1252")]
)
def test_another_encoding_is_named(publish: Any, name: str, encoding: str) -> None:
    """PowerShell's ``>`` writes UTF-16: each line says what to do, instead of that it is not JSON."""
    code, out, err = publish(f'{{"customer_name": "{name}"}}'.encode(encoding))
    assert (code, out) == (1, "published 0, refused 1\n")
    assert err == [
        "line 1: json: is not UTF-8: save the file in this encoding, not in UTF-16 or Windows-1252"
    ]


def test_blank_lines_count_but_say_nothing(server: fakeredis.FakeRedis, publish: Any) -> None:
    """Blank lines are ignored but counted, so that the numbers are those of an editor."""
    code, out, err = publish(b"", b"  \r", _line() + b"\r", b"", b"no json")
    assert (code, out, err) == (1, "published 1, refused 1\n", ["line 5: json: is not valid JSON"])


@pytest.mark.parametrize("bad", [b'{"type": "\xff"}', b"\xff\xfe\x00", b"[1]", b"null"])
def test_what_is_no_json_object_is_refused_as_json(
    server: fakeredis.FakeRedis, publish: Any, bad: bytes
) -> None:
    """Lines that are not JSON objects, or not UTF-8, are refused."""
    code, _, err = publish(bad, _line())
    assert code == 1
    assert len(err) == 1
    assert err[0].startswith("line 1: json: ")
    assert server.llen("rq:queue:botlive") == 1


@pytest.mark.parametrize(
    ("length", "published"), [(999_999, 2), (1_000_000, 2), (1_000_001, 1), (1_000_002, 1), (3_500_000, 1)]
)
@pytest.mark.parametrize("ending", [b"", b"\r"])
def test_a_line_over_1_mb_is_refused_as_json(
    server: fakeredis.FakeRedis, publish: Any, length: int, published: int, ending: bytes
) -> None:
    """A line that is too long is refused once, and the next line is read as usual."""
    code, out, err = publish(_line().rjust(length) + ending, _line())
    assert out == f"published {published}, refused {2 - published}\n"
    assert err == ([] if published == 2 else ["line 1: json: is longer than 1 MB"])
    assert code == 2 - published


def test_more_than_one_chunk(server: fakeredis.FakeRedis, publish: Any) -> None:
    """A file of any length is published."""
    assert publish(*(_line() for _ in range(1_201)))[:2] == (0, "published 1201, refused 0\n")
    assert server.llen("rq:queue:botlive") == 1_201


def test_an_empty_file(server: fakeredis.FakeRedis, publish: Any) -> None:
    """An empty file is a success."""
    assert publish() == (0, "published 0, refused 0\n", [])


def test_a_redis_that_goes_away_is_told_with_what_it_confirmed(
    server: fakeredis.FakeRedis, publish: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If Redis goes away, one line has the number of confirmed events; exit code 3."""
    real, calls = Publisher.publish_many, []

    def fails_at_the_second(self: Publisher, events: Any) -> Any:
        calls.append(1)
        if len(calls) == 2:
            raise PublishError
        return real(self, events)

    monkeypatch.setattr(Publisher, "publish_many", fails_at_the_second)
    code, out, err = publish(*(_line() for _ in range(700)))
    assert (code, out, len(err)) == (3, "", 1)
    assert "500 are confirmed" in err[0]


def test_stdin(
    server: fakeredis.FakeRedis,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    """A dash reads stdin."""
    piped = tmp_path / "piped"
    piped.write_bytes(_line())
    with piped.open("rb") as stream:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(stream))
        with pytest.raises(SystemExit) as ended:
            cli.main(["publish", "-"])
    assert (ended.value.code, capsys.readouterr().out) == (0, "published 1, refused 0\n")


def test_an_unusable_redis_url_is_named_without_its_password(
    monkeypatch: pytest.MonkeyPatch, publish: Any
) -> None:
    """An invalid URL is reported without redis-py's message, which would quote a part of it."""
    monkeypatch.setenv("REDIS_URL", "redis://:6379:s3cr3t/0")
    assert publish(_line()) == (
        2,
        "",
        [f"REDIS_URL: {INVALID}"],
    )


def test_every_line_of_the_bad_examples_is_refused(server: fakeredis.FakeRedis, publish: Any) -> None:
    """Each line of the invalid examples is reported by number, and none is published."""
    lines = (_DATA / "bad.ndjson").read_bytes().splitlines()
    code, out, err = publish(*lines)
    assert (code, out) == (1, f"published 0, refused {len(lines)}\n")
    assert [line.partition(":")[0] for line in err] == [f"line {n}" for n in range(1, len(lines) + 1)]
    assert server.keys() == []


def test_a_trading_day_is_published_whole(server: fakeredis.FakeRedis, publish: Any) -> None:
    """All events of the example day are published."""
    lines = (_DATA / "trading-day.ndjson").read_bytes().splitlines()
    code, out, _ = publish(*lines)
    assert (code, out) == (0, f"published {len(lines)}, refused 0\n")
