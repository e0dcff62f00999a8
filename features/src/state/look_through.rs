/// Bytes that a processor fetches at once.
const LINE_BYTES: usize = 64;

/// Reads something of every line of memory that a list fills, so that it is in the processor's cache; the sum means
/// nothing. The reads do not wait for each other.
pub(crate) fn look_through<T>(list: &[T], read: impl Fn(&T) -> u64) -> u64 {
    list.iter().step_by((LINE_BYTES / size_of::<T>()).max(1)).map(read).fold(0, u64::wrapping_add)
}
