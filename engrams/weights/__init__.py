"""Parametric memory: what was learnt becomes adapters that can be listed, judged, and forgotten exactly.

Importing the room loads nothing heavy; its modules need the extra `torch`.
"""
