//! The `runstamp` binary.

fn main() {}
