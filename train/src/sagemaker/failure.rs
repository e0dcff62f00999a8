//! The file that tells SageMaker, and whoever reads its console, why a job failed.

use std::fs::{self, OpenOptions};
use std::io::Write;

use super::base::Base;

/// SageMaker shows so many characters; as bytes they are at most as many.
const MOST_BYTES: usize = 1024;

/// Takes away what an earlier run has left: beside a model it would say that this run failed, too.
pub(crate) fn forget(base: &Base) {
    // Mostly there is none. One that cannot be taken away is no reason to end.
    let _ = fs::remove_file(base.failure());
}

/// Writes the reason, unless one stands there already. Nobody can be told where that fails.
pub(crate) fn write(base: &Base, reason: &str) {
    let path = base.failure();
    if let Some(folder) = path.parent() {
        let _ = fs::create_dir_all(folder);
    }
    if let Ok(mut file) = OpenOptions::new().write(true).create_new(true).open(path) {
        let _ = file.write_all(cut(reason).as_bytes());
    }
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(MOST_BYTES)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_cut_between_characters() {
        let text = "ü".repeat(600) + "x";
        assert_eq!(cut(&text), "ü".repeat(512));
        assert_eq!(cut(&format!("x{text}")).len(), 1023);
        assert_eq!(cut("short"), "short");
    }
}
