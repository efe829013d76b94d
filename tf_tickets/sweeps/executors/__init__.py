"""Where the tasks of a sweep are done: a row of `table.EXECUTORS` and a module for each way."""
