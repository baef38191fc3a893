"""Promises of every plot."""

from services.reporting.plots import BAD, INK, LINES, open_figure, render_svg, style, thousands


def draw(name: str) -> str:
    with style():
        figure = open_figure(400, 200)
        axes = figure.subplots()
        for number, line in enumerate(LINES):
            axes.plot([0, 1], [0, number], color=line)
        axes.set_xlabel("a <b> $x$", color=INK)
        return render_svg(figure, name)


def test_plot_wears_the_colours_of_the_page():
    """Each is a variable, so that one picture serves light and dark."""
    svg = draw("one")
    for variable in ("--ink", "--muted", "--rule", "--good", "--bad", "--accent", "--line5"):
        assert f"var({variable})" in svg
    assert "#0a0b" not in svg and BAD not in svg


def test_plot_is_a_bare_element_that_scales():
    """To be put into a page: no size, no namespace, no metadata; text stays text."""
    svg = draw("one")
    assert svg.startswith("<svg aria-hidden") and svg.endswith("</svg>")
    head = svg[: svg.index(">")]
    assert "viewBox" in head and "width=" not in head and "xmlns" not in svg
    assert "<metadata" not in svg and "a &lt;b&gt; $x$" in svg


def test_plots_of_one_page_share_no_ids():
    """And the same figures give the same bytes."""
    assert draw("one") == draw("one")
    ids = [{part.split('"')[0] for part in draw(name).split(' id="')[1:]} for name in ("a", "b")]
    assert ids[0] and not ids[0] & ids[1]


def test_labels_of_an_axis_are_grouped():
    assert [thousands(value, 0) for value in (12_345.0, 0.5)] == ["12,345", "0.5"]
