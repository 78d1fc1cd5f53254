"""The tables and figures of the papers as data: rows, columns, printed numbers, encoders."""
