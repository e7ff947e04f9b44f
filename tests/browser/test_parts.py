"""What all views are made of: formats, elements, charts, and the stream of events, as a browser runs them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pytest
from playwright.sync_api import Page

from tests.support.browser.screens import Screen, Screens
from tests.support.browser.simulators import Simulator
from tests.support.browser.views import is_live

NONE: Final = "\u2013"
FORMATS: Final = [
    ("number(1234.5678, 2)", "1,234.57"),
    ("number(12.345)", "12.3"),
    ("number(-0.001)", "0"),
    ("number(NaN)", NONE),
    ("percent(0.5)", "50.0 %"),
    ("percent(0.99999)", "> 99.9 %"),
    ("percent(0.00001)", "< 0.1 %"),
    ("percent(1)", "100 %"),
    ("percent(null)", NONE),
    ("seconds(0.004)", "4 ms"),
    ("seconds(59.7)", "1 min"),
    ("seconds(125)", "2 min 5 s"),
    ("seconds(90061)", "1 d 1 h"),
    ("rate(2000)", "2,000 msg/s"),
    ("rate(undefined)", NONE),
    ("milliseconds(12500)", "13 s"),
    ("bytes(999)", "999 B"),
    ("bytes(1500000)", "1.5 MB"),
    ("clock('2026-01-05T23:30:00Z', 'Europe/Berlin')", "00:30:00"),
    ("clock('2026-07-05T08:00:00Z', 'Europe/Berlin')", "10:00:00"),
    ("clock('2026-01-05T08:00:00Z', 'No/Where')", "08:00:00"),
    ("clock(null, 'UTC')", NONE),
    ("since('2026-01-05T08:00:00Z', '2026-01-05T08:03:40Z')", "3 min"),
    ("words('planned_stop')", "planned stop"),
    ("count(1, 'fault')", "1 fault"),
]


@pytest.fixture(scope="module")
def overview(screens: Screens, default_plant: Simulator) -> Iterator[Screen]:
    """The overview, which stays as it is in all of this file."""
    with screens.one(default_plant.url) as screen:
        screen.page.goto(default_plant.url)
        is_live(screen.page)
        yield screen


@pytest.fixture
def page(overview: Screen) -> Iterator[Page]:
    """The overview, whose modules can be called; it must be free of errors to the end of the test."""
    yield overview.page
    wrong = [*overview.watch.wrong]
    overview.watch.begin(overview.page.url)
    assert wrong == []


def test_values_have_units_and_unknown_ones_a_dash(page: Page) -> None:
    """Times are in the zone of the plant, whatever that of the browser is."""
    calls = ", ".join(f"f.{call}" for call, _ in FORMATS)

    assert page.evaluate(f"import('/page/format.js').then(f => [{calls}])") == [text for _, text in FORMATS]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("onclick", "alert(1)"),
        ("ONCLICK", "alert(1)"),
        ("style", "color: red"),
        ("srcdoc", "<script></script>"),
        ("href", "javascript:alert(1)"),
        ("href", " java\nscript:alert(1)"),
        ("src", "data:text/html,x"),
    ],
)
def test_an_attribute_that_could_run_something_is_refused(name: str, value: str, page: Page) -> None:
    """Whoever made the text: no view can set it by mistake."""
    made = """([name, value]) => import("/page/dom.js").then(({el}) => {
      try { el("a", {[name]: value}); return "made"; } catch (error) { return error.message; }
    })"""

    assert name in page.evaluate(made, [name, value])


def test_a_list_keeps_the_elements_of_what_stays(page: Page) -> None:
    """So focus stays where it is, and nothing is built anew; the order is that of the items."""
    kept = """() => import("/page/dom.js").then(({el, keyed, write}) => {
      const list = el("ul");
      const make = () => { const node = el("li"); return {node, update: (item) => write(node, item)}; };
      const rows = keyed(list, make, (item) => item);
      rows(["a", "b", "c"]);
      const [first, second] = list.children;
      rows(["c", "b", "d"]);
      return [list.textContent, list.children[1] === second, first.isConnected, list.children.length];
    })"""

    assert page.evaluate(kept) == ["cbd", True, False, 3]


def test_charts_keep_fifteen_minutes(page: Page) -> None:
    """A value a second for an hour leaves 901 points in the line, and the states of that time."""
    drawn = """() => import("/page/charts.js").then(async ({lineChart, stateBar}) => {
      const chart = lineChart({label: "power", unit: "kW", limits: [0, 10], setPoint: 5});
      const states = stateBar({label: "States", producing: "running"});
      for (let second = 0; second < 3600; second++) {
        chart.add(second * 1000, second % 7);
        states.add(second * 1000, second % 600 < 300 ? "running" : "idle");
      }
      document.body.append(chart.node, states.node);
      await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
      return [
        chart.node.querySelector(".chart-line").getAttribute("d").split(/[ML]/).length - 1,
        chart.node.textContent,
        states.node.querySelectorAll("rect").length,
        states.node.querySelector(".legend").textContent,
      ];
    })"""
    points, text, spans, legend = page.evaluate(drawn)

    assert points == 901
    assert "power: 1 kW, from 0 to 6" in text
    assert "15 min ago" in text
    assert spans == 4
    assert legend.startswith(("33 % running", "67 % idle"))


def test_charts_begin_again_where_time_goes_back(page: Page) -> None:
    """A simulator that is started again may begin at an earlier time than the one before it had reached."""
    drawn = """() => import("/page/charts.js").then(async ({lineChart, stateBar}) => {
      const chart = lineChart({label: "power", unit: "kW"});
      const states = stateBar({label: "States", producing: "running"});
      for (const [second, value, state] of [[600, 9, "idle"], [601, 9, "idle"], [0, 1, "running"], [1, 2, "running"]]) {
        chart.add(second * 1000, value);
        states.add(second * 1000, state);
      }
      document.body.append(chart.node, states.node);
      await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
      return [chart.node.textContent, states.node.querySelector(".legend").textContent];
    })"""

    text, legend = page.evaluate(drawn)

    assert "power: 2 kW, from 1 to 2" in text
    assert legend == "100 % running"


def test_the_journal_begins_again_with_another_run(page: Page) -> None:
    """A simulator that is started again counts its commands from one again."""
    shown = """() => import("/page/journal.js").then(async ({journalTable}) => {
      const command = {command: "stop"};
      const entry = (number, by) => ({number, by, command, time: "2026-01-05T08:00:00Z", answer: {}});
      let kept = [entry(7, "the first run")];
      const live = {overview: {journal: kept, process: {uptime_seconds: 500}}};
      const {node, update} = journalTable({live, api: {get: async () => ({entries: kept})}});
      await new Promise((resolve) => setTimeout(resolve));
      update();
      kept = [entry(1, "the second run")];
      live.overview = {journal: kept, process: {uptime_seconds: 3}};
      update();
      await new Promise((resolve) => setTimeout(resolve));
      return node.querySelector("tbody").textContent;
    })"""

    text = page.evaluate(shown)

    assert "the second run" in text
    assert "the first run" not in text


def test_a_state_has_the_colour_of_its_role(page: Page) -> None:
    """Not of a machine type: the state that produces is told by the plant."""
    classes = """() => import("/page/charts.js").then(({stateClass}) => [
      stateClass("pressing", "pressing"), stateClass("running", "pressing"), stateClass("stopped", "running"),
      stateClass("blocked", "running"), stateClass("planned_stop", "running"), stateClass("faulted", "running"),
      stateClass(null, null),
    ])"""
    names = ("producing", "other", "stopped", "waiting", "planned", "faulted", "other")

    assert page.evaluate(classes) == [f"state-{name}" for name in names]


def test_filters_that_are_refused_are_told_and_the_stream_goes_on(page: Page, overview: Screen) -> None:
    """The reason is that of the API, and what is live stays live."""
    overview.watch.allowed.add(422)
    asked = """() => import("/page/live.js").then(({Live}) => {
      const live = new Live();
      const refused = new Promise((resolve) => live.addEventListener("refused", ({detail}) => resolve(detail.status)));
      const again = new Promise((resolve) => live.addEventListener("refused", () => {
        live.addEventListener("overview", () => resolve(live.status));
      }));
      live.watch({traffic: {qos: "many"}});
      live.start();
      return Promise.all([refused, again]);
    })"""

    assert page.evaluate(asked) == [422, "live"]
