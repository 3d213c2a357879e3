"""Memory for coding agents: hooks that write down a session in milliseconds, and tell the next one what matters.

What an agent waits for (`door`, `capture`, `transcripts`, `digest`, `spool`, `project`) loads the standard library only; a
memory is opened where a session starts (`briefing`) and where the spool is emptied (`draining`).
"""
