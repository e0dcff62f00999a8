//! Lines on standard error.

use std::io::{self, Write};

/// Writes a line, if anybody still reads: where nobody does, `eprintln!` would end the program.
pub(crate) fn say(program: &str, text: &str) {
    let _ = writeln!(io::stderr(), "{program}: {text}");
}
