"""Any number of rows into Klaviyo's bulk jobs: split, sent, refused rows taken out, jobs followed, a result per row.

rows.py      a row as the bytes that are sent, or why it cannot be sent
route.py     where rows go: operation, envelope, caps, job
engine.py    the upload itself
following.py  jobs until their end
blame.py     which rows a refusal is about
report.py    what became of every row
people.py    who a row is about, asked from Klaviyo in batches
consent.py   the guards of subscribing and unsubscribing
events.py    rows of events
catalog.py   rows of the catalog
"""
