"""Commands about jobs: status, events, crashes, results, and what an operator does to a job."""
