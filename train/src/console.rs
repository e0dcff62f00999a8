//! What a person at the terminal sees: lines, aligned tables, and a progress bar where there is a terminal.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// Writes to standard output, and shows progress on standard error when that is a terminal.
#[derive(Debug)]
pub struct Console {
    is_quiet: bool,
    on_standard_error: bool,
    shows_bars: bool,
}

impl Console {
    /// The console of this process.
    pub fn new() -> Self {
        Self { is_quiet: false, on_standard_error: false, shows_bars: std::io::stderr().is_terminal() }
    }

    /// A console for logs: lines only, whatever it writes to.
    pub fn plain() -> Self {
        Self { is_quiet: false, on_standard_error: false, shows_bars: false }
    }

    /// A console that leaves standard output to the results.
    pub fn on_standard_error() -> Self {
        Self { on_standard_error: true, ..Self::new() }
    }

    /// A console that shows nothing.
    pub fn silent() -> Self {
        Self { is_quiet: true, on_standard_error: false, shows_bars: false }
    }

    /// Shows a line. A reader that has gone away is no reason to stop.
    pub fn line(&self, text: impl AsRef<str>) {
        let text = text.as_ref();
        let _ = match (self.is_quiet, self.on_standard_error) {
            (true, _) => Ok(()),
            (false, true) => writeln!(std::io::stderr().lock(), "{text}"),
            (false, false) => writeln!(std::io::stdout().lock(), "{text}"),
        };
    }

    /// Shows rows with their columns aligned, numbers to the right. The first row is the header.
    pub fn table(&self, rows: &[Vec<String>]) {
        aligned(rows).iter().for_each(|line| self.line(line));
    }

    /// Starts a step that may take a while, with a bar on a terminal and a line elsewhere; `n_steps` is 0 where that is
    /// not known.
    pub fn progress(&self, what: &str, n_steps: usize) -> ProgressBar {
        if !self.shows_bars {
            self.line(what);
        }
        self.bar(what, n_steps)
    }

    /// Starts a step of which lines tell enough where no bar can be shown.
    pub fn bar(&self, what: &str, n_steps: usize) -> ProgressBar {
        if !self.shows_bars || self.is_quiet {
            return ProgressBar::hidden();
        }
        let bar = if n_steps == 0 { ProgressBar::new_spinner() } else { ProgressBar::new(n_steps as u64) };
        let template =
            if n_steps == 0 { "{spinner} {msg} {elapsed} ({pos})" } else { "{msg} {wide_bar} {pos}/{len} {eta}" };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_message(what.to_owned());
        bar.enable_steady_tick(Duration::from_millis(100));
        bar
    }
}

impl Default for Console {
    fn default() -> Self {
        Self::new()
    }
}

fn aligned(rows: &[Vec<String>]) -> Vec<String> {
    let n_columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let cells = |column: usize| rows.iter().filter_map(move |row| row.get(column));
    let widths: Vec<usize> =
        (0..n_columns).map(|column| cells(column).map(|cell| cell.chars().count()).max().unwrap_or(0)).collect();
    let is_number = |cell: &String| cell.is_empty() || cell.parse::<f64>().is_ok();
    let are_numbers: Vec<bool> = (0..n_columns).map(|column| cells(column).skip(1).all(is_number)).collect();
    rows.iter()
        .map(|row| {
            let mut line = String::new();
            for (column, cell) in row.iter().enumerate() {
                let padding = " ".repeat(widths[column] - cell.chars().count());
                let (before, behind) =
                    if are_numbers[column] { (padding.as_str(), "") } else { ("", padding.as_str()) };
                line.push_str(&format!("  {before}{cell}{behind}"));
            }
            line.trim_end().to_owned()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_to_the_right_and_words_to_the_left() {
        let rows = [["name", "n"], ["a", "10"], ["long", "5"]].map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(aligned(&rows), ["  name   n", "  a     10", "  long   5"]);
    }
}
