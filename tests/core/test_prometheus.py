"""What Prometheus scrapes: read back by its own parser."""

from __future__ import annotations

from decimal import Decimal

from prometheus_client.parser import text_string_to_metric_families

from cartlake.core.prometheus import Gauge, exposition


def test_names_labels_and_values_come_back_as_they_were_also_hostile_ones() -> None:
    hostile = 'a "quoted" \\ name\nwith {braces}, and = signs'
    text = exposition(
        [
            Gauge("cartlake_feed_rows_in", 'Rows: \\ and\nlines "here".', [({"feed": hostile}, Decimal("516.000000"))]),
            Gauge("cartlake_publication", "Number.", [({}, Decimal(120))]),
            Gauge("cartlake_feed_score", "Nothing was measured.", []),
        ]
    )
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert {name: [(s.labels, s.value) for s in family.samples] for name, family in families.items()} == {
        "cartlake_feed_rows_in": [({"feed": hostile}, 516)],
        "cartlake_publication": [({}, 120)],
    }
    assert families["cartlake_feed_rows_in"].documentation == 'Rows: \\ and\nlines "here".'
    assert " 516\n" in text, "no zeros that say nothing"
    assert " 120\n" in text, "no zero that says something is lost"
