"""What every room may use, and knows of none: late loading, numbers, words, random streams, the console."""
