//! The image's only program: `train` and `serve`, by its first argument or its own name.

fn main() {}
