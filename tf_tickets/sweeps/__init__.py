"""Many runs: the grid, the plan, and the executors that run its tasks."""
