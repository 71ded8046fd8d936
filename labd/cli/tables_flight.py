"""What labctl prints of a job's flight record: a line an exchange, as long as the messages are."""

from __future__ import annotations

from datetime import tzinfo

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from labd.cli.tables import n_bytes, plain_table
from labd.client import Exchange, FlightRecord


def flight_tables(record: FlightRecord, zone: tzinfo) -> list[RenderableType]:
    """The exchanges in order; a sentence where there are none."""
    if not record.exchanges:
        return [Text("no messages to instruments are kept of this job", style="dim")]
    shown: list[RenderableType] = []
    if record.n_left_out:
        shown.append(Text(f"{record.n_left_out} messages before these are left out", style="dim"))
    return [*shown, _table(record, zone)]


def _table(record: FlightRecord, zone: tzinfo) -> Table:
    table = plain_table("at", "instrument", "took", "message")
    table.columns[2].justify = "right"
    table.columns[-1].no_wrap, table.columns[-1].overflow = False, "fold"
    for one in record.exchanges:
        at = one.at.astimezone(zone)
        table.add_row(
            Text(f"{at:%H:%M:%S}.{at.microsecond // 1000:03d}"),
            Text(one.instrument),
            Text(f"{1e3 * one.took_s:.1f} ms" if one.took_s else ""),
            _message(one),
        )
    return table


def _message(one: Exchange) -> Text:
    text = Text(_cut(one.sent, one.sent_bytes))
    if one.received_bytes:
        text.append(" → ", style="dim").append(_cut(one.received, one.received_bytes))
    if one.n_times > 1:
        text.append(f"  ×{one.n_times}", style="dim")
    if one.error:
        text.append(f"  {one.error}", style="red")
    return text


def _cut(text: str, length: int) -> str:
    """A message's beginning, and how long the whole was where there is more of it."""
    return text if len(text) + 2 >= length else f"{text}… ({n_bytes(length)})"
