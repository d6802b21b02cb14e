"""Runs the command line: `python -m slr_accel COMMAND` is `slr-accel COMMAND`."""

from slr_accel.cli import main

main()
