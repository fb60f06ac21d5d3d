// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Does the plugin keep what it must? Runs `llmc plugin check` of the llmc on
//! the PATH, or of that in the variable LLMC.

use std::process::Command;

#[test]
fn check() {
    let here = std::env::current_exe().expect("the path of this program");
    let library = here.with_file_name("libsweep.so");
    let llmc = std::env::var("LLMC").unwrap_or("llmc".into());
    let done = Command::new(&llmc).args(["plugin", "check"]).arg(library).output().unwrap_or_else(|error| panic!("{llmc}: {error}"));
    assert!(done.status.success(), "{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
}
