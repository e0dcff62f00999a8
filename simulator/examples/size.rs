use std::time::Instant;
use churn_simulator::*;
fn main() {
    let w = World::new(&WorldOptions::default()).unwrap();
    let t = Instant::now();
    let (mut n, mut c, mut a, mut risk) = (0usize, 0, 0, 0);
    let mut sizes = vec![];
    for i in 0..w.n_tenants() { let h = w.tenant(i); let k = h.events().count(); n += k; sizes.push(k); }
    println!("events {n} {:?}", t.elapsed());
    sizes.sort(); println!("median {} max {}", sizes[1000], sizes[1999]);
    let t = Instant::now();
    for i in 0..w.n_tenants() { let h = w.truth(i);
        for (d, ac) in h.cancellations() { if d >= w.start() { c += 1; a += ac as usize; } }
        for d in 0..730 { risk += h.health_at(w.start().plus_days(d)).is_some() as usize; } }
    println!("cancel {c} acausal {a} per year {} {:?}", c as f64 / (risk as f64 / 365.0), t.elapsed());
}
