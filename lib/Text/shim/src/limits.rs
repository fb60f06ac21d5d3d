// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Runs untrusted work on a thread that can be given up.
//!
//! The template engine meters its steps, but not everything it does: adding
//! lists or printing values that share parts can take any time and memory
//! within one step. So the work has a thread with a budget of memory, kept by
//! the allocator, and a time limit. A thread cannot be ended from outside and an
//! allocation must not unwind; one that exceeds its budget is therefore put to
//! sleep for good in its next allocation. It costs what its budget allows, once
//! per hostile template.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::{panic_text, Outcome};

/// What one piece of work may take.
#[derive(Clone, Copy)]
pub struct Budget {
    /// Address space of the stack; memory is taken as it is touched.
    pub stack_bytes: u64,
    pub heap_bytes: u64,
    pub time: Duration,
}

/// The budget of threads that have none.
const UNLIMITED: i64 = i64::MAX;

thread_local! {
    /// Bytes this thread may still allocate, and whom to tell about the end.
    static REMAINING: Cell<i64> = const { Cell::new(UNLIMITED) };
    static WATCH: Cell<*const Watch> = const { Cell::new(std::ptr::null()) };
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Running,
    Done,
    OutOfMemory,
}

struct Watch {
    state: Mutex<State>,
    changed: Condvar,
    abandoned: AtomicBool,
}

impl Watch {
    fn set(&self, state: State) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = state;
        self.changed.notify_all();
    }

    /// The state when the work ended or the time was over.
    fn wait(&self, time: Duration) -> State {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (state, _) = self
            .changed
            .wait_timeout_while(state, time, |state| *state == State::Running)
            .unwrap_or_else(PoisonError::into_inner);
        *state
    }
}

/// The system's allocator, with an account for threads that have a budget.
struct Metered;

#[global_allocator]
static ALLOCATOR: Metered = Metered;

#[inline]
fn charge(bytes: usize) {
    let remaining = REMAINING.get();
    if remaining != UNLIMITED {
        charge_limited(remaining.saturating_sub_unsigned(bytes as u64));
    }
}

#[cold]
fn charge_limited(remaining: i64) {
    REMAINING.set(remaining);
    // The watch lives as long as the thread, which holds a share of it.
    let watch = unsafe { &*WATCH.get() };
    if remaining >= 0 && !watch.abandoned.load(Ordering::Relaxed) {
        return;
    }
    REMAINING.set(UNLIMITED);
    watch.set(State::OutOfMemory);
    loop {
        unsafe { libc::pause() };
    }
}

#[inline]
fn credit(bytes: usize) {
    let remaining = REMAINING.get();
    if remaining != UNLIMITED {
        REMAINING.set(remaining.saturating_add_unsigned(bytes as u64).min(UNLIMITED - 1));
    }
}

unsafe impl GlobalAlloc for Metered {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        charge(layout.size());
        System.alloc(layout)
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        charge(layout.size());
        System.alloc_zeroed(layout)
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        credit(layout.size());
        System.dealloc(memory, layout)
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        charge(size);
        let moved = System.realloc(memory, layout, size);
        credit(layout.size());
        moved
    }
}

/// Runs `body` on a thread of its own within `budget`; `what` names it in
/// errors. The thread may outlive the call, so it owns all it uses.
pub fn run<T: Send + 'static>(
    what: &str,
    budget: Budget,
    body: impl FnOnce() -> T + Send + 'static,
) -> Outcome<T> {
    let watch = Arc::new(Watch {
        state: Mutex::new(State::Running),
        changed: Condvar::new(),
        abandoned: AtomicBool::new(false),
    });
    let theirs = watch.clone();
    let thread = std::thread::Builder::new()
        .stack_size(usize::try_from(budget.stack_bytes).unwrap_or(usize::MAX))
        .spawn(move || {
            WATCH.set(Arc::as_ptr(&theirs));
            REMAINING.set(i64::try_from(budget.heap_bytes).unwrap_or(UNLIMITED - 1));
            let result = catch_unwind(AssertUnwindSafe(body));
            REMAINING.set(UNLIMITED);
            theirs.set(State::Done);
            result
        })
        .map_err(|e| format!("cannot start a thread for the {what}: {e}"))?;
    match watch.wait(budget.time) {
        State::Done => {
            let result = thread.join().and_then(|result| result);
            result.map_err(|payload| {
                let text = panic_text(payload.as_ref());
                std::mem::forget(payload);
                format!("{what}: {text}")
            })
        }
        State::OutOfMemory => {
            Err(format!("{what}: expected to need at most {} bytes", budget.heap_bytes))
        }
        State::Running => {
            watch.abandoned.store(true, Ordering::Relaxed);
            Err(format!("{what}: expected to end within {} ms", budget.time.as_millis()))
        }
    }
}
