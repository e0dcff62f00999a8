//! throwaway
use churn_simulator::*;
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let w = World::new(&WorldOptions { tenants: a[1].parse().unwrap(), seed: a[2].parse().unwrap(), ..Default::default() }).unwrap();
    write_truth(&w, a[3].as_ref(), &TruthPlan::default()).unwrap();
}
