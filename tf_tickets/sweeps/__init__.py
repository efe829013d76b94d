"""Many runs: the grid, the plan, and who does its tasks."""
