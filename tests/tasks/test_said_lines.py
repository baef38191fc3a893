"""What a step says on standard error arrives as it is, whatever stands in it."""

from tasks import train_detector


def test_brackets_are_no_markup(capsys):
    line = "took bbox for [left, top] in /data/[old]/labels.json"

    train_detector._say(line)

    assert capsys.readouterr().err == f"{line}\n"
