use churn_events::DAY_MS;

use super::counts::{Counts, Sign};
use super::horizon::{Horizon, JOB_PAIR_MS};
use super::id_map::IdMap;
use super::recent_ids::RecentIds;
use crate::Kept;

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
    /// The upper half of the event's digest, by which a copy is known.
    pub(crate) id: u32,
}

impl Submission {
    /// What a submission that does not count is told by, apart from all events and from those of other jobs.
    fn digest(&self, job: u64) -> u64 {
        job ^ u64::from(self.id) << 32
    }
}

/// What is known of one job; an unknown part has the largest value there is, so that the least is the one that counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Job {
    pub(crate) submitted: Submission,
    /// Milliseconds, and how in the lowest two bits.
    pub(crate) ended: u64,
}

const NOT_SUBMITTED: Submission = Submission { ms: i64::MAX, data_bytes: u64::MAX, servers: u32::MAX, id: u32::MAX };
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

    /// Counts a job for what it is, where it was counted for what it was before. Only here is decided what a job counts
    /// for, and nothing is looked at but the job.
    fn recount(&self, before: &Self, counts: &mut Counts, horizon: &Horizon) {
        if self.submitted != before.submitted {
            before.count_submission(Sign::Minus, counts, horizon);
            self.count_submission(Sign::Plus, counts, horizon);
        }
        if !horizon.kept.contains(Kept::RUNS) {
            return;
        }
        before.count_outcome(Sign::Minus, counts, horizon);
        self.count_outcome(Sign::Plus, counts, horizon);
    }

    fn count_submission(&self, sign: Sign, counts: &mut Counts, horizon: &Horizon) {
        if let Some(Submission { ms, data_bytes, servers, .. }) = self.submitted() {
            counts.job(day_of(ms), data_bytes, servers, sign, horizon);
        }
    }

    fn count_outcome(&self, sign: Sign, counts: &mut Counts, horizon: &Horizon) {
        let submitted = self.submitted();
        let Some((ms, how)) = self.ended() else {
            if let Some(Submission { ms, .. }) = submitted {
                counts.recent(day_of(ms), horizon, |slot| sign.apply(&mut slot.unfinished, 1));
            }
            return;
        };
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

/// Remembers a submission that does not count, to know a copy by.
fn keep_id(job: u64, submission: Submission, recent_ids: &mut RecentIds, horizon: &Horizon) {
    let day = day_of(submission.ms);
    if horizon.remembers_ids_of(day) {
        recent_ids.insert(submission.digest(job), day);
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
    /// Notes the submission of a job; `false` when the same event was there already.
    ///
    /// The job itself tells a copy of the submission that counts. Of a job submitted again, the recent ids tell the
    /// others.
    pub(crate) fn note_submitted(
        &mut self,
        job: u64,
        submission: Submission,
        recent_ids: &mut RecentIds,
        counts: &mut Counts,
        horizon: &Horizon,
    ) -> bool {
        let entry = self.jobs.entry(job);
        let before = *entry;
        if let Some(held) = before.submitted() {
            if held.id == submission.id || recent_ids.contains(submission.digest(job)) {
                return false;
            }
            keep_id(job, held.max(submission), recent_ids, horizon);
        }
        entry.submitted = before.submitted.min(submission);
        entry.recount(&before, counts, horizon);
        if entry.is_settled(horizon) {
            self.jobs.remove(job);
        }
        true
    }

    /// Notes the end of a job; `false` when the same was there already.
    pub(crate) fn note_ended(
        &mut self,
        job: u64,
        ms: i64,
        how: JobEnd,
        counts: &mut Counts,
        horizon: &Horizon,
    ) -> bool {
        let ended = (ms as u64) << 2 | how as u64;
        let entry = self.jobs.entry(job);
        let before = *entry;
        if before.ended == ended {
            return false;
        }
        entry.ended = before.ended.min(ended);
        entry.recount(&before, counts, horizon);
        if entry.is_settled(horizon) {
            self.jobs.remove(job);
        }
        true
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
    pub(crate) fn merge(&mut self, other: &Self, recent_ids: &mut RecentIds, counts: &mut Counts, horizon: &Horizon) {
        for (digest, job) in other.jobs.sorted() {
            let own = self.jobs.entry(digest);
            let before = *own;
            if let (Some(one), Some(other)) = (own.submitted(), job.submitted())
                && one.id != other.id
            {
                keep_id(digest, one.max(other), recent_ids, horizon);
            }
            own.submitted = own.submitted.min(job.submitted);
            own.ended = own.ended.min(job.ended);
            // What the other side counted for goes, as for a job that is not known at all.
            Job::default().recount(job, counts, horizon);
            own.recount(&before, counts, horizon);
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.jobs.bytes()
    }
}
