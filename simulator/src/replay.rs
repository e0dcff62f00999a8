use std::io::Write;

use churn_events::{Timestamp, encode};

use crate::slices::Slices;
use crate::{Error, World};

/// Writes the log of a world as JSON lines in received order; `wait` is called before an event whose time has not come.
///
/// Where `wait` is `None`, everything is written as fast as it can be. Otherwise an event is written when `wait` has
/// returned for its time; what was written before is flushed first.
///
/// # Errors
/// [`Error::Replay`] when `out` takes no more; a pipe that was closed at its other end is an error of kind
/// [`std::io::ErrorKind::BrokenPipe`].
pub fn replay(world: &World, out: &mut impl Write, mut wait: Option<&mut dyn FnMut(Timestamp)>) -> Result<u64, Error> {
    let wrap = |source| Error::Replay { source };
    let mut slices = Slices::new(world);
    let mut n_events = 0;
    while let Some(week) = slices.next_week() {
        n_events += week.len() as u64;
        match &mut wait {
            None => slices.in_words(&week, encode, |words| words, |words| out.write_all(words).map_err(wrap))?,
            Some(wait) => {
                let mut from = 0;
                while from < week.len() {
                    // Events of one moment go together.
                    let received = week[from].received;
                    let to = from + week[from..].partition_point(|record| record.received == received);
                    out.flush().map_err(wrap)?;
                    wait(Timestamp::from_millis(received));
                    let words = |words: &[u8]| out.write_all(words).map_err(wrap);
                    slices.in_words(&week[from..to], encode, |words| words, words)?;
                    from = to;
                }
            }
        }
    }
    out.flush().map_err(wrap)?;
    Ok(n_events)
}
