"""Events that are sent in the background, for programs whose requests must not wait for Klaviyo.

backlog.py   what waits: in memory
spool.py     what waits: in a SQLite file, so that kill -9 loses nothing
sender.py    EventQueue: bounded, batched, flushed at exit, safe with threads and forks
verbs.py     `events.enqueue` and `events.flush`
"""
