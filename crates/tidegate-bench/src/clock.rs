//! The time a measurement took: of the processor, and on the wall.

use std::time::{Duration, Instant};

/// The clock of the ns column, as the machine's description names it.
#[cfg(unix)]
pub(crate) const NAME: &str = "thread CPU time; process CPU time for several threads";
/// The clock of the ns column, as the machine's description names it.
#[cfg(not(unix))]
pub(crate) const NAME: &str = "wall time";

/// Whose processor time counts.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Of {
    /// This thread, which does all the work.
    Thread,
    /// All threads of the process.
    Process,
}

/// A measurement under way.
#[derive(Debug)]
pub(crate) struct Watch {
    of: Of,
    cpu: Duration,
    wall: Instant,
}

/// How long it took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Elapsed {
    /// Processor time, of all threads that count together.
    pub(crate) cpu: Duration,
    pub(crate) wall: Duration,
}

impl Watch {
    pub(crate) fn start(of: Of) -> Self {
        Self { of, wall: Instant::now(), cpu: now(of) }
    }

    pub(crate) fn read(&self) -> Elapsed {
        let cpu = now(self.of).saturating_sub(self.cpu);
        Elapsed { cpu, wall: self.wall.elapsed() }
    }
}

#[cfg(unix)]
fn now(of: Of) -> Duration {
    use rustix::time::{ClockId, clock_gettime};

    let time = clock_gettime(match of {
        Of::Thread => ClockId::ThreadCPUTime,
        Of::Process => ClockId::ProcessCPUTime,
    });
    // Neither part of a processor time is negative.
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    let nanos = u32::try_from(time.tv_nsec).unwrap_or_default();
    Duration::new(seconds, nanos)
}

/// Where the system tells no processor time of a thread through safe code.
#[cfg(not(unix))]
fn now(_: Of) -> Duration {
    use std::sync::OnceLock;

    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed()
}
