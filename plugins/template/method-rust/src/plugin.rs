// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The declarations of `llmc/Plugin/plugin.h`, which says what they mean, in its
//! order and under its names. Members are appended there and never changed, so
//! this copy stays right; what came later is not in it.
#![allow(non_camel_case_types, dead_code)]

use std::ffi::{c_char, c_int, c_void};

/// Counts what was appended to the header.
pub const LLMC_PLUGIN_ABI: u32 = 1;

pub const LLMC_METHOD_OK: c_int = 0;
pub const LLMC_METHOD_FAILED: c_int = 1;
pub const LLMC_METHOD_STOPPED: c_int = 2;

pub const LLMC_OPTION_INTEGER: u32 = 1;
pub const LLMC_OPTION_REAL: u32 = 2;
pub const LLMC_OPTION_CHOICE: u32 = 3;
pub const LLMC_OPTION_FLAG: u32 = 4;

#[repr(C)]
pub struct llmc_option {
    pub size: usize,
    pub name: *const c_char,
    pub help: *const c_char,
    pub r#type: u32,
    pub reserved: u32,
    pub fallback: *const c_char,
    pub lowest: f64,
    pub highest: f64,
    pub choices: *const c_char,
}

pub const LLMC_REAL_NONE: u32 = 0;
pub const LLMC_REAL_F32: u32 = 1;
pub const LLMC_REAL_F16: u32 = 2;
pub const LLMC_REAL_BF16: u32 = 3;

pub const LLMC_SPAN_GROUP: u32 = 0;
pub const LLMC_SPAN_BLOCK: u32 = 1;
pub const LLMC_SPAN_ROW: u32 = 2;

pub const LLMC_SCALE_NONE: u32 = 0;
pub const LLMC_SCALE_U4: u32 = 1;
pub const LLMC_SCALE_U6: u32 = 2;
pub const LLMC_SCALE_U8: u32 = 3;
pub const LLMC_SCALE_I8: u32 = 4;
pub const LLMC_SCALE_E8M0: u32 = 5;
pub const LLMC_SCALE_UE4M3: u32 = 6;

#[repr(C)]
pub struct llmc_chain {
    pub size: usize,
    pub real: u32,
    pub span: u32,
    pub code: u32,
    pub negated: u32,
}

#[repr(C)]
pub struct llmc_format {
    pub size: usize,
    pub name: *const c_char,
    pub dense: u32,
    pub bits: u32,
    pub level_count: u32,
    pub even: u32,
    pub levels: *const i8,
    pub lowest: i32,
    pub highest: i32,
    pub scale: *const llmc_chain,
    pub minimum: *const llmc_chain,
}

#[repr(C)]
pub struct llmc_statistics {
    pub size: usize,
    pub mean_absolute: *const f32,
    pub mean_square: *const f32,
    pub gram: *const f32,
}

pub const LLMC_USES_MEAN_ABSOLUTE: u64 = 1;
pub const LLMC_USES_MEAN_SQUARE: u64 = 2;
pub const LLMC_USES_GRAM: u64 = 4;

#[repr(C)]
pub struct llmc_job {
    pub size: usize,
    pub weight: *const c_char,
    pub rows: i64,
    pub columns: i64,
    pub groups: i64,
    pub group_columns: i64,
    pub format: *const llmc_format,
    pub statistics: *const llmc_statistics,
    pub column_scale: *const f32,
    pub integers: *const i64,
    pub reals: *const f64,
    pub seed: u64,
}

#[repr(C)]
pub struct llmc_row {
    pub size: usize,
    pub index: i64,
    pub values: *mut f32,
    pub scales: *mut f32,
    pub minimums: *mut f32,
    pub codes: *mut u8,
}

/// One run of a method, known to llmc alone.
#[repr(C)]
pub struct llmc_run {
    _private: [u8; 0],
}

pub type llmc_body = unsafe extern "C" fn(context: *mut c_void, index: i64) -> c_int;
pub type llmc_row_body = unsafe extern "C" fn(context: *mut c_void, row: *mut llmc_row) -> c_int;

#[repr(C)]
pub struct llmc_host {
    pub size: usize,
    pub abi: u32,
    pub reserved: u32,
    pub allocate: unsafe extern "C" fn(run: *mut llmc_run, bytes: usize) -> *mut c_void,
    pub release: unsafe extern "C" fn(run: *mut llmc_run, memory: *mut c_void),
    pub fail: unsafe extern "C" fn(run: *mut llmc_run, text: *const c_char) -> c_int,
    pub note: unsafe extern "C" fn(run: *mut llmc_run, text: *const c_char),
    pub parallel_for:
        unsafe extern "C" fn(run: *mut llmc_run, count: i64, body: llmc_body, context: *mut c_void, from: f64, to: f64) -> c_int,
    pub each_row: unsafe extern "C" fn(run: *mut llmc_run, body: llmc_row_body, context: *mut c_void, from: f64, to: f64) -> c_int,
    pub progress: unsafe extern "C" fn(run: *mut llmc_run, part: f64) -> c_int,
    pub random: unsafe extern "C" fn(state: *mut u64) -> u64,
    pub read: unsafe extern "C" fn(run: *mut llmc_run, row: i64, begin: i64, end: i64, out: *mut f32) -> c_int,
    pub set_column_scale: unsafe extern "C" fn(run: *mut llmc_run, scale: *const f32) -> c_int,
    pub store_scales: unsafe extern "C" fn(run: *mut llmc_run, row: i64, scales: *mut f32) -> c_int,
    pub store_minimums: unsafe extern "C" fn(run: *mut llmc_run, row: i64, minimums: *mut f32) -> c_int,
    pub encode_row:
        unsafe extern "C" fn(run: *mut llmc_run, row: i64, values: *const f32, scales: *const f32, minimums: *const f32) -> c_int,
    pub write_codes: unsafe extern "C" fn(run: *mut llmc_run, row: i64, codes: *const u8) -> c_int,
    pub write_values: unsafe extern "C" fn(run: *mut llmc_run, row: i64, values: *const f32) -> c_int,
}

#[repr(C)]
pub struct llmc_method {
    pub size: usize,
    pub name: *const c_char,
    pub summary: *const c_char,
    pub options: *const llmc_option,
    pub option_count: usize,
    pub uses: u64,
    pub run: unsafe extern "C" fn(host: *const llmc_host, run: *mut llmc_run, job: *const llmc_job) -> c_int,
}

#[repr(C)]
pub struct llmc_plugin {
    pub size: usize,
    pub abi: u32,
    pub needs: u32,
    pub vendor: *const c_char,
    pub version: *const c_char,
    pub methods: *const llmc_method,
    pub method_count: usize,
}

// Tables are constants: what they point to is never written.
unsafe impl Sync for llmc_option {}
unsafe impl Sync for llmc_method {}
unsafe impl Sync for llmc_plugin {}
