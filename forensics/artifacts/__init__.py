"""One file per artifact; see `base` for what an artifact declares."""
