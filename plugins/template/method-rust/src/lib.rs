// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! A compression method for llmc: groups get the scale that reaches their
//! largest number. `llmc plugin check` says whether the plugin keeps what
//! `llmc/Plugin/plugin.h` asks of it.

mod plugin;
mod run;

use plugin::*;
use run::{Outcome, Run};
use std::ffi::c_int;

/// Places of options.
const REACH: usize = 0;

fn compress(run: &Run) -> Outcome {
    let format = run.format;
    if format.dense != LLMC_REAL_NONE || !format.minimum.is_null() || format.highest < 1 {
        return run.fail(&format!("expected a format of codes without minimums but got '{}'", run.format_name()));
    }
    let reach = run.real(REACH) as f32 * format.highest as f32;
    run.each_row(|run, mut row| {
        for group in 0..row.scales.len() {
            let largest = row.values[run.group(group)].iter().fold(0f32, |most, value| most.max(value.abs()));
            row.scales[group] = largest / reach;
        }
        run.store_scales(&mut row)?;
        run.encode(&row)
    })
}

unsafe extern "C" fn run_method(host: *const llmc_host, run: *mut llmc_run, job: *const llmc_job) -> c_int {
    run::start(host, run, job, compress)
}

static OPTIONS: [llmc_option; 1] = [llmc_option {
    size: size_of::<llmc_option>(),
    name: c"reach".as_ptr(),
    help: c"the part of the largest level that is used".as_ptr(),
    r#type: LLMC_OPTION_REAL,
    reserved: 0,
    fallback: c"1.0".as_ptr(),
    lowest: 0.5,
    highest: 2.0,
    choices: std::ptr::null(),
}];

static METHODS: [llmc_method; 1] = [llmc_method {
    size: size_of::<llmc_method>(),
    name: c"@NAME@.@NAME@".as_ptr(),
    summary: c"scales that reach the largest number of a group".as_ptr(),
    options: OPTIONS.as_ptr(),
    option_count: OPTIONS.len(),
    uses: 0,
    run: run_method,
}];

static PLUGIN: llmc_plugin = llmc_plugin {
    size: size_of::<llmc_plugin>(),
    abi: LLMC_PLUGIN_ABI,
    needs: 1,
    vendor: c"@NAME@".as_ptr(),
    version: c"0.1".as_ptr(),
    methods: METHODS.as_ptr(),
    method_count: METHODS.len(),
};

#[no_mangle]
pub extern "C" fn llmc_plugin_v1() -> *const llmc_plugin {
    &PLUGIN
}
