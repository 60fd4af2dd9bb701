"""Three servers as the command line starts them, real clients, and kills: every message is accounted for."""

from __future__ import annotations

from pathlib import Path

from tests.chaos.chaos import end_to_end


async def test_every_message_is_delivered_once_in_order_or_accounted_for(tmp_path: Path) -> None:
    outcome = await end_to_end(20_000, 1, tmp_path, print)
    assert outcome.faults == (), (outcome.faults[:5], outcome.figures)
