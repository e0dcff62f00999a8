//! Several files as one log.
//!
//! Events are merged in rounds. At the start of a round every file that has few events left gets another block decoded;
//! the round ends when some file has none left but may have more. What others then have left is kept for the next
//! rounds, borrowing from nothing, so that no block outlives its round and no line is decoded twice.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::blocks::Block;
use super::queue::{BATCH_EVENTS, Queue};
use super::{BLOCKS_AT_ONCE, Findings, Source, parallel};
use crate::{Error, Event, Timestamp};

/// Bytes of a block, of which every file has one.
pub(super) const BLOCK_BYTES: usize = 64 << 10;

/// Events left below which a file gets another block.
const FEW_EVENTS: u64 = 64;

/// A file among several.
struct Input<'r> {
    source: Source<'r>,
    /// Events decoded in an earlier round.
    left: Queue<'static>,
    ended: bool,
    /// Blocks that it gets at once: more when its turn lasts, as where each file is a day.
    appetite: usize,
}

pub(super) fn read_several(
    sources: Vec<Source<'_>>,
    findings: &mut Findings,
    on_batch: &mut dyn FnMut(&[Event<'_>]),
) -> Result<(), Error> {
    let as_input = |source| Input { source, left: Queue::default(), ended: false, appetite: 1 };
    let mut inputs: Vec<_> = sources.into_iter().map(as_input).collect();
    let mut spare = Vec::new();
    while inputs.iter().any(|input| !input.ended || !input.left.is_empty()) {
        let mut blocks = Vec::new();
        for (index, input) in inputs.iter_mut().enumerate() {
            if !input.ended && input.left.len() < FEW_EVENTS {
                let next = input.source.blocks(input.appetite, &mut spare);
                input.ended = next.is_empty();
                blocks.extend(next.into_iter().map(|block| (index, block)));
            }
        }
        merge_round(&mut inputs, &blocks, findings, on_batch)?;
        spare.extend(blocks.into_iter().map(|(_, block)| block));
        spare.truncate(BLOCKS_AT_ONCE);
    }
    for input in inputs {
        findings.note_end(input.source);
    }
    Ok(())
}

/// Hands on what is known to be next.
fn merge_round(
    inputs: &mut [Input<'_>],
    blocks: &[(usize, Block)],
    findings: &mut Findings,
    on_batch: &mut dyn FnMut(&[Event<'_>]),
) -> Result<(), Error> {
    let mut fresh: Vec<Queue<'_>> = inputs.iter().map(|_| Queue::default()).collect();
    let shared = &*inputs;
    let contexts: Vec<_> = shared.iter().map(|input| &input.source.context).collect();
    let decoded = parallel::map(blocks.iter().collect(), |(index, block)| contexts[*index].decode(block));
    for ((index, _), block) in blocks.iter().zip(decoded) {
        let events = findings.note(&inputs[*index].source.path, block)?;
        fresh[*index].append(events);
    }

    let head = |input: &Input<'_>, fresh: &Queue<'_>| -> Option<Timestamp> {
        input.left.next_received_at().or_else(|| fresh.next_received_at())
    };
    let mut heads = BinaryHeap::with_capacity(inputs.len());
    let mut is_complete = true;
    for (index, input) in inputs.iter().enumerate() {
        match head(input, &fresh[index]) {
            Some(received_at) => heads.push(Reverse((received_at, index))),
            // A block may hold no event at all.
            None => is_complete &= input.ended,
        }
    }

    let mut batch: Vec<Event<'_>> = Vec::new();
    let mut taken_from = None;
    let mut is_alone = true;
    while is_complete && let Some(Reverse((_, index))) = heads.pop() {
        is_alone &= *taken_from.get_or_insert(index) == index;
        let (input, fresh) = (&mut inputs[index], &mut fresh[index]);
        // All up to the next file's first event; of equal times the file named first goes first.
        let limit = heads.peek().map(|Reverse(limit)| *limit);
        loop {
            batch.extend(input.left.pop().or_else(|| fresh.pop()));
            if batch.len() >= BATCH_EVENTS {
                on_batch(&batch);
                batch.clear();
            }
            match head(input, fresh) {
                None => is_complete = input.ended,
                Some(received_at) if limit.is_none_or(|limit| (received_at, index) < limit) => continue,
                Some(received_at) => heads.push(Reverse((received_at, index))),
            }
            break;
        }
    }
    if !batch.is_empty() {
        on_batch(&batch);
    }

    for (index, (input, fresh)) in inputs.iter_mut().zip(fresh).enumerate() {
        input.left.append(fresh.into_owned());
        let goes_on = is_alone && taken_from == Some(index);
        input.appetite = if goes_on { (input.appetite * 2).min(BLOCKS_AT_ONCE) } else { 1 };
    }
    Ok(())
}
