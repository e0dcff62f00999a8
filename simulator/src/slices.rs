//! The log of all tenants, a week at a time.

use rayon::prelude::*;

use crate::World;
use crate::record::{Record, Texts};
use crate::run::Run;

/// Tenants that one task goes through.
const TENANTS_PER_TASK: usize = 32;
/// Events that one task puts into words; fixed, so that what depends on it does not depend on threads.
const EVENTS_PER_TASK: usize = 8192;
/// Tasks whose words are held at once.
const TASKS_AT_ONCE: usize = 32;

/// All tenants of a world on their way through the log together.
///
/// Held are the tenants' states, and the events of one week.
pub(crate) struct Slices<'a> {
    world: &'a World,
    runs: Vec<Run>,
    next_day: i32,
}

impl<'a> Slices<'a> {
    pub(crate) fn new(world: &'a World) -> Self {
        let runs = (0..world.n_tenants()).into_par_iter().map(|tenant| Run::new(&world.setting, tenant)).collect();
        Self { world, runs, next_day: world.start().days() }
    }

    /// The events received in the next week, in received order; `None` at the end of the log.
    pub(crate) fn next_week(&mut self) -> Option<Vec<Record>> {
        let end = self.world.end().days();
        if self.next_day >= end {
            return None;
        }
        self.next_day = ((self.next_day.div_euclid(7) + 1) * 7).min(end);
        let (setting, until) = (&self.world.setting, self.next_day);
        let parts: Vec<Vec<Record>> = self
            .runs
            .par_chunks_mut(TENANTS_PER_TASK)
            .map(|runs| {
                let mut records = Vec::new();
                runs.iter_mut().for_each(|run| run.advance_to(setting, until, &mut records));
                records
            })
            .collect();
        let mut records = Vec::with_capacity(parts.iter().map(Vec::len).sum());
        // Each part is let go as soon as it is copied.
        parts.into_iter().for_each(|part| records.extend_from_slice(&part));
        records.par_sort_unstable_by_key(Record::order);
        Some(records)
    }

    /// Puts records into words on all cores, task by task, and hands the words over in order.
    pub(crate) fn in_words<E>(
        &self,
        records: &[Record],
        encode: impl Fn(&churn_events::Event<'_>, &mut Vec<u8>) + Sync,
        finish: impl Fn(Vec<u8>) -> Vec<u8> + Sync,
        mut take: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        for tasks in records.chunks(EVENTS_PER_TASK * TASKS_AT_ONCE) {
            let words: Vec<Vec<u8>> = tasks
                .par_chunks(EVENTS_PER_TASK)
                .map(|records| {
                    let mut out = Vec::with_capacity(records.len() * 320);
                    let mut texts = Texts::default();
                    for record in records {
                        encode(&self.event(record, &mut texts), &mut out);
                        out.push(b'\n');
                    }
                    finish(out)
                })
                .collect();
            words.iter().try_for_each(|words| take(words))?;
        }
        Ok(())
    }

    pub(crate) fn event<'t>(&'t self, record: &Record, texts: &'t mut Texts) -> churn_events::Event<'t> {
        let run = &self.runs[record.tenant as usize];
        texts.event(record, run.profile(), &run.changes)
    }
}
