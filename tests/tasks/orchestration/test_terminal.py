"""Promises of what a run tells on the terminal."""

from rich.text import Text

from tasks.orchestration.terminal import print_notice, print_result

HOSTILE = "[red]x[/red] :boom: /a/very/long/path" + "/deeper" * 30


def test_text_from_outside_cannot_style_the_terminal(capsys):
    """Brackets, emoji and long paths come out as they are, on the stream that was meant."""
    print_result(HOSTILE)
    print_notice(HOSTILE)
    assert capsys.readouterr() == (f"{HOSTILE}\n", f"{HOSTILE}\n")


def test_styled_text_keeps_its_words(capsys):
    """What a panel renders for the terminal is printed unwrapped, too."""
    print_result(Text.assemble(("model  ", "dim"), HOSTILE))
    assert capsys.readouterr().out == f"model  {HOSTILE}\n"
