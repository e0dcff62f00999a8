//! The job from the command line.

fn main() {}
