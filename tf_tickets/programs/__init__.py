"""The command lines: one file a program, and one guard and one help for all of them."""
