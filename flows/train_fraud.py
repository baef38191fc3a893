"""Train the fraud model, and let it answer if it is good enough."""

from typing import Self

from prefect import flow
from pydantic import Field, model_validator

from tasks import train_fraud as steps
from tasks.orchestration.command_line import FlowCommand
from tasks.orchestration.parameters import Day, FlowParameters, LocalPath
from tasks.orchestration.transaction_files import (
    Columns,
    DecimalMark,
    Decimals,
    Delimiter,
    Refunds,
    TimeStart,
)

_OF_TABLES = frozenset({"label", "time", "categories", "leave_out", "blank", "test_share"})
_OF_TRANSACTIONS = frozenset(
    {"transactions", "columns", "time_start", "decimals", "refunds", "customers", "terminals"}
    | {"days", "test_start", "train_days", "delay_days", "test_days"}
)


class TrainFraud(FlowParameters):
    """Train a network on card transactions, evaluate it on the days after, and make it champion.

    Without --transactions they are simulated. With --table the network reads the columns of any
    table as they are, and callers send these. The champion is replaced only by a model that is
    about as good or better on the same days; the running service takes it up within seconds.
    """

    moved_to = "manage_models"
    moved = ("rollback",)

    transactions: LocalPath | None = Field(
        None,
        description="CSV or Parquet file with the columns transaction_id, customer_id,"
        " terminal_id, amount, time and is_fraud, or the Fraud Detection Handbook's; PaySim's and"
        " Sparkov's are recognised",
    )
    columns: Columns = None
    time_start: TimeStart = None
    delimiter: Delimiter = None
    decimal_mark: DecimalMark = None
    decimals: Decimals = 2
    refunds: Refunds = "refuse"
    table: LocalPath | None = Field(
        None, description="instead of transactions: CSV or Parquet file of any columns of numbers"
    )
    label: str | None = Field(None, description="the table's column that says what is fraud")
    time: str | None = Field(
        None,
        description="the table's column of times, by which the last rows test: dates, or numbers"
        " with their unit, such as Time:seconds",
    )
    categories: tuple[str, ...] = Field(
        (), description="the table's columns of few values, each of which becomes a feature"
    )
    leave_out: tuple[str, ...] = Field((), description="the table's columns that are no features")
    blank: float | None = Field(
        None,
        ge=-1e12,
        le=1e12,
        allow_inf_nan=False,
        description="number that stands for the table's blank cells, which are refused else",
    )
    test_share: float = Field(
        0.2, gt=0, lt=1, description="of the table's rows, the last ones, that the figures are of"
    )
    customers: int = Field(5_000, ge=1, le=200_000, description="that are simulated")
    terminals: int = Field(10_000, ge=2, le=400_000, description="that are simulated")
    days: int = Field(
        80, ge=3, le=2_000, description="that are simulated; the last is the day before run_date"
    )
    run_date: Day | None = Field(
        None, description="the logical day; by default the day for which the run was scheduled"
    )
    test_start: Day | None = Field(
        None, description="first day of the test; by default it ends with the last transactions"
    )
    train_days: int = Field(28, ge=1, description="that end delay_days before the test")
    delay_days: int = Field(7, ge=0, description="until it is known what was fraud")
    test_days: int = Field(7, ge=1, description="that the figures are of")
    alerts_per_day: float = Field(
        100, gt=0, description="cards that can be looked at in a day; gives the threshold"
    )
    seed: int = Field(0, ge=0, le=4_000, description="of everything that is drawn")
    max_ap_loss: float = Field(
        0.02,
        ge=0,
        le=1,
        description="average precision that may be lost to the champion, and to a logistic"
        " regression that the network began as",
    )
    min_floor_gain: float = Field(
        0.0,
        ge=-1,
        le=1,
        description="average precision to gain over a logistic regression; negative: to lose",
    )
    min_auc_roc: float | None = Field(None, ge=0, le=1, description="that is asked for")
    min_average_precision: float | None = Field(None, ge=0, le=1, description="that is asked for")
    min_card_precision: float | None = Field(
        None, ge=0, le=1, description="among the 100 most suspicious cards of a day"
    )
    promote: bool = Field(
        True, description="make it champion if it passes, and hand its history to the service"
    )
    shadow: bool = Field(False, description="let it score along unheard, instead of promoting it")
    override_block: bool = Field(False, description="promote although an audit has blocked it")
    new_contract: bool = Field(
        False, description="promote although it reads other features than the champion"
    )

    @model_validator(mode="after")
    def _refuse_what_does_not_go_together(self) -> Self:
        given = {
            name
            for name, field in type(self).model_fields.items()
            if getattr(self, name) != field.default
        }
        if self.table is None:
            if alone := sorted(given & _OF_TABLES):
                raise ValueError(f"{', '.join(alone)}: only with a table")
        elif others := sorted(given & _OF_TRANSACTIONS):
            raise ValueError(f"{', '.join(others)}: not with a table")
        elif self.label is None:
            raise ValueError("a table needs a label: the column that says what is fraud")
        return self


@flow(name="train-fraud", flow_run_name=steps.name_run)
def train_fraud(params: TrainFraud) -> str:
    """Read, train, gate, register, promote; the tag of the model."""
    with steps.open_run(params) as job:
        steps.read(job)
        steps.compute_features(job)
        steps.train(job)
        verdict = steps.compare(job)
        tag = steps.register(job)
        steps.write_snapshot(job)
        role = steps.promote(job, tag, verdict)
        steps.write_report(job, tag, role, verdict)
        return steps.settle(job, tag, role, verdict)


COMMAND = FlowCommand(TrainFraud, train_fraud, steps.ERRORS)

if __name__ == "__main__":
    COMMAND.run("python -m flows.train_fraud")
