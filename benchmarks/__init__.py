"""Speed and memory against the peers, on the same work in the same run. Run by hand; results in docs/benchmarks."""
