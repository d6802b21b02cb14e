"""Lets `python -m slr_accel` do what `slr-accel` does."""

from slr_accel.cli import main

main()
