use churn_simulator::*;
fn main() {
    let seeds = std::env::args().nth(1).unwrap_or("1".into());
    for seed in seeds.split(',') {
        let w = World::new(&WorldOptions { seed: seed.parse().unwrap(), ..Default::default() }).unwrap();
        let t = std::time::Instant::now();
        let v = validate(&w);
        println!("seed {seed} {:?}", t.elapsed());
        for c in &v.checks {
            println!(
                "{} {:45} {:10.4}  [{} {}]",
                if c.passes() { "  " } else { "!!" },
                c.name,
                c.measured,
                c.least,
                c.most
            );
        }
        println!("{:.2?}", v.event_study);
        if seeds.len() < 3 {
            for (n, a) in &v.single {
                print!("{n} {a:.3}; ");
            }
            println!();
        }
    }
}
