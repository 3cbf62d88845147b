"""One file per format, each with `write(case, path)`; formats that a case is loaded from have `read(path)` too."""
