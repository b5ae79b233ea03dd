"""The generator reads answers as they come."""

import pytest

from tests.bench.load import Client


@pytest.mark.parametrize("chunks", [1, 7, 1000])
def test_the_generator_reads_an_answer_in_any_pieces(chunks: int) -> None:
    seen: list[int] = []
    client = Client(lambda _, status: seen.append(status))
    answer = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 5\r\nContent-Length: 4\r\n\r\nbusy"
    for start in range(0, len(answer), chunks):
        assert not seen
        client.data_received(answer[start : start + chunks])
    assert seen == [503]
