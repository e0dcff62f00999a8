//! What this process has cost so far.

use rustix::time::{ClockId, clock_gettime};

/// Processor time of all threads, in seconds: the figure that a busy machine spoils least.
pub fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

/// The most memory that was resident at any time, in MiB; `None` where there is no `/proc`.
pub fn peak_mib() -> Option<f64> {
    status_mib("VmHWM:")
}

/// The memory that is resident now, in MiB; `None` where there is no `/proc`.
pub fn resident_mib() -> Option<f64> {
    status_mib("VmRSS:")
}

fn status_mib(field: &str) -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_passes_while_something_is_computed() {
        let before = cpu_seconds();
        let sum: u64 = (0..20_000_000_u64).map(|i| std::hint::black_box(i) % 7).sum();
        assert!(sum > 0 && cpu_seconds() > before);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn memory_that_was_given_back_stays_in_the_peak() {
        const MIB: usize = 200;
        let before = resident_mib().unwrap();
        let block = std::hint::black_box(vec![1_u8; MIB << 20]);
        let with_block = resident_mib().unwrap();
        drop(block);
        assert!(with_block > before + 0.9 * MIB as f64, "{with_block} after {before}");
        let (peak, now) = (peak_mib().unwrap(), resident_mib().unwrap());
        // The kernel counts pages per processor and adds them up later: figures a few pages apart are equal.
        assert!(
            peak > with_block - 1.0 && now < with_block - 0.5 * MIB as f64,
            "{now} now, {peak} at most, {with_block}"
        );
    }
}
