"""What can go wrong while models are measured; the message is fit for a user."""


class MeasuringError(Exception):
    """A door did not open, gave no answer or a wrong one, or the load generator is missing."""
