"""Questions to an index, one per file: pure functions of the index and a few probes. numpy only."""
