"""What is measured: one small file for each measure, pure functions of ranks and numbers.

A rank counts from 1; None means that what was sought is not among what was found.
"""
