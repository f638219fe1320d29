//! Failures of a command → message and exit code.
