"""The rack process: one quantum computer's instruments, and the jobs that run on them."""
