"""The command `triptych`: every flow, and the operator's verbs, as subcommands.

To add one, write its line into the table: its name, what it does, and the module that holds its
`COMMAND`.
"""

import sys
from pathlib import Path

from tasks.orchestration.program import Program, Verb

PROGRAM = Program(
    distribution="triptych",
    first="First type `triptych up`: it starts everything, and tells where to look.",
    groups={
        "operate": (
            Verb("up", "start everything on this machine, until Ctrl-C", "flows.verbs.up"),
            Verb("watch", "end dead runs, see to missed nights", "flows.verbs.watch"),
            Verb("env", "let a shell ask the Prefect server: its password", "flows.verbs.env"),
            Verb("rollback", "take back the last night, model or release", "flows.verbs.rollback"),
            Verb("backup", "copy everything into one file", "flows.verbs.backup"),
            Verb("doctor", "what is wrong here, and what cures it", "flows.verbs.doctor"),
            Verb("status", "what runs, how all stands, what needs you", "flows.verbs.status"),
            Verb("trace", "where a result, model or release comes from", "flows.verbs.trace"),
            Verb("notify", "see and test who is told what is wrong", "flows.verbs.notify"),
            Verb("digest", "how the night was, and what needs a person", "flows.digest"),
            Verb("backfill", "the nightly run for each of many dates", "flows.verbs.backfill"),
            Verb("prune", "delete what is older than it has to be kept", "flows.prune"),
        ),
        "choose": (
            Verb("compare", "one model in three ways: what suits you", "flows.compare_strategies"),
        ),
        "batch": (
            Verb("score-sentiment", "score customer reviews: the night", "flows.score_sentiment"),
            Verb("train-sentiment", "train the model on labelled reviews", "flows.train_sentiment"),
        ),
        "real time": (
            Verb("train-fraud", "train the model, promote it if it is good", "flows.train_fraud"),
            Verb("register-fraud", "package a Keras network that you have", "flows.register_fraud"),
            Verb("manage-models", "promote, shadow, check, list models", "flows.manage_models"),
            Verb("audit-fraud", "compare answers with labels that came", "flows.audit_fraud"),
        ),
        "edge": (
            Verb("train-detector", "train on images with annotations", "flows.train_detector"),
            Verb("publish-detector", "convert, prove, sign, publish", "flows.publish_detector"),
            Verb("manage-releases", "roll out, withdraw, renew, list", "flows.manage_releases"),
            Verb("collect-telemetry", "load what devices report", "flows.collect_telemetry"),
        ),
    },
)


def main() -> None:
    """The console script's entry, and that of `python -m flows`."""
    called = Path(sys.argv[0]).stem
    PROGRAM.run("triptych" if called == "triptych" else "python -m flows", sys.argv[1:])


if __name__ == "__main__":
    main()
