//! Who is let in: so many requests, so many bytes of bodies, so many bodies scored at once.
//!
//! A server that takes all that comes answers nothing in the end: the platform waits 60 seconds, asks again, and the
//! queue grows. What cannot be answered soon is refused at once with 503.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use http_body_util::BodyExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout, timeout_at};

use crate::http::refusal::Refusal;

/// Bodies up to this size are not counted: the number of requests bounds them.
const SMALL_BYTES: usize = 64 << 10;

/// Bytes are counted in units, because a semaphore counts up to 2^29 on small machines.
const UNIT: usize = 1 << 10;

/// Bodies of the largest size that may be in memory at once.
const LARGEST_BODIES: usize = 4;

/// How long what is too large is read on, so that the client can read the answer: one that is still writing would see
/// its connection reset instead.
const REFUSED_READ_ON: Duration = Duration::from_secs(10);

/// Counts requests at work and the bytes of their bodies.
#[derive(Debug)]
pub(crate) struct Admission {
    requests: Arc<Semaphore>,
    units: Arc<Semaphore>,
    scoring: Arc<Semaphore>,
    most_bytes: usize,
    body_timeout: Duration,
}

/// A body, counted as long as it is held.
#[derive(Debug)]
pub(crate) struct Admitted {
    pub(crate) bytes: Bytes,
    _units: Option<OwnedSemaphorePermit>,
}

impl Admission {
    pub(crate) fn new(max_requests: usize, most_bytes: usize, n_cores: usize, body_timeout: Duration) -> Self {
        let n_units =
            (most_bytes.saturating_mul(LARGEST_BODIES) / UNIT).clamp(SMALL_BYTES / UNIT, Semaphore::MAX_PERMITS);
        Self {
            requests: Arc::new(Semaphore::new(max_requests)),
            units: Arc::new(Semaphore::new(n_units)),
            scoring: Arc::new(Semaphore::new(n_cores)),
            most_bytes,
            body_timeout,
        }
    }

    /// Lets a request in, which is at work until the permit is dropped.
    ///
    /// # Errors
    /// [`Refusal::Overloaded`].
    pub(crate) fn admit(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        self.requests.clone().try_acquire_owned().map_err(|_| Refusal::Overloaded)
    }

    /// Waits for a core to score on, which is taken until the permit is dropped.
    pub(crate) async fn core(&self) -> OwnedSemaphorePermit {
        self.scoring.clone().acquire_owned().await.expect("this cannot fail because the semaphore is never closed")
    }

    /// Reads a body to its end.
    ///
    /// # Errors
    /// When it is too large, too slow, breaks off, or there is no room for it.
    pub(crate) async fn read(&self, mut body: Body) -> Result<Admitted, Refusal> {
        let deadline = Instant::now() + self.body_timeout;
        let too_slow = || Refusal::TooSlow { seconds: self.body_timeout.as_secs() };
        let mut parts: Vec<Bytes> = Vec::new();
        let mut n_bytes = 0;
        let mut units: Option<OwnedSemaphorePermit> = None;
        while let Some(frame) = timeout_at(deadline, body.frame()).await.map_err(|_| too_slow())? {
            let Ok(part) = frame.map_err(|_| Refusal::BrokeOff)?.into_data() else { continue };
            n_bytes += part.len();
            if n_bytes > self.most_bytes {
                drop((parts, units));
                return Err(self.read_on(body, Refusal::TooLarge { most_bytes: self.most_bytes }).await);
            }
            let n_units = n_bytes.saturating_sub(SMALL_BYTES).div_ceil(UNIT);
            let n_more = n_units - units.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
            if n_more > 0 {
                let n_more = u32::try_from(n_more).unwrap_or(u32::MAX);
                let Ok(more) = self.units.clone().try_acquire_many_owned(n_more) else {
                    drop((parts, units));
                    return Err(self.read_on(body, Refusal::Overloaded).await);
                };
                match &mut units {
                    Some(units) => units.merge(more),
                    None => units = Some(more),
                }
            }
            parts.push(part);
        }
        let bytes = if let [part] = parts.as_mut_slice() { std::mem::take(part) } else { parts.concat().into() };
        Ok(Admitted { bytes, _units: units })
    }

    /// Reads what a client still sends and forgets it.
    async fn read_on(&self, mut body: Body, refusal: Refusal) -> Refusal {
        let rest = async { while let Some(Ok(_)) = body.frame().await {} };
        // A client that takes longer finds its connection closed.
        let _ = timeout(REFUSED_READ_ON, rest).await;
        refusal
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: usize = 1 << 20;

    fn admission(max_requests: usize, most_bytes: usize) -> Admission {
        Admission::new(max_requests, most_bytes, 1, Duration::from_secs(10))
    }

    #[test]
    fn one_request_too_many_is_refused_until_another_ends() {
        let admission = admission(2, MB);
        let (first, _second) = (admission.admit().unwrap(), admission.admit().unwrap());
        assert!(matches!(admission.admit(), Err(Refusal::Overloaded)));
        drop(first);
        assert!(admission.admit().is_ok());
    }

    #[tokio::test]
    async fn a_body_has_as_many_bytes_as_are_taken() {
        let admission = admission(1, 10);
        assert_eq!(admission.read(Body::from("ten  bytes")).await.unwrap().bytes, "ten  bytes");
        let refused = admission.read(Body::from("eleven bytes")).await.unwrap_err();
        assert!(matches!(refused, Refusal::TooLarge { most_bytes: 10 }), "{refused}");
    }

    #[tokio::test]
    async fn there_is_room_for_four_of_the_largest_bodies_and_any_number_of_small_ones() {
        let admission = admission(1, MB);
        let mut held = Vec::new();
        for _ in 0..4 {
            held.push(admission.read(Body::from(vec![b'1'; MB])).await.unwrap());
        }
        // What is not counted of each leaves a rest, which is less than one more.
        assert!(matches!(admission.read(Body::from(vec![b'1'; MB])).await, Err(Refusal::Overloaded)));
        assert!(admission.read(Body::from(vec![b'1'; SMALL_BYTES])).await.is_ok());
        held.pop();
        assert!(admission.read(Body::from(vec![b'1'; MB])).await.is_ok());
    }
}
