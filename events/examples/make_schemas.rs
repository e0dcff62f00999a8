//! Writes the JSON Schemas of all event types into a folder: `make schemas`.

use std::path::PathBuf;

fn main() -> std::io::Result<()> {
    let folder = PathBuf::from(std::env::args_os().nth(1).unwrap_or_else(|| "docs/schemas".into()));
    std::fs::create_dir_all(&folder)?;
    for schema in churn_events::event_schemas() {
        std::fs::write(folder.join(schema.file_name()), schema.file_text())?;
    }
    Ok(())
}
