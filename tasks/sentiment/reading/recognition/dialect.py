"""How a CSV or TSV text is written, found out on a sample of it.

Each way to tell cells apart is tried on the sample, and the one that explains most of its records
wins; of equals the plainest does. What was asked for is never doubted.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from tasks.sentiment.errors import SourceError
from tasks.sentiment.reading.recognition.records import Dialect, is_glued, records

SAMPLE_CHARACTERS = 262_144
MOST_PREAMBLE = 20  # lines
_LEAST_BODY = {1: 10, 2: 10}  # by columns: records behind a preamble, header included
DELIMITERS = (",", ";", "\t", "|")
_SEPARATOR = re.compile(r"\s*\"?sep=(.)\"?[\s,;]*", re.IGNORECASE | re.DOTALL)
_FIGURE = re.compile(r"\W*[0-9][0-9\W]*")
_LONGEST_NAME = 100
_MOST_WORDS = 6  # of a name
_BY_CHANCE = 0.1
_AS_NAMED = 0.95  # where the delimiter that the name tells explains as much, no other is taken
_SURE = 0.9  # share of records that a guess must explain


@dataclass(frozen=True, slots=True)
class TextFormat:
    """How text files are written, as far as neither their names nor they themselves say it.

    Attributes:
        encoding: of files without a byte-order mark.
        columns: names of a CSV file's columns; without them its header names them.
        delimiter: None, like the next three: what a sample says. One with a space behind it: spaces
            after the delimiter belong to no cell.
        quote: "none": a quote is a character like any other.
        escape: "none": no character is one.
        skip_lines: physical lines before the header, or before the first row.
        decimal_comma: carried columns in which 5,0 is 5.0.
        sheet: of a workbook; without it the only one that is not empty.
    """

    encoding: str = "utf-8"
    columns: tuple[str, ...] = ()
    delimiter: str | None = None
    quote: str | None = None
    escape: str | None = None
    skip_lines: int | None = None
    decimal_comma: tuple[str, ...] = ()
    sheet: str | None = None


UTF8 = TextFormat()


@dataclass(frozen=True, slots=True)
class _Trial:
    """A dialect on the sample.

    Attributes:
        fit: share of the records that it explains; one that is short counts half.
        width: fields of the header, or of the columns that are given.
    """

    dialect: Dialect
    fit: float
    width: int


def detect(lines: Sequence[str], asked: TextFormat, file: str, *, is_whole: bool) -> Dialect:
    """The dialect of a text that begins with these lines.

    Args:
        lines: without those that `asked` skips.
        file: its name, which decides between tabs and commas where the text does not.
        is_whole: the lines are all of it.
    Raises: SourceError: two delimiters explain it equally well.
    """
    usual = "\t" if _is_named_tsv(file) else ","
    named = _SEPARATOR.fullmatch(lines[0]) if lines else None
    given = asked.delimiter or (named[1] if named else None)
    start = Dialect(
        delimiter=(given or usual)[0],
        quote=None if asked.quote == "none" else asked.quote or '"',
        escape=None if asked.escape == "none" else asked.escape,
        skips_spaces=bool(asked.delimiter and asked.delimiter[1:]),
        skip_lines=1 if named and asked.skip_lines is None else 0,
    )
    sample = _Sample(lines, asked, start.skip_lines, is_whole)
    best = _find_best(sample, start, given is not None, file)
    return _settle_quoting(sample, best) if asked.quote is None else best.dialect


def _is_named_tsv(file: str) -> bool:
    return re.search(r"\.(?:tsv|tab)(?:\.\w+)?$", file.lower()) is not None


def _find_best(sample: "_Sample", start: Dialect, is_given: bool, file: str) -> _Trial:
    first = sample.attempt(start)
    if first.fit == 1.0 and first.width > 1 and sample.has_header:
        return first
    others = () if is_given else [d for d in DELIMITERS if d != start.delimiter and sample.has(d)]
    plain = [first, *(sample.attempt(replace(start, delimiter=other)) for other in others)]
    trials = [
        trial
        for base in plain
        for trial in (base, *map(sample.attempt, sample.variations(base.dialect)))
    ]
    usable = [trial for trial in trials if trial.width > 1]
    if not usable:
        return first
    usual = max((t for t in trials if t.dialect.delimiter == start.delimiter), key=_rank)
    best = max(usable, key=_rank)
    if sample.has_header and usual.width > 1 and usual.fit >= min(best.fit, _AS_NAMED):
        return usual
    rivals = {t.dialect.delimiter for t in usable if t.fit == best.fit}
    if len(rivals) > 1 and best.fit > _SURE:
        raise SourceError(
            f"{file} can be read with each of {' '.join(sorted(map(repr, rivals)))} between its"
            " cells: give --delimiter"
        )
    return best


def _rank(trial: _Trial) -> float:
    """Where cells may begin with a space and a quote by chance, that must not decide."""
    return trial.fit - (_BY_CHANCE if trial.dialect.skips_spaces else 0)


def _settle_quoting(sample: "_Sample", best: _Trial) -> Dialect:
    """Between tabs and bars a quote may be a character like any other: where most cells that
    begin with one do not end with one, and lines are explained no worse without quoting."""
    dialect = best.dialect
    if dialect.delimiter not in "\t|" or dialect.quote is None:
        return dialect
    begun, ended = sample.count_quoted(dialect)
    if not begun:
        return replace(dialect, is_quoting_sure=False)
    if ended * 2 >= begun:
        return dialect
    unquoted = sample.attempt(replace(dialect, quote=None))
    return unquoted.dialect if unquoted.fit >= best.fit else dialect


class _Sample:
    """The first lines of a text, and what a dialect makes of them."""

    def __init__(self, lines: Sequence[str], asked: TextFormat, skip: int, is_whole: bool) -> None:
        self._lines, self._asked = lines[skip:], asked
        self._is_whole = is_whole
        self.has_header = not asked.columns
        self._finds_header = not asked.columns and asked.skip_lines is None

    def has(self, delimiter: str) -> bool:
        return any(delimiter in line for line in self._lines[: MOST_PREAMBLE + 1])

    def variations(self, dialect: Dialect) -> Iterator[Dialect]:
        """The same delimiter with what else the text gives cause for."""
        mark = re.escape(dialect.delimiter)
        if not dialect.skips_spaces and self._holds(rf"{mark} +\S"):
            yield replace(dialect, skips_spaces=True)
        if self._asked.escape is None and self._holds(r'\\"'):
            yield replace(dialect, escape="\\")
        if self._asked.quote is None and self._holds(rf"(?:^|{mark})'"):
            yield replace(dialect, quote="'")

    def _holds(self, pattern: str) -> bool:
        compiled = re.compile(pattern)
        return any(compiled.search(line) for line in self._lines)

    def attempt(self, dialect: Dialect) -> _Trial:
        """Parse the sample; there is a preamble if nearly all that follows it agrees."""
        found, ends = self._parse(dialect)
        header = self._find_header(found) if self._finds_header else 0
        width, fit = self._measure(found[header:], dialect)
        if header and (fit < _SURE or len(found) - header < _LEAST_BODY.get(width, 3)):
            header = 0
            width, fit = self._measure(found, dialect)
        skipped = dialect.skip_lines + (ends[header] - 1 if header else 0)
        return _Trial(replace(dialect, skip_lines=skipped), fit, width)

    def _measure(self, body: Sequence[list[str] | str], dialect: Dialect) -> tuple[int, float]:
        first = next((record for record in body if isinstance(record, list)), [])
        width = len(self._asked.columns) or len(first)
        fits = [_fitness(record, width, dialect) for record in body]
        return width, sum(fits) / len(fits) if fits else 0.0

    def _parse(self, dialect: Dialect) -> tuple[list[list[str] | str], list[int]]:
        """The records, and for each how many lines had been read at its end."""
        found: list[list[str] | str] = []
        ends: list[int] = []
        count, whole = 0, None

        def readline(_: int) -> str:
            nonlocal count, whole
            if count < len(self._lines):
                count += 1
                return self._lines[count - 1]
            whole = len(found) if whole is None else whole
            return ""

        for record in records(readline, "", dialect):
            found.append(record)
            ends.append(count)
        if not self._is_whole and whole and whole < len(found):
            # The sample ends within a record, unless that is one with a lost quote.
            tail = sum(map(len, self._lines[ends[whole - 1] :]))
            if tail < SAMPLE_CHARACTERS // 4:
                return found[:whole], ends[:whole]
        return found, ends

    def _find_header(self, found: Sequence[list[str] | str]) -> int:
        """The number of the first record that may be a header, if those before it are narrower than
        what follows."""
        widths = Counter(len(_trimmed(record)) for record in found if isinstance(record, list))
        if not widths:
            return 0
        usual = widths.most_common(1)[0][0]
        for number, record in enumerate(found[: MOST_PREAMBLE + 1]):
            if isinstance(record, str):
                break
            if len(_trimmed(record)) >= usual:
                is_only_column = number == 1 and _is_word(found[0])
                return number if not is_only_column and _may_be_names(_trimmed(record)) else 0
        return 0

    def count_quoted(self, dialect: Dialect) -> tuple[int, int]:
        """How many pieces between delimiters begin with a quote, and how many of them end so."""
        quote, begun, ended = dialect.quote or '"', 0, 0
        for line in self._lines:
            if quote not in line:
                continue
            for cell in line.rstrip("\r\n").split(dialect.delimiter):
                if cell.startswith(quote):
                    begun += 1
                    ended += len(cell) > 1 and cell.endswith(quote)
        return begun, ended


def looks_like_data(cells: Sequence[str]) -> bool:
    """Whether a line is no header: a figure or a sentence is no name."""
    return any(
        _FIGURE.fullmatch(cell) or len(cell) > _LONGEST_NAME or len(cell.split()) > _MOST_WORDS
        for cell in cells
    )


def _is_word(record: list[str] | str) -> bool:
    """Whether a record is a single word, as the header of a single column is."""
    return len(_trimmed(record)) == 1 and len(record[0].split()) == 1


def _may_be_names(cells: Sequence[str]) -> bool:
    """Whether a line may be a header behind a preamble: all cells are names, and different ones."""
    return (
        all(map(str.strip, cells)) and len(set(cells)) == len(cells) and not looks_like_data(cells)
    )


def _trimmed(fields: Sequence[str]) -> Sequence[str]:
    """Without the empty cells at the end."""
    width = len(fields)
    while width > 1 and not fields[width - 1]:
        width -= 1
    return fields[:width]


def _fitness(record: list[str] | str, width: int, dialect: Dialect) -> float:
    if isinstance(record, str) or len(_trimmed(record)) > width:
        return 0.0
    if len(record) < width:
        return 0.5 if len(record) > 1 else 0.0
    if dialect.delimiter in "\t|" and is_glued(record, dialect.delimiter):
        return 0.5
    quote = None if dialect.skips_spaces else dialect.quote
    return 0.5 if quote and _has_quotes_behind_space(record, quote) else 1.0


def _has_quotes_behind_space(record: Sequence[str], quote: str) -> bool:
    return any(
        cell.startswith(" ") and cell.lstrip(" ").startswith(quote) and cell.endswith(quote)
        for cell in record
    )
