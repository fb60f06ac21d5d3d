// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The scale of the smallest squared error, exactly.
//!
//! A group has weights w_k, which count h_k: the mean square of their input where
//! it is known, else 1. If a scale s > 0 rounds w_k to the level q_k, the error
//!
//! ```text
//! sum h (w - s q)^2 = sum h w^2 - 2 s A + s^2 B,   A = sum h w q, B = sum h q^2
//! ```
//!
//! is at least sum h w^2 - A^2 / B, which s = A / B attains. As s falls from
//! infinity, a weight goes from the level next to 0 outwards, and passes from one
//! level to the next where w / s is halfway between them, so there is one
//! assignment of levels between two such places. Trying all of them in order, with
//! A and B kept up to date, finds the largest A^2 / B of all, and so the best of
//! all scales: at A / B itself the nearest levels are no worse than those it was
//! computed for. Negative scales are those of the negated weights.
//!
//! For levels -1, 0 and 1 this is what ternary weight networks approximate (Li,
//! Zhang and Liu 2016, arXiv 1605.04711); methods that try scales from a grid, or
//! alternate between levels and scale (Zhang, Yang, Ye and Hua 2018, LQ-Nets, arXiv
//! 1807.10029), come near it for more.

#[path = "../../template/method-rust/src/plugin.rs"]
mod plugin;
#[path = "../../template/method-rust/src/run.rs"]
mod run;

use plugin::*;
use run::{Outcome, Run};
use std::ffi::c_int;

/// Levels in ascending order, and what is halfway from each to the next.
struct Levels {
    values: Vec<f32>,
    middles: Vec<f32>,
}

impl Levels {
    fn new(levels: &[i8]) -> Levels {
        let mut values: Vec<f32> = levels.iter().map(|&level| level as f32).collect();
        values.sort_by(f32::total_cmp);
        values.dedup();
        let middles = values.windows(2).map(|pair| (pair[0] + pair[1]) / 2.0).collect();
        Levels { values, middles }
    }
}

/// The places where weights pass to the next level.
#[derive(Default)]
struct Steps {
    /// What A and B grow by.
    growth: Vec<(f64, f64)>,
    /// The scale, so that larger ones come first, and the index of the growth:
    /// bits of floats above 0 are in the order of the floats.
    order: Vec<u64>,
}

impl Steps {
    fn clear(&mut self) {
        self.growth.clear();
        self.order.clear();
    }

    fn push(&mut self, scale: f32, growth: (f64, f64)) {
        self.order.push((!scale.to_bits() as u64) << 32 | self.growth.len() as u64);
        self.growth.push(growth);
    }

    fn sorted(&mut self) -> impl Iterator<Item = (f64, f64)> + '_ {
        self.order.sort_unstable();
        self.order.iter().map(|&each| self.growth[each as u32 as usize])
    }
}

/// The best scale above 0 of a group, and A^2 / B there; `sign` is that of the
/// weights. `steps` is room to work in.
fn sweep(values: &[f32], counts: Option<&[f32]>, sign: f32, levels: &Levels, steps: &mut Steps) -> (f32, f64) {
    steps.clear();
    let (mut a, mut b) = (0f64, 0f64);
    for (k, value) in values.iter().enumerate() {
        let value = sign * value;
        if value == 0.0 {
            continue;
        }
        let count = counts.map_or(1.0, |counts| counts[k] as f64);
        let part = |level: f32| (count * value as f64 * level as f64, count * level as f64 * level as f64);
        // The level next to 0 on the side of the weight, then outwards.
        let first = levels.middles.partition_point(|&middle| if value > 0.0 { middle <= 0.0 } else { middle < 0.0 });
        let mut last = part(levels.values[first]);
        (a, b) = (a + last.0, b + last.1);
        let outwards = if value > 0.0 { levels.middles.len() - first } else { first };
        for step in 1..=outwards {
            let (middle, level) =
                if value > 0.0 { (first + step - 1, first + step) } else { (first - step, first - step) };
            let next = part(levels.values[level]);
            steps.push(value / levels.middles[middle], (next.0 - last.0, next.1 - last.1));
            last = next;
        }
    }
    // A^2 / B is compared without a division.
    let (mut best_a, mut best_b) = (0f64, 1f64);
    let mut keep = |a: f64, b: f64| {
        if a > 0.0 && a * a * best_b > best_a * best_a * b {
            (best_a, best_b) = (a, b);
        }
    };
    keep(a, b);
    for growth in steps.sorted() {
        (a, b) = (a + growth.0, b + growth.1);
        keep(a, b);
    }
    ((best_a / best_b) as f32, best_a * best_a / best_b)
}

/// Whether scales below 0 can be stored.
fn has_negative(scale: &llmc_chain) -> bool {
    scale.negated == 0 && matches!(scale.code, LLMC_SCALE_NONE | LLMC_SCALE_I8)
}

fn compress(run: &Run) -> Outcome {
    let format = run.format;
    if format.dense != LLMC_REAL_NONE || !format.minimum.is_null() {
        return run.fail(&format!("expected a format of codes without minimums but got '{}'", run.format_name()));
    }
    let levels = Levels::new(run.levels());
    let signs: &[f32] = if has_negative(unsafe { &*format.scale }) { &[1.0, -1.0] } else { &[1.0] };
    run.each_row(|run, mut row| {
        let mut steps = Steps::default();
        for group in 0..row.scales.len() {
            let columns = run.group(group);
            // Inputs that are all 0 say nothing.
            let counts = run.mean_square().map(|counts| &counts[columns.clone()]).filter(|counts| counts.iter().any(|&count| count > 0.0));
            let mut best = (0f32, 0f64);
            for sign in signs {
                let found = sweep(&row.values[columns.clone()], counts, *sign, &levels, &mut steps);
                if found.1 > best.1 {
                    best = (sign * found.0, found.1);
                }
            }
            row.scales[group] = best.0;
        }
        run.store_scales(&mut row)?;
        run.encode(&row)
    })
}

unsafe extern "C" fn run_method(host: *const llmc_host, run: *mut llmc_run, job: *const llmc_job) -> c_int {
    run::start(host, run, job, compress)
}

static METHODS: [llmc_method; 1] = [llmc_method {
    size: size_of::<llmc_method>(),
    name: c"example.sweep".as_ptr(),
    summary: c"the scale of the smallest squared error of each group, of all there are".as_ptr(),
    options: std::ptr::null(),
    option_count: 0,
    uses: LLMC_USES_MEAN_SQUARE,
    run: run_method,
}];

static PLUGIN: llmc_plugin = llmc_plugin {
    size: size_of::<llmc_plugin>(),
    abi: LLMC_PLUGIN_ABI,
    needs: 1,
    vendor: c"example".as_ptr(),
    version: c"1.0".as_ptr(),
    methods: METHODS.as_ptr(),
    method_count: METHODS.len(),
};

#[no_mangle]
pub extern "C" fn llmc_plugin_v1() -> *const llmc_plugin {
    &PLUGIN
}
