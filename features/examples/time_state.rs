//! Times a tenant state on a plain log: events applied, features read, and the memory that many tenants take.
//!
//! `cargo run --release -p churn-features --example time_state`

use std::borrow::Cow;
use std::hint::black_box;
use std::time::Instant;

use churn_events::{DAY_MS, Event, EventKind, JobStatus, ObservationDate, Timestamp};
use churn_features::{FeatureReader, StateOptions, TenantState, catalogue_schema};

const N_USERS: u64 = 20;
const N_DAYS: i64 = 120;
const FIRST_DAY: i64 = 20_000;

fn main() -> Result<(), churn_features::Error> {
    let options = StateOptions::default();
    let reader = FeatureReader::new(&catalogue_schema(&[])?)?;
    for events_per_day in [20, 30, 40] {
        let log = log(events_per_day);
        let n_repeats = 60;
        let start = Instant::now();
        for _ in 0..n_repeats {
            let mut state = TenantState::new();
            for event in &log {
                black_box(state.apply(event, &options));
            }
            black_box(&state);
        }
        let per_event = start.elapsed().as_secs_f64() / f64::from(n_repeats) / log.len() as f64;

        let mut state = TenantState::new();
        log.iter().for_each(|event| {
            state.apply(event, &options);
        });
        let date = ObservationDate::from_days((FIRST_DAY + N_DAYS + 1) as i32);
        let mut features = vec![0.0; reader.width()];
        let start = Instant::now();
        for _ in 0..20_000 {
            state.features_at(black_box(date), &reader, &mut features)?;
        }
        let per_read = start.elapsed().as_secs_f64() / 20_000.0;

        let before = resident_bytes();
        let mut states = Vec::with_capacity(5_000);
        for _ in 0..5_000 {
            let mut state = TenantState::new();
            log.iter().for_each(|event| {
                state.apply(event, &options);
            });
            states.push(state);
        }
        let resident = (resident_bytes() - before) / states.len() as f64;
        let mut stored = Vec::new();
        state.write_to(&mut stored);
        eprintln!(
            "{events_per_day} events a day, {N_USERS} users: {:.2} M events/s, {:.2} us a read, {resident:.0} bytes resident \
             ({} counted), {} stored",
            1e-6 / per_event,
            1e6 * per_read,
            state.approximate_bytes(),
            stored.len(),
        );
    }
    Ok(())
}

/// Logins with their logoffs, jobs with their ends, spread over users and days.
fn log(events_per_day: i64) -> Vec<Event<'static>> {
    let mut log = Vec::new();
    let mut random = 7_u64;
    for n in 0..N_DAYS * events_per_day / 2 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let user = Cow::Owned(format!("user-{}@example.com", (random >> 40) % N_USERS));
        let at = FIRST_DAY * DAY_MS + n * 2 * DAY_MS / events_per_day;
        let later = at + (random >> 33) as i64 % (3 * 3_600_000);
        if n % 8 < 5 {
            let session = || Cow::Owned(format!("session-{n}"));
            log.push(event(at, EventKind::UserLogin { user: Cow::clone(&user), session: session() }));
            log.push(event(later, EventKind::UserLogoff { user, session: session() }));
        } else {
            let job = || Cow::Owned(format!("job-{n}"));
            let submitted = EventKind::JobSubmitted { job: job(), user, servers: 3, data_size: random >> 30 };
            log.push(event(at, submitted));
            log.push(event(later, EventKind::JobTerminated { job: job(), status: JobStatus::Succeeded }));
        }
    }
    log.sort_by_key(|event| event.received_at);
    log.iter_mut().zip(0..).for_each(|(event, n)| event.id = Cow::Owned(format!("6f1c2a90-{n:08}")));
    log
}

fn event(at_ms: i64, kind: EventKind<'static>) -> Event<'static> {
    Event {
        id: Cow::Borrowed(""),
        source: Cow::Borrowed("/platform/job-manager"),
        tenant: Cow::Borrowed("acme"),
        occurred_at: Timestamp::from_millis(at_ms),
        received_at: Timestamp::from_millis(at_ms + 1500),
        kind,
    }
}

/// Memory in use by this process, on Linux.
fn resident_bytes() -> f64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    pages.split(' ').nth(1).and_then(|n| n.parse::<f64>().ok()).unwrap_or(0.0) * 4096.0
}
