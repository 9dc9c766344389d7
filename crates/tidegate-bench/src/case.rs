//! What is measured.

use crate::subject::Excess;

/// A situation a call can be in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Case {
    /// A permit is free.
    Free,
    /// Every call waits for a permit that is handed over.
    Queue,
    /// Tasks call in turn through a limit of 8.
    Contended { tasks: u32, threads: u32 },
    /// Callers join a queue that nobody leaves.
    Waiters,
    /// All callers of that queue go away.
    Cancel,
    /// The limit changes by one, up and down, while callers wait.
    Resize { has_waiters: bool },
}

/// The limit of the contended cases.
pub(crate) const CONTENDED_LIMIT: u32 = 8;

impl Case {
    pub(crate) fn all() -> Vec<Self> {
        let contended = [1, 2].into_iter().flat_map(|threads| {
            [2, 8, 64, 1024].into_iter().map(move |tasks| Self::Contended { tasks, threads })
        });
        [Self::Free, Self::Queue]
            .into_iter()
            .chain(contended)
            .chain([Self::Waiters, Self::Cancel])
            .chain([Self::Resize { has_waiters: false }, Self::Resize { has_waiters: true }])
            .collect()
    }

    pub(crate) fn name(self) -> String {
        match self {
            Self::Free => "free".to_owned(),
            Self::Queue => "queue".to_owned(),
            Self::Contended { tasks, threads: 1 } => format!("contended_{tasks}"),
            Self::Contended { tasks, .. } => format!("contended_{tasks}_mt"),
            Self::Waiters => "waiters_100k".to_owned(),
            Self::Cancel => "cancel_100k".to_owned(),
            Self::Resize { has_waiters: false } => "resize_idle".to_owned(),
            Self::Resize { has_waiters: true } => "resize_100k".to_owned(),
        }
    }

    /// What `ns` is of.
    pub(crate) const fn operation(self) -> &'static str {
        match self {
            Self::Free => "a call, a permit being free",
            Self::Queue => "a call that waits for a permit handed over",
            Self::Contended { threads: 1, .. } => "a call of many tasks through a limit of 8, one thread",
            Self::Contended { .. } => "a call of many tasks through a limit of 8, two threads",
            Self::Waiters => "joining a queue of 100,000",
            Self::Cancel => "leaving a queue of 100,000",
            Self::Resize { has_waiters: false } => "a change of the limit, nobody waiting",
            Self::Resize { has_waiters: true } => "a change of the limit, 100,000 waiting",
        }
    }

    pub(crate) const fn threads(self) -> u32 {
        match self {
            Self::Contended { threads, .. } => threads,
            _ => 1,
        }
    }

    /// Whether it can be measured of a subject that treats excess calls so.
    pub(crate) const fn suits(self, excess: Excess) -> bool {
        match self {
            Self::Free => true,
            Self::Contended { .. } => !matches!(excess, Excess::Refuses),
            Self::Queue | Self::Waiters | Self::Cancel => matches!(excess, Excess::Admits | Excess::Waits),
            Self::Resize { .. } => matches!(excess, Excess::Waits),
        }
    }

    /// Whether the bare service's figures are taken off.
    pub(crate) const fn is_over_bare(self) -> bool {
        !matches!(self, Self::Resize { .. })
    }
}
