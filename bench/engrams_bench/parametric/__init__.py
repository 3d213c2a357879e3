"""Memories in weights, measured on a model small enough to be trained anew for every seed."""
