"""What can be wrong with what a comparison is given: the message says what would be right."""


class ComparisonError(Exception):
    """A file or a wish that no comparison can be made from."""


class RequirementsError(ComparisonError):
    """The file of requirements is missing, or says what cannot be meant."""


class PricesError(ComparisonError):
    """The price sheet is missing, or says what cannot be meant."""


class MeasurementsError(ComparisonError):
    """The file of measurements is missing, or is none."""
