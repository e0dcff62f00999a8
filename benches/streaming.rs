//! How long does it take from a stream's records to score records?
//!
//! `cargo bench -p churn-benches --bench streaming`. Goals, one thread: a million events a second without scoring, 200,000
//! with. Scored is on every event, by 100 trees of depth 12 that read all 48 features. `stream_case latency` tells how
//! long single events take.

use std::hint::black_box;
use std::time::{Duration, Instant};

use churn_benches::{BATCH_RECORDS, stream_model, warm_processor};
use churn_model::Model;
use churn_streaming::{Output, ScoreWhen};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};

/// Batches that are timed together.
const ROUND_BATCHES: usize = 60;

fn streaming(criterion: &mut Criterion) {
    let model = stream_model().expect("a fine log");
    let mut group = criterion.benchmark_group("records to score records");
    group.sample_size(20).sampling_mode(SamplingMode::Flat).measurement_time(Duration::from_secs(3));
    group.warm_up_time(Duration::from_millis(500));
    group.throughput(Throughput::Elements((ROUND_BATCHES * BATCH_RECORDS) as u64));
    round(&mut group, "never scored", &model, ScoreWhen::Never, 0, false);
    round(&mut group, "scored at every event", &model, ScoreWhen::Events, 0, false);
    round(&mut group, "scored, as JSON", &model, ScoreWhen::Events, 0, true);
    round(&mut group, "scored, with 3 reasons", &model, ScoreWhen::Events, 3, false);
    round(&mut group, "scored, with 3 reasons, as JSON", &model, ScoreWhen::Events, 3, true);
    group.finish();
}

fn round(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    model: &Model,
    when: ScoreWhen,
    reasons: usize,
    as_json: bool,
) {
    let (mut output, mut json) = (Output::default(), Vec::new());
    // Warmed up by the first who asks, so that one of them can be run by itself.
    let mut warm = None;
    group.bench_function(name, |bencher| {
        let (processor, stream) =
            warm.get_or_insert_with(|| warm_processor(model, when, reasons, BATCH_RECORDS).expect("a fine model"));
        bencher.iter_custom(|n_rounds| {
            let mut spent = Duration::ZERO;
            for _ in 0..n_rounds {
                // Full batches only: those at the end of a day are smaller.
                let batches = std::iter::repeat_with(|| stream.next_batch());
                let batches: Vec<_> =
                    batches.filter(|batch| batch.records.len() == BATCH_RECORDS).take(ROUND_BATCHES).collect();
                let begun = Instant::now();
                for batch in &batches {
                    processor.apply(batch, &mut output);
                    if as_json {
                        json.clear();
                        for record in &output.scores {
                            serde_json::to_writer(&mut json, record).expect("is written to memory");
                            json.push(b'\n');
                        }
                        black_box(&json);
                    }
                    black_box(&output);
                    output.clear();
                }
                spent += begun.elapsed();
            }
            spent
        });
    });
    if let Some((_, stream)) = warm {
        let (bytes, records) = stream.totals;
        eprintln!("{name}: {:.0} bytes a record", bytes as f64 / records as f64);
    }
}

criterion_group!(benches, streaming);
criterion_main!(benches);
