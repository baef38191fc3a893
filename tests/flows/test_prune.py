"""`triptych prune` as a flow: it shows first, and deletes only with --yes."""

import os


def test_prune_shows_what_would_go_and_deletes_it_when_told(tmp_path, run_here):
    """On an empty home, and with an old report beside newer ones; a wrong hold ends it."""
    home = tmp_path / "home"
    reports = home / "fraud" / "reports"
    reports.mkdir(parents=True)
    for n in range(11):
        (reports / f"{n}.html").write_text("<html>")
        os.utime(reports / f"{n}.html", (n + 1, n + 1))

    status, output, errors = run_here("prune", home)
    assert status == 0
    assert "would go" in output and "nothing was deleted: --yes" in errors
    assert len(list(reports.iterdir())) == 11

    status, output, _ = run_here("prune", home, "--yes")
    assert (status, len(list(reports.iterdir()))) == (0, 10)
    assert "reports" in output and "gone" in output

    (home / "legal-hold.txt").write_text("everything\n")
    status, _, errors = run_here("prune", home, "--yes")
    assert status == 1
    assert "legal-hold.txt, line 1: 'everything' is no kind" in errors

    (home / "legal-hold.txt").unlink()
    aside = home / "sentiment" / "taken_back" / "run_date=2026-11-22" / "shop"
    aside.mkdir(parents=True)
    (aside / "night.json").write_text("{")
    status, output, errors = run_here("prune", home, "--yes")
    assert (status, "reports" in output) == (1, True)
    assert f"not looked at: {aside}/night.json is damaged" in errors
