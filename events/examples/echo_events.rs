//! Reads events from standard input and writes what was understood to standard output, for the check against the
//! CloudEvents SDK. Ends with an error when a line is no event.

use std::io::{Read, Write};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut lines = Vec::new();
    std::io::stdin().read_to_end(&mut lines)?;
    let mut out = Vec::new();
    for line in lines.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
        churn_events::encode(&churn_events::decode(line)?, &mut out);
        out.push(b'\n');
    }
    std::io::stdout().write_all(&out)?;
    Ok(())
}
