"""What can go wrong with a comparison: the message says what, and what would be right."""


class ComparisonError(Exception):
    """No comparison can be made so."""


class RequirementsError(ComparisonError):
    """The file of requirements is missing, or says what cannot be meant."""


class PricesError(ComparisonError):
    """The price sheet is missing, or says what cannot be meant."""


class MeasurementsError(ComparisonError):
    """The file of measurements is missing, or is none."""


class MeasuringError(ComparisonError):
    """A door did not open, gave no answer or a wrong one, or the load generator is missing."""
