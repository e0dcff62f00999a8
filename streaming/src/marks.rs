//! What is remembered of the last score record of each tenant.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::Path;

use churn_events::WholeFile;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

/// What was said of a tenant last, as far as the policy asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Mark {
    /// When the event of its last score record was received.
    pub(crate) scored_ms: Option<i64>,
    /// Its score then.
    pub(crate) score: Option<f64>,
    /// The decision then.
    pub(crate) at_risk: bool,
    /// The observation date that comes next, in days.
    pub(crate) next_date: Option<i32>,
    /// Whether it has changed since it was last written.
    #[serde(skip)]
    pub(crate) has_changed: bool,
}

/// The last line of a file of marks, which tells a file that was cut or damaged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Seal {
    /// XXH3, 64 bits, of all lines before it.
    xxh3: String,
}

/// The marks of all tenants.
#[derive(Debug, Clone, Default)]
pub(crate) struct Marks(HashMap<Box<str>, Mark>);

/// A line of a file of marks.
#[derive(Serialize, Deserialize)]
struct Line<'a> {
    tenant: std::borrow::Cow<'a, str>,
    #[serde(flatten)]
    mark: Mark,
}

impl Marks {
    /// The mark of a tenant, made when there is none; whoever asks changes it.
    pub(crate) fn change(&mut self, tenant: &str) -> &mut Mark {
        if !self.0.contains_key(tenant) {
            self.0.insert(tenant.into(), Mark::default());
        }
        let mark = self.0.get_mut(tenant).expect("this cannot fail because it was put there if it was not");
        mark.has_changed = true;
        mark
    }

    pub(crate) fn get(&self, tenant: &str) -> Option<&Mark> {
        self.0.get(tenant)
    }

    /// Tenants whose next observation date is that one or an earlier one, by ascending id.
    pub(crate) fn due(&self, date: i32) -> Vec<Box<str>> {
        let mut due: Vec<Box<str>> = self
            .0
            .iter()
            .filter(|(_, mark)| mark.next_date.is_some_and(|next| next <= date))
            .map(|(id, _)| id.clone())
            .collect();
        due.sort_unstable();
        due
    }

    pub(crate) fn forget_changes(&mut self) {
        self.0.values_mut().for_each(|mark| mark.has_changed = false);
    }

    /// Writes all marks, or those that have changed, as JSON Lines by ascending tenant, and a seal.
    pub(crate) fn write(&self, path: &Path, only_changed: bool) -> io::Result<()> {
        let mut wanted: Vec<(&Box<str>, &Mark)> =
            self.0.iter().filter(|(_, mark)| mark.has_changed || !only_changed).collect();
        wanted.sort_unstable_by_key(|(tenant, _)| *tenant);
        let mut file = BufWriter::new(WholeFile::create(path)?);
        let (mut digest, mut line) = (Xxh3::new(), Vec::new());
        for (tenant, mark) in wanted {
            line.clear();
            serde_json::to_writer(&mut line, &Line { tenant: (&**tenant).into(), mark: *mark })?;
            line.push(b'\n');
            digest.update(&line);
            file.write_all(&line)?;
        }
        serde_json::to_writer(&mut file, &Seal::of(&digest))?;
        file.write_all(b"\n")?;
        file.into_inner().map_err(io::IntoInnerError::into_error)?.finish()
    }

    /// Puts the marks of a file in the place of those that are here.
    ///
    /// # Errors
    /// When it cannot be read, or is not as it was written; some may have been put in their place by then.
    pub(crate) fn update(&mut self, path: &Path) -> io::Result<()> {
        let mut file = BufReader::new(File::open(path)?);
        let (mut digest, mut line) = (Xxh3::new(), String::new());
        while file.read_line(&mut line)? > 0 {
            if let Ok(seal) = serde_json::from_str::<Seal>(&line) {
                let is_whole = seal == Seal::of(&digest) && file.fill_buf()?.is_empty();
                return if is_whole { Ok(()) } else { Err(damaged()) };
            }
            let Line { tenant, mark } = serde_json::from_str(&line)?;
            self.0.insert(tenant.into(), mark);
            digest.update(line.as_bytes());
            line.clear();
        }
        Err(damaged())
    }
}

impl Seal {
    fn of(digest: &Xxh3) -> Self {
        Self { xxh3: format!("{:016x}", digest.digest()) }
    }
}

fn damaged() -> io::Error {
    let what =
        "is cut or damaged: put back the file as it was, or name an empty folder for --state and replay the stream";
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_and_their_changes_come_back_bit_for_bit() {
        let folder = tempfile::tempdir().expect("a folder");
        let [whole, changes] = ["whole", "changes"].map(|name| folder.path().join(name));
        let mut marks = Marks::default();
        *marks.change("a\"\n") = Mark { scored_ms: Some(-5), score: Some(0.1 + 0.2), ..Mark::default() };
        marks.change("b").next_date = Some(7);
        marks.write(&whole, false).expect("is written");
        marks.forget_changes();
        marks.change("b").at_risk = true;
        marks.change("c").score = Some(f64::MIN_POSITIVE);
        marks.write(&changes, true).expect("is written");
        marks.forget_changes();
        let mut read = Marks::default();
        read.update(&whole).and_then(|()| read.update(&changes)).expect("is read");
        assert_eq!(read.0, marks.0);
        assert_eq!(std::fs::read_to_string(&changes).expect("is there").lines().count(), 3);
        assert_eq!(marks.due(7), [Box::<str>::from("b")]);
    }

    #[test]
    fn a_file_that_is_not_as_it_was_written_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("marks");
        let mut marks = Marks::default();
        (0..40).for_each(|number| marks.change(&format!("t-{number}")).scored_ms = Some(number));
        marks.write(&path, false).expect("is written");
        let whole = std::fs::read(&path).expect("is there");
        let is_taken = |bytes: &[u8]| {
            std::fs::write(&path, bytes).expect("is written");
            Marks::default().update(&path).is_ok()
        };
        assert!(is_taken(&whole));
        // Without the line break at the end, all that it says is there.
        let cut = (0..whole.len() - 1).find(|&end| is_taken(&whole[..end]));
        assert_eq!(cut, None);
        let flipped = (0..whole.len() - 1).find(|&at| {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            is_taken(&bytes)
        });
        assert_eq!(flipped, None);
        assert!(!is_taken(&[whole.as_slice(), b"{}\n"].concat()));
    }
}
