//! Writes the catalogue of features as `docs/features.md`.

use std::path::Path;

fn main() -> std::io::Result<()> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/features.md");
    std::fs::write(page, churn_features::catalogue_page())
}
