//! Turns the invoices of an online wholesaler (UCI 352) into an event log.
//!
//! ```text
//! cargo run --release -p churn-train --example online_retail -- online_retail_events.csv events.jsonl
//! ```
//!
//! A customer becomes a tenant and its only user, an invoice a job. Its value in pence stands for the data size in
//! bytes, and the number of products for the servers. A credit note, whose number begins with C, becomes a cancelled job:
//! it names no invoice that it takes back. Both are also what they are, a bill of that value, which is below zero on a
//! credit note. Times are taken for UTC; nothing says when they were received, so that is when they occurred.

use std::error::Error;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};

use churn_events::{Event, EventKind, Money, Timestamp, encode};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
struct Invoice {
    /// `2010-12-01 08:26:00`
    timestamp: String,
    customer: String,
    invoice: String,
    /// 0 or 1.
    cancelled: u8,
    products: u32,
    /// In pounds; below zero on a credit note.
    value: f64,
}

/// Reads invoices from CSV, and writes their events as JSON Lines, in the order in which they were received.
pub(crate) fn convert(invoices: impl Read, mut events: impl Write) -> Result<(), Box<dyn Error>> {
    let mut invoices: Vec<Invoice> = csv::Reader::from_reader(invoices).deserialize().collect::<Result<_, _>>()?;
    invoices.sort_by(|a, b| a.timestamp.cmp(&b.timestamp));
    let mut line = Vec::new();
    for invoice in &invoices {
        line.clear();
        for event in events_of(invoice)? {
            encode(&event, &mut line);
            line.push(b'\n');
        }
        events.write_all(&line)?;
    }
    Ok(events.flush()?)
}

fn events_of(invoice: &Invoice) -> Result<[Event<'_>; 2], Box<dyn Error>> {
    let time = Timestamp::parse(&format!("{}Z", invoice.timestamp.replace(' ', "T")))?;
    let job = invoice.invoice.as_str().into();
    let kind = if invoice.cancelled == 1 {
        EventKind::JobCancelled { job }
    } else {
        let user = invoice.customer.as_str().into();
        let data_size = (invoice.value.max(0.0) * 100.0).round() as u64;
        EventKind::JobSubmitted { job, user, servers: invoice.products, data_size }
    };
    let amount = Money::from_dollars(invoice.value).ok_or("a value is no amount of money")?;
    let event = |id: String, kind| Event {
        id: id.into(),
        source: "/uci/352".into(),
        tenant: invoice.customer.as_str().into(),
        occurred_at: time,
        received_at: time,
        kind,
    };
    let bill = event(format!("{}-bill", invoice.invoice), EventKind::TenantBilled { amount });
    Ok([event(invoice.invoice.clone(), kind), bill])
}

fn main() -> Result<(), Box<dyn Error>> {
    let paths: Vec<_> = std::env::args_os().skip(1).collect();
    let [invoices, events] = &paths[..] else {
        return Err("expected two arguments: the CSV file of invoices, and the file of events to be written".into());
    };
    convert(BufReader::new(File::open(invoices)?), BufWriter::new(File::create(events)?))
}
