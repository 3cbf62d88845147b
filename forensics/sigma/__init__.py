"""Sigma rules of the user: read as data, held against single event records, never run.

    documents  YAML that may be hostile -> plain data          sources     logsource -> channels, ids, field names
    strings    wildcards, escapes, encodings -> tests          conditions  the condition's words -> an expression
    linear     regular expressions in linear time              detection   fields and values -> tests of a record
    ruleset    rules -> what they want, and which of them match a record

What the tool does not evaluate (correlations, aggregations, unknown log sources and fields) is refused with a reason:
docs/sigma.md has the subset. Format: the Sigma specification (SigmaHQ), rules and modifiers of version 2.
"""
