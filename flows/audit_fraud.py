"""The nightly audit: how good the fraud detector's answers were, by the labels that came since."""

from typing import Self

from prefect import flow
from pydantic import Field, model_validator

from tasks import audit_fraud as steps
from tasks.orchestration.command_line import FlowCommand
from tasks.orchestration.parameters import Day, FlowParameters, LocalPath
from tasks.orchestration.transaction_files import (
    Columns,
    DecimalMark,
    Decimals,
    Delimiter,
    Refunds,
    TimeStart,
    require_file,
)


class AuditFraud(FlowParameters):
    """Audit the fraud detector: quality, drift and alerts per day, by the labels that came since.

    Promotion is blocked when quality has fallen, and allowed again when it is back. The snapshot
    that the service starts from is written too. Run it again as often as you like.
    """

    run_date: Day | None = Field(
        None,
        description="the logical day: days before it are audited; by default the day for which"
        " the run was scheduled, in UTC",
    )
    days: int = Field(14, ge=1, le=366, description="days whose labels are complete")
    delay_days: int = Field(
        7, ge=0, le=90, description="how long the labels of a day take; younger days wait"
    )
    labels: LocalPath | None = Field(
        None,
        description="CSV or Parquet file of late labels, loaded first: transaction_id, is_fraud"
        " and, optionally, labelled_at; with any delimiter, and as Sparkov and IEEE-CIS call them",
    )
    transactions: LocalPath | None = Field(
        None,
        description="CSV or Parquet file of all transactions, for the service's snapshot; by"
        " default the snapshot so far and what the service has answered since; columns as in"
        " train_fraud",
    )
    columns: Columns = None
    time_start: TimeStart = None
    delimiter: Delimiter = None
    decimal_mark: DecimalMark = None
    decimals: Decimals = 2
    refunds: Refunds = "refuse"
    max_ap_drop: float = Field(
        0.15,
        ge=0,
        le=1,
        description="promotion is blocked if average precision is further below the card's test"
        " period",
    )
    max_auc_drop: float = Field(0.08, ge=0, le=1, description="the same for AUC ROC")
    max_alert_ratio: float = Field(
        3.0, gt=0, description="or if more cards a day are flagged than this times the budget"
    )
    min_frauds: int = Field(
        30, ge=1, description="labelled frauds below which quality is not judged"
    )

    @model_validator(mode="after")
    def _refuse_options_without_their_file(self) -> Self:
        require_file(self, "transactions")
        return self


@flow(name="audit-fraud", flow_run_name=steps.name_run)
def audit_fraud(params: AuditFraud) -> steps.Outcome:
    """Load late labels, write the snapshot, measure, judge, report."""
    run = steps.open_run(params)
    labels = steps.load_labels(run)
    snapshot = steps.write_snapshot(run)
    audit = steps.measure(run)
    verdict = steps.judge(run, audit)
    outcome: steps.Outcome = steps.write_report(run, audit, verdict, labels, snapshot)
    return outcome


COMMAND = FlowCommand(AuditFraud, audit_fraud, steps.ERRORS)

if __name__ == "__main__":
    COMMAND.run("python -m flows.audit_fraud")
