use churn_events::DAY_MS;

use super::counts::{Counts, Sign};
use super::horizon::{Horizon, JOB_PAIR_MS};
use super::id_map::IdMap;

/// How a job ended. At the same instant the first of these counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum JobEnd {
    Succeeded = 0,
    Failed = 1,
    Cancelled = 2,
}

/// When a job was submitted and what it asked for. Of several, the least counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Submission {
    pub(crate) ms: i64,
    pub(crate) data_bytes: u64,
    pub(crate) servers: u32,
}

/// What is known of one job; an unknown part has the largest value there is, so that the least is the one that counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Job {
    pub(crate) submitted: Submission,
    /// Milliseconds, and how in the lowest two bits.
    pub(crate) ended: u64,
}

const NOT_SUBMITTED: Submission = Submission { ms: i64::MAX, data_bytes: u64::MAX, servers: u32::MAX };
const NOT_ENDED: u64 = u64::MAX;

impl Default for Job {
    fn default() -> Self {
        Self { submitted: NOT_SUBMITTED, ended: NOT_ENDED }
    }
}

impl Job {
    pub(crate) fn submitted(&self) -> Option<Submission> {
        (self.submitted.ms != i64::MAX).then_some(self.submitted)
    }

    pub(crate) fn ended(&self) -> Option<(i64, JobEnd)> {
        let how = match self.ended & 3 {
            0 => JobEnd::Succeeded,
            1 => JobEnd::Failed,
            _ => JobEnd::Cancelled,
        };
        (self.ended != NOT_ENDED).then_some(((self.ended >> 2) as i64, how))
    }

    /// What the job counts for. This is the only place that decides it, and it looks at nothing but the job.
    fn count(&self, sign: Sign, counts: &mut Counts, horizon: &Horizon) {
        let (submitted, ended) = (self.submitted(), self.ended());
        if let Some(Submission { ms, data_bytes, servers }) = submitted {
            let day = day_of(ms);
            counts.job(day, data_bytes, servers, sign, horizon);
            if ended.is_none() {
                counts.recent(day, horizon, |slot| sign.apply(&mut slot.unfinished, 1));
            }
        }
        if let Some((ms, how)) = ended {
            counts.recent(day_of(ms), horizon, |slot| match how {
                JobEnd::Succeeded => sign.apply(&mut slot.terminated, 1),
                JobEnd::Failed => {
                    sign.apply(&mut slot.terminated, 1);
                    sign.apply(&mut slot.failed, 1);
                }
                JobEnd::Cancelled => sign.apply(&mut slot.cancelled, 1),
            });
            if let Some(submitted) = submitted
                && ms - submitted.ms < JOB_PAIR_MS
            {
                counts.run_time(day_of(ms).div_euclid(7), ms - submitted.ms, sign, horizon);
            }
        }
    }

    fn is_settled(&self, horizon: &Horizon) -> bool {
        match (self.submitted(), self.ended()) {
            (Some(submitted), None) => submitted.ms < horizon.jobs_before_ms(),
            (submitted, Some((ms, _))) => {
                submitted.map_or(ms, |submitted| submitted.ms.max(ms)) < horizon.settled_before_ms()
            }
            (None, None) => true,
        }
    }

    /// What a job is let go by when there are too many: those that have ended first, then the oldest.
    fn age(&self, digest: u64) -> (bool, i64, u64) {
        let ms = self.submitted().map_or(0, |submitted| submitted.ms);
        (self.ended().is_none(), ms, digest)
    }
}

fn day_of(ms: i64) -> i32 {
    ms.div_euclid(DAY_MS) as i32
}

/// The jobs that have not ended, and those that a late event may still say something about.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Jobs {
    pub(crate) jobs: IdMap<Job>,
}

impl Jobs {
    pub(crate) fn note_submitted(&mut self, job: u64, submission: Submission, counts: &mut Counts, horizon: &Horizon) {
        self.change(job, counts, horizon, |entry| entry.submitted = entry.submitted.min(submission));
    }

    pub(crate) fn note_ended(&mut self, job: u64, ms: i64, how: JobEnd, counts: &mut Counts, horizon: &Horizon) {
        let ended = (ms as u64) << 2 | how as u64;
        self.change(job, counts, horizon, |entry| entry.ended = entry.ended.min(ended));
    }

    fn change(&mut self, job: u64, counts: &mut Counts, horizon: &Horizon, change: impl FnOnce(&mut Job)) {
        let entry = self.jobs.entry(job);
        let before = *entry;
        change(entry);
        if *entry == before {
            return;
        }
        before.count(Sign::Minus, counts, horizon);
        entry.count(Sign::Plus, counts, horizon);
        if entry.is_settled(horizon) {
            self.jobs.remove(job);
        }
    }

    pub(crate) fn forget(&mut self, horizon: &Horizon) {
        self.jobs.retain(|_, job| !job.is_settled(horizon));
    }

    /// Keeps the number of jobs within its bound, an eighth let go at a time.
    pub(crate) fn keep_within(&mut self, max_jobs: usize) {
        if self.jobs.len() > max_jobs {
            let mut ages: Vec<_> = self.jobs.iter().map(|(digest, job)| job.age(digest)).collect();
            let n_gone = self.jobs.len() - (max_jobs - max_jobs / 8);
            let (_, &mut last_gone, _) = ages.select_nth_unstable(n_gone - 1);
            self.jobs.retain(|digest, job| job.age(digest) > last_gone);
        }
    }

    /// Adds the jobs of other events, which `counts` already counts as they were counted there.
    pub(crate) fn merge(&mut self, other: &Self, counts: &mut Counts, horizon: &Horizon) {
        for (digest, job) in other.jobs.sorted() {
            let own = self.jobs.entry(digest);
            let before = *own;
            own.submitted = own.submitted.min(job.submitted);
            own.ended = own.ended.min(job.ended);
            before.count(Sign::Minus, counts, horizon);
            job.count(Sign::Minus, counts, horizon);
            own.count(Sign::Plus, counts, horizon);
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.jobs.bytes()
    }
}
