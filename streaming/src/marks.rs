//! What is remembered of the last score record of each tenant.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::Path;

use churn_events::WholeFile;
use serde::{Deserialize, Serialize};

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

    /// Writes all marks, or those that have changed, as JSON Lines by ascending tenant.
    pub(crate) fn write(&self, path: &Path, only_changed: bool) -> io::Result<()> {
        let mut wanted: Vec<(&Box<str>, &Mark)> =
            self.0.iter().filter(|(_, mark)| mark.has_changed || !only_changed).collect();
        wanted.sort_unstable_by_key(|(tenant, _)| *tenant);
        let mut file = BufWriter::new(WholeFile::create(path)?);
        for (tenant, mark) in wanted {
            serde_json::to_writer(&mut file, &Line { tenant: (&**tenant).into(), mark: *mark })?;
            file.write_all(b"\n")?;
        }
        file.into_inner().map_err(io::IntoInnerError::into_error)?.finish()
    }

    /// Puts the marks of a file in the place of those that are here.
    pub(crate) fn update(&mut self, path: &Path) -> io::Result<()> {
        for line in BufReader::new(File::open(path)?).lines() {
            let line = line?;
            let Line { tenant, mark } = serde_json::from_str(&line)?;
            self.0.insert(tenant.into(), mark);
        }
        Ok(())
    }
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
        assert_eq!(std::fs::read_to_string(&changes).expect("is there").lines().count(), 2);
        assert_eq!(marks.due(7), [Box::<str>::from("b")]);
        std::fs::write(&whole, "{").expect("is written");
        assert!(read.update(&whole).is_err());
    }
}
