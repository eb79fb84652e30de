"""What processes of genrl tell each other: how they ended, and why."""

USAGE_ERROR = 2
INTERRUPTED = 130  # what a shell says of a process that Ctrl-C ended
TERMINATED = 143  # and that SIGTERM ended

FAILURE_FILE = "GENRL_FAILURE_FILE"  # where a job of a sweep leaves the line that it ends with
