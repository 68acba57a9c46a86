//! Parses the command line, runs one command, turns an error into one line and an exit code.

fn main() {}
