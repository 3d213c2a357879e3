"""Answers from contexts, by a reader and judged by a judge that both are language models: with fixed prompts, in one ledger."""
