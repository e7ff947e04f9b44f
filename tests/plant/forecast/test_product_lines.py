"""What `check` says of orders to a line."""

from __future__ import annotations

from plant.definition.plant_config import parse
from plant.forecast.field_tables import field_tables
from plant.forecast.rate_forecast import forecast
from tests.plant.material_flow.order_lines import line_data
from tests.support.factory.own_lines import three


def lines_of(text: str) -> list[str]:
    """The lines of the table of orders about products."""
    table = text.partition("\ncustomer_order: ")[2].partition("\n\n")[0]
    return [line.strip() for line in table.splitlines() if line.lstrip().startswith(("Kit", "Lids", "Any", "an order"))]


def test_each_product_is_shown_with_what_it_consists_of() -> None:
    """Its units with their kinds, and how many units an order needs and the line can ship."""
    config = parse(line_data())
    *products, order = lines_of(field_tables(config, forecast(config)))

    assert products == [
        "Kit        2 of press Lid, check red; 1 of press Box",
        "Lids       3 of press Lid",
        "Any        2 of any kinds",
    ]
    assert order.startswith("an order   ")
    assert "units on average; the line ships up to " in order


def test_without_products_only_the_units_of_an_order_are_shown() -> None:
    """Kinds do not matter then."""
    config = three()
    (order,) = lines_of(field_tables(config, forecast(config)))

    assert order.startswith("an order   2 units on average")
