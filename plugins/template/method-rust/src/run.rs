// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! One run of a method as Rust sees it: slices instead of pointers, `Result`
//! instead of status codes, and the place where panics end. No method needs all
//! of it.
#![allow(dead_code)]

use crate::plugin::*;
use std::any::Any;
use std::ffi::{c_int, c_void, CStr, CString};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::slice;

/// What a service returned that was not OK: llmc has the text, and the method
/// returns at once.
pub struct Stopped(c_int);

pub type Outcome = Result<(), Stopped>;

/// What a method may ask for. All of it may be used by many threads.
pub struct Run<'a> {
    host: &'a llmc_host,
    run: *mut llmc_run,
    pub job: &'a llmc_job,
    pub format: &'a llmc_format,
}

unsafe impl Sync for Run<'_> {}

/// A row that is read, with room for what becomes of it.
pub struct Row<'a> {
    pub index: i64,
    /// [columns]
    pub values: &'a mut [f32],
    /// [groups]; those that llmc gives are whatever was there before.
    pub scales: &'a mut [f32],
}

impl Run<'_> {
    pub fn format_name(&self) -> String {
        unsafe { CStr::from_ptr(self.format.name) }.to_string_lossy().into_owned()
    }

    /// The columns of a group; the last group may be shorter.
    pub fn group(&self, index: usize) -> std::ops::Range<usize> {
        let width = self.job.group_columns as usize;
        index * width..((index + 1) * width).min(self.job.columns as usize)
    }

    /// A real option, by its place in the table.
    pub fn real(&self, option: usize) -> f64 {
        unsafe { *self.job.reals.add(option) }
    }

    /// An integer option, the position of a choice, or 0 or 1 of a flag.
    pub fn integer(&self, option: usize) -> i64 {
        unsafe { *self.job.integers.add(option) }
    }

    /// What each code stands for, of a format with codes.
    pub fn levels(&self) -> &[i8] {
        unsafe { slice::from_raw_parts(self.format.levels, self.format.level_count as usize) }
    }

    /// Mean of the square of each input [columns], where it is known.
    pub fn mean_square(&self) -> Option<&[f32]> {
        let known = unsafe { (*self.job.statistics).mean_square };
        (!known.is_null()).then(|| unsafe { slice::from_raw_parts(known, self.job.columns as usize) })
    }

    /// Ends the run with an error that says what was expected and what came.
    pub fn fail(&self, text: &str) -> Outcome {
        Err(Stopped(self.keep(text)))
    }

    /// Calls `body` for every row, on many threads.
    pub fn each_row<F: Fn(&Run, Row) -> Outcome + Sync>(&self, body: F) -> Outcome {
        let work = Work { run: self, body };
        let context = &work as *const Work<F> as *mut c_void;
        self.require(unsafe { (self.host.each_row)(self.run, compress::<F>, context, 0.0, 1.0) })
    }

    /// Stores scales, which are then those that the format can hold.
    pub fn store_scales(&self, row: &mut Row) -> Outcome {
        self.require(unsafe { (self.host.store_scales)(self.run, row.index, row.scales.as_mut_ptr()) })
    }

    /// The nearest codes, of a format without minimums.
    pub fn encode(&self, row: &Row) -> Outcome {
        self.require(unsafe {
            (self.host.encode_row)(self.run, row.index, row.values.as_ptr(), row.scales.as_ptr(), std::ptr::null())
        })
    }

    fn require(&self, status: c_int) -> Outcome {
        if status == LLMC_METHOD_OK { Ok(()) } else { Err(Stopped(status)) }
    }

    fn keep(&self, text: &str) -> c_int {
        let text = CString::new(text.replace('\0', " ")).unwrap_or_default();
        unsafe { (self.host.fail)(self.run, text.as_ptr()) }
    }

    /// No panic crosses to llmc: it is an error of the method.
    fn guard(&self, body: impl FnOnce() -> Outcome) -> c_int {
        match catch_unwind(AssertUnwindSafe(body)) {
            Ok(Ok(())) => LLMC_METHOD_OK,
            Ok(Err(Stopped(status))) => status,
            Err(panic) => self.keep(&describe(&*panic)),
        }
    }
}

struct Work<'a, F> {
    run: &'a Run<'a>,
    body: F,
}

unsafe extern "C" fn compress<F: Fn(&Run, Row) -> Outcome + Sync>(context: *mut c_void, row: *mut llmc_row) -> c_int {
    let (work, row) = (&*(context as *const Work<F>), &*row);
    let job = work.run.job;
    let row = Row {
        index: row.index,
        values: slice::from_raw_parts_mut(row.values, job.columns as usize),
        scales: slice::from_raw_parts_mut(row.scales, job.groups as usize),
    };
    work.run.guard(|| (work.body)(work.run, row))
}

fn describe(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("panicked: {}", text.unwrap_or("without a text"))
}

/// The body of `llmc_method.run`.
///
/// # Safety
/// The pointers are those that llmc gives.
pub unsafe fn start(host: *const llmc_host, run: *mut llmc_run, job: *const llmc_job, method: impl FnOnce(&Run) -> Outcome) -> c_int {
    let run = Run { host: &*host, run, job: &*job, format: &*(*job).format };
    run.guard(|| method(&run))
}
