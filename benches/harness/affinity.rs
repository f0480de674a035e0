//! Threads that keep to a CPU of the host. Two that are free to move may get the same one in turn.

/// Keeps the running thread to the CPU with that number among those it may run on, or, if there are
/// not as many, to the one where the count ends that begins again with the first.
#[cfg(target_os = "linux")]
pub(crate) fn pin(number: u32) {
    // SAFETY: all bits 0 is a legal value: the set without a CPU.
    let [mut allowed, mut one]: [libc::cpu_set_t; 2] = unsafe { std::mem::zeroed() };
    let bytes = size_of::<libc::cpu_set_t>();
    // SAFETY: `allowed` is that large; 0 is the running thread.
    if unsafe { libc::sched_getaffinity(0, bytes, &raw mut allowed) } != 0 {
        return;
    }
    let range = 0..usize::try_from(libc::CPU_SETSIZE).unwrap_or(0);
    // SAFETY: the number is below the size of the set.
    let cpus: Vec<_> = range.filter(|cpu| unsafe { libc::CPU_ISSET(*cpu, &allowed) }).collect();
    if let Some(cpu) = (number as usize).checked_rem(cpus.len()).map(|place| cpus[place]) {
        // SAFETY: the number is below the size of the set.
        unsafe { libc::CPU_SET(cpu, &mut one) };
        // SAFETY: `one` is that large. The thread stays where it was if the host does not want it.
        unsafe { libc::sched_setaffinity(0, bytes, &raw const one) };
    }
}

/// Other hosts choose by themselves.
#[cfg(not(target_os = "linux"))]
pub(crate) fn pin(_number: u32) {}
