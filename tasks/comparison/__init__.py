"""One model deployed in three ways: measured, priced, and recommended by what is needed."""
