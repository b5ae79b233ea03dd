"""Notices: one line and one count, with ids only."""

import structlog

from atendeja.notify import notice
from atendeja.runtime import Meter


def test_a_notice_is_a_line_and_a_count() -> None:
    meter = Meter()
    with structlog.testing.capture_logs() as lines:
        notice(meter, "number_stopped", number_id="n1", code=190)
        notice(meter, "handoff", conversation_id="c1")
    assert meter.counts == {("notices", "number_stopped"): 1, ("notices", "handoff"): 1}
    assert lines[0] == {"event": "notice", "kind": "number_stopped", "number_id": "n1", "code": 190, "log_level": "warning"}
