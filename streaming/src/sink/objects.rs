//! Score records as objects: one for each tenant, day and checkpoint.
//!
//! | object | holds |
//! | --- | --- |
//! | `scores/tenant=ID/date=YYYY-MM-DD/part-NNNNNN.jsonl` or `.parquet` | score records of a tenant and an observation date |
//! | `dead-letters/part-NNNNNN.jsonl` | records that are no events |
//! | `pending.json` | what belongs to no checkpoint yet, perhaps |
//! | `manifest.json` | where QuickSight finds the score records; with S3 and JSON Lines only |
//!
//! Parts are counted, and the checkpoint knows how many there are. Before objects are written they are named in
//! `pending.json`; when a checkpoint is restored, those whose part it does not know are removed, and their records are
//! given again. So nothing shows twice, once the consumer runs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::object_names::{Content, name};
use super::{Sink, SinkError, SinkPosition};
use crate::{DeadLetter, ScoreRecord};

const PENDING: &str = "pending.json";
/// Bytes that are held back at most until a checkpoint; beyond, another part is begun.
const MOST_BYTES: usize = 64 << 20;

pub(super) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Where objects are kept: a folder, or a bucket.
pub(super) trait ObjectPlace {
    /// Writes objects, each whole or not at all, in any order; returns when all are there.
    fn write(&mut self, objects: Vec<(String, Vec<u8>)>) -> Result<(), Failure>;

    /// Reads an object, if it is there.
    fn read(&mut self, name: &str) -> Result<Option<Vec<u8>>, Failure>;

    /// Removes objects; those that are not there are no fault.
    fn remove(&mut self, names: &[String]) -> Result<(), Failure>;

    /// Removes what a process that was killed while it wrote these objects has left of them, where that leaves anything.
    fn clear_away(&mut self, _names: &[String]) -> Result<(), Failure> {
        Ok(())
    }

    /// Looks whether there is such a place at all; who may not look, but only write, is not refused.
    fn check(&self) -> Result<(), Failure> {
        Ok(())
    }

    /// Where all objects are, as QuickSight names it, if it can read from there.
    fn address(&self) -> Option<String> {
        None
    }
}

/// What score records are written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ObjectFormat {
    /// A JSON object in each line.
    #[default]
    JsonLines,
    /// Parquet, with typed columns.
    #[cfg(feature = "parquet")]
    Parquet,
}

impl ObjectFormat {
    const fn extension(self) -> &'static str {
        match self {
            Self::JsonLines => "jsonl",
            #[cfg(feature = "parquet")]
            Self::Parquet => "parquet",
        }
    }
}

/// Score records as objects in Hive-style folders; `docs/streaming.md` describes them.
///
/// **One writer.** Two consumers need two prefixes: each removes what its own checkpoint does not know.
pub struct ObjectSink {
    name: String,
    place: Box<dyn ObjectPlace>,
    format: ObjectFormat,
    waiting: BTreeMap<Content, Vec<u8>>,
    #[cfg(feature = "parquet")]
    rows: BTreeMap<Content, Vec<ScoreRecord>>,
    waiting_bytes: usize,
    /// Parts written so far.
    parts: u64,
    /// What was written since the last checkpoint.
    pending: Pending,
    has_manifest: bool,
}

/// What belongs to no checkpoint yet.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Pending {
    /// The first part that is named here; all before it belong to checkpoints.
    first_part: u64,
    parts: BTreeMap<u64, Vec<String>>,
}

#[derive(Debug, thiserror::Error)]
#[error(
    "it has {found} parts where the checkpoint knows {known}: name the --state that belongs to it, or a place where nothing is"
)]
struct PartsOfAnother {
    found: u64,
    known: u64,
}

#[derive(Debug, thiserror::Error)]
#[error(
    "it has {found} parts where the checkpoint knows {known}: put back what was there, or name an empty folder for --state \
     and a place where nothing is"
)]
struct PartsLost {
    found: u64,
    known: u64,
}

impl ObjectSink {
    pub(super) fn new(name: String, place: Box<dyn ObjectPlace>, format: ObjectFormat) -> Self {
        Self {
            name,
            place,
            format,
            waiting: BTreeMap::new(),
            #[cfg(feature = "parquet")]
            rows: BTreeMap::new(),
            waiting_bytes: 0,
            parts: 0,
            pending: Pending::default(),
            has_manifest: false,
        }
    }

    /// Looks whether the bucket is there, without waiting for the first object. A folder is made when it is needed.
    ///
    /// # Errors
    /// When there is no such bucket.
    pub fn check(&self) -> Result<(), SinkError> {
        self.place.check().map_err(|source| SinkError::new(&self.name, source))
    }

    /// Writes what waits as one part.
    fn write(&mut self) -> Result<(), Failure> {
        let mut objects = Vec::new();
        for (content, bytes) in std::mem::take(&mut self.waiting) {
            objects.push((name(&content, self.parts, ObjectFormat::JsonLines.extension()), bytes));
        }
        #[cfg(feature = "parquet")]
        for (content, records) in std::mem::take(&mut self.rows) {
            objects.push((name(&content, self.parts, self.format.extension()), super::score_table::write(&records)?));
        }
        self.waiting_bytes = 0;
        if objects.is_empty() {
            return Ok(());
        }
        if !self.has_manifest && self.format == ObjectFormat::JsonLines {
            let manifest = self.place.address().map(|address| manifest(&address));
            self.place.write(manifest.map(|text| ("manifest.json".to_owned(), text)).into_iter().collect())?;
            self.has_manifest = true;
        }
        self.pending.parts.insert(self.parts, objects.iter().map(|(name, _)| name.clone()).collect());
        let pending = serde_json::to_vec(&self.pending)?;
        self.place.write(vec![(PENDING.to_owned(), pending)])?;
        self.place.write(objects)?;
        self.parts += 1;
        Ok(())
    }

    fn lines<T: Serialize>(&mut self, content: Content, item: &T) -> Result<(), SinkError> {
        let bytes = self.waiting.entry(content).or_default();
        let before = bytes.len();
        serde_json::to_writer(&mut *bytes, item).map_err(|source| SinkError::new(&self.name, source))?;
        bytes.push(b'\n');
        self.waiting_bytes += bytes.len() - before;
        Ok(())
    }

    fn write_if_plenty(&mut self) -> Result<(), SinkError> {
        if self.waiting_bytes < MOST_BYTES {
            return Ok(());
        }
        self.write().map_err(|source| SinkError::new(&self.name, source))
    }

    fn take_back(&mut self, known: u64) -> Result<(), Failure> {
        let mut found: Pending = match self.place.read(PENDING)? {
            Some(bytes) => serde_json::from_slice(&bytes)?,
            None => Pending::default(),
        };
        // It names the last part of the checkpoint, or one after it.
        let n_found = found.parts.last_key_value().map_or(found.first_part, |(last, _)| last + 1);
        if n_found < known {
            return Err(PartsLost { found: n_found, known }.into());
        }
        if found.first_part > known {
            return Err(PartsOfAnother { found: found.first_part, known }.into());
        }
        let mut unknown: Vec<String> = found.parts.split_off(&known).into_values().flatten().collect();
        self.place.remove(&unknown)?;
        unknown.push(PENDING.to_owned());
        self.place.clear_away(&unknown)
    }
}

impl Sink for ObjectSink {
    fn score(&mut self, records: &[ScoreRecord]) -> Result<(), SinkError> {
        for record in records {
            let content = Content::Scores(record.tenant.clone(), record.observation_date);
            match self.format {
                ObjectFormat::JsonLines => self.lines(content, record)?,
                #[cfg(feature = "parquet")]
                ObjectFormat::Parquet => {
                    let texts: usize = record.reasons.iter().map(|reason| reason.len() + size_of::<String>()).sum();
                    self.waiting_bytes += size_of::<ScoreRecord>() + 2 * record.tenant.len() + 128 + texts;
                    self.rows.entry(content).or_default().push(record.clone());
                }
            }
            self.write_if_plenty()?;
        }
        Ok(())
    }

    fn bury(&mut self, letters: &[DeadLetter]) -> Result<(), SinkError> {
        for letter in letters {
            self.lines(Content::DeadLetters, letter)?;
            self.write_if_plenty()?;
        }
        Ok(())
    }

    /// That it is asked once more says that the checkpoint after the last time was made.
    fn keep(&mut self) -> Result<SinkPosition, SinkError> {
        self.write().map_err(|source| SinkError::new(&self.name, source))?;
        self.pending = Pending { first_part: self.parts, parts: BTreeMap::new() };
        Ok(SinkPosition { parts: Some(self.parts), ..SinkPosition::default() })
    }

    /// Each part was named in a file that nobody removes.
    fn is_empty(&mut self) -> Result<bool, SinkError> {
        let pending = self.place.read(PENDING).map_err(|source| SinkError::new(&self.name, source))?;
        Ok(pending.is_none())
    }

    fn restore(&mut self, position: SinkPosition) -> Result<(), SinkError> {
        let known = position.parts.unwrap_or(0);
        self.take_back(known).map_err(|source| SinkError::new(&self.name, source))?;
        self.parts = known;
        self.pending = Pending { first_part: known, parts: BTreeMap::new() };
        Ok(())
    }
}

/// What QuickSight is given to read score records.
///
/// # Source
/// "Supported formats for Amazon S3 manifest files", Amazon QuickSight User Guide. It takes 1,000 files at most: more is
/// for Athena, which finds tenants and days in the folders.
fn manifest(address: &str) -> Vec<u8> {
    let manifest = serde_json::json!({
        "fileLocations": [{"URIPrefixes": [format!("{address}scores/")]}],
        "globalUploadSettings": {"format": "JSON"},
    });
    format!("{manifest:#}\n").into_bytes()
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use churn_events::ObservationDate;

    use super::*;
    use crate::CompanyNumbers;

    /// Objects that outlive the sink; writing fails after so many.
    #[derive(Default, Clone)]
    struct Memory(Rc<RefCell<Kept>>);

    type Kept = (BTreeMap<String, Vec<u8>>, Option<usize>);

    impl Memory {
        fn names(&self) -> Vec<String> {
            let kept = self.0.borrow();
            kept.0.keys().filter(|name| !name.ends_with(".json")).cloned().collect()
        }

        fn sink(&self, parts: Option<u64>) -> Result<ObjectSink, SinkError> {
            let place = Box::new(self.clone());
            let mut sink = ObjectSink::new("memory".to_owned(), place, ObjectFormat::JsonLines);
            sink.restore(SinkPosition { parts, ..SinkPosition::default() })?;
            Ok(sink)
        }
    }

    impl ObjectPlace for Memory {
        fn write(&mut self, objects: Vec<(String, Vec<u8>)>) -> Result<(), Failure> {
            let (kept, left) = &mut *self.0.borrow_mut();
            for (name, bytes) in objects {
                match left {
                    Some(0) => return Err("is full".into()),
                    Some(left) if !name.ends_with(".json") => *left -= 1,
                    _ => {}
                }
                kept.insert(name, bytes);
            }
            Ok(())
        }

        fn read(&mut self, name: &str) -> Result<Option<Vec<u8>>, Failure> {
            Ok(self.0.borrow().0.get(name).cloned())
        }

        fn remove(&mut self, names: &[String]) -> Result<(), Failure> {
            let kept = &mut self.0.borrow_mut().0;
            names.iter().for_each(|name| drop(kept.remove(name)));
            Ok(())
        }

        fn address(&self) -> Option<String> {
            Some("s3://bucket/prefix/".to_owned())
        }
    }

    fn record(tenant: &str, day: i32) -> ScoreRecord {
        let date = ObservationDate::from_days(day);
        ScoreRecord {
            id: 1,
            tenant: tenant.into(),
            company: CompanyNumbers::default(),
            at_risk: false,
            score: 0.5,
            threshold: 0.5,
            observation_date: date,
            reasons: Vec::new(),
            model_id: "m".into(),
            event: None,
            received_at: date.start(),
        }
    }

    #[test]
    fn there_is_one_object_for_each_tenant_day_and_checkpoint() {
        let memory = Memory::default();
        let mut sink = memory.sink(None).expect("is restored");
        sink.score(&[record("a", 0), record("b", 0), record("a", 1), record("a", 0)]).expect("is taken");
        assert!(memory.names().is_empty());
        assert_eq!(sink.keep().expect("is kept").parts, Some(1));
        assert_eq!(sink.keep().expect("has nothing to keep").parts, Some(1));
        sink.score(&[record("a", 1)]).expect("is taken");
        sink.bury(&[DeadLetter::new("s", 1, "line", "is not JSON", b"{")]).expect("is taken");
        assert_eq!(sink.keep().expect("is kept").parts, Some(2));
        let expected = [
            "dead-letters/part-000001.jsonl",
            "scores/tenant=a/date=1970-01-01/part-000000.jsonl",
            "scores/tenant=a/date=1970-01-02/part-000000.jsonl",
            "scores/tenant=a/date=1970-01-02/part-000001.jsonl",
            "scores/tenant=b/date=1970-01-01/part-000000.jsonl",
        ];
        assert_eq!(memory.names(), expected);
        let kept = memory.0.borrow();
        assert_eq!(kept.0[expected[1]].iter().filter(|byte| **byte == b'\n').count(), 2);
        let manifest: serde_json::Value = serde_json::from_slice(&kept.0["manifest.json"]).expect("is JSON");
        assert_eq!(manifest["fileLocations"][0]["URIPrefixes"][0], "s3://bucket/prefix/scores/");
        assert_eq!(manifest["globalUploadSettings"]["format"], "JSON");
    }

    #[test]
    fn what_no_checkpoint_knows_is_taken_back_wherever_it_broke_off() {
        for wrote in 0..5 {
            let memory = Memory::default();
            let mut sink = memory.sink(None).expect("is restored");
            sink.score(&[record("a", 0)]).expect("is taken");
            let checkpoint = sink.keep().expect("is kept").parts;
            let before = memory.names();
            // A part is written early, because it is large, and then the end comes before the checkpoint.
            sink.score(&[record("a", 0), record("b", 0)]).expect("is taken");
            memory.0.borrow_mut().1 = Some(wrote);
            let _ = sink.write();
            sink.score(&[record("c", 0), record("d", 0)]).expect("is taken");
            let kept = sink.keep();
            assert_eq!(kept.is_ok(), wrote >= 4);
            drop(sink);
            memory.0.borrow_mut().1 = None;
            memory.sink(checkpoint).expect("is restored");
            assert_eq!(memory.names(), before, "{wrote}");
        }
    }

    #[test]
    fn parts_that_the_checkpoint_knows_have_to_be_there() {
        let memory = Memory::default();
        let mut sink = memory.sink(None).expect("is restored");
        assert!(sink.is_empty().expect("can be told"));
        let mut kept = Vec::new();
        for _ in 0..3 {
            sink.score(&[record("a", 0)]).expect("is taken");
            kept.push((sink.keep().expect("is kept").parts, memory.0.borrow().0.clone()));
        }
        assert!(!sink.is_empty().expect("can be told"));
        memory.sink(kept[2].0).expect("is restored");
        memory.0.borrow_mut().0 = kept[1].1.clone();
        let refused = |parts| {
            let error = memory.sink(parts).err().expect("is refused");
            std::error::Error::source(&error).expect("has one").to_string()
        };
        assert!(refused(kept[2].0).starts_with("it has 2 parts where the checkpoint knows 3: put back"));
        memory.0.borrow_mut().0.clear();
        assert!(refused(kept[0].0).starts_with("it has 0 parts where the checkpoint knows 1"));
    }

    #[test]
    fn a_place_with_parts_of_another_consumer_is_refused() {
        let memory = Memory::default();
        let mut sink = memory.sink(None).expect("is restored");
        for _ in 0..3 {
            sink.score(&[record("a", 0)]).expect("is taken");
            sink.keep().expect("is kept");
        }
        let error = memory.sink(None).err().expect("is refused");
        assert!(std::error::Error::source(&error).expect("has one").to_string().contains("2 parts"));
        assert_eq!(memory.names().len(), 3);
    }
}
