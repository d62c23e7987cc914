"""Move data: `push` (files and queries into Klaviyo) and `pull` (Klaviyo into a database)."""
