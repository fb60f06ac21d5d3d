// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Chat templates: Jinja, set up as Hugging Face's Python sets it up.
//!
//! Templates come with models and are not trusted. The engine's fuel bounds its
//! steps, the writer bounds the output, and a thread with a budget (`limits`)
//! bounds the rest. Its stack is large: values that a template nests deep are
//! printed and freed by recursion.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, ValueKind};
use minijinja::{escape_formatter, AutoEscape, Environment, Error, ErrorKind, Value};

use crate::limits::{self, Budget};
use crate::{methods, pyjson, Outcome};

const NAME: &str = "chat template";

/// Address space for the stack. A level of nesting costs a template several
/// steps, or a byte of its source, and the stack below 1 KiB.
const STACK_BYTES_PER_STEP: u64 = 256;
const STACK_BYTES_PER_SOURCE_BYTE: u64 = 1024;
const MIN_STACK_BYTES: u64 = 8 << 20;
const MAX_STACK_BYTES: u64 = 1 << 30;

/// A step pays for 64 bytes of data, which may be stored with gaps; a byte of
/// source becomes a syntax tree and code.
const HEAP_BYTES_PER_STEP: u64 = 128;
const HEAP_BYTES_PER_SOURCE_BYTE: u64 = 1024;
const MIN_HEAP_BYTES: u64 = 16 << 20;

#[derive(Clone, Copy)]
pub struct Limits {
    pub steps: u64,
    pub output_bytes: u64,
    pub time: Duration,
}

pub struct ChatTemplate {
    environment: Arc<Environment<'static>>,
    limits: Limits,
}

impl ChatTemplate {
    pub fn open(source: &str, limits: Limits) -> Outcome<ChatTemplate> {
        let size = source.len() as u64;
        let stack_bytes = size.saturating_mul(STACK_BYTES_PER_SOURCE_BYTE);
        let heap_bytes = size.saturating_mul(HEAP_BYTES_PER_SOURCE_BYTE);
        let budget = Budget {
            stack_bytes: stack_bytes.clamp(MIN_STACK_BYTES, MAX_STACK_BYTES),
            heap_bytes: heap_bytes.saturating_add(MIN_HEAP_BYTES),
            time: limits.time,
        };
        let source = source.to_string();
        let environment = limits::run(NAME, budget, move || environment(&source, limits.steps))??;
        Ok(ChatTemplate { environment: Arc::new(environment), limits })
    }

    pub fn render(&self, context: &[u8]) -> Outcome<String> {
        let Limits { steps, output_bytes, time } = self.limits;
        // The context is read and freed within the budget, too: JSON of n bytes
        // becomes values of up to 64 n.
        let context_bytes = (context.len() as u64).saturating_mul(64);
        let budget = Budget {
            stack_bytes: steps
                .saturating_mul(STACK_BYTES_PER_STEP)
                .clamp(MIN_STACK_BYTES, MAX_STACK_BYTES),
            heap_bytes: steps
                .saturating_mul(HEAP_BYTES_PER_STEP)
                .saturating_add(output_bytes.saturating_mul(4))
                .saturating_add(context_bytes)
                .saturating_add(MIN_HEAP_BYTES),
            time,
        };
        let environment = self.environment.clone();
        let limits = self.limits;
        let context = context.to_vec();
        limits::run(NAME, budget, move || render(&environment, limits, &context))?
    }
}

/// The engine as Python's is set up, with the template compiled.
fn environment(source: &str, max_steps: u64) -> Outcome<Environment<'static>> {
    let syntax = SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .build()
        .map_err(|e| e.to_string())?;
    let mut environment = Environment::new();
    environment.set_syntax(syntax);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_unknown_method_callback(methods::call);
    environment.set_formatter(|output, state, value| {
        // The engine never prints a number in scientific notation.
        if value.kind() == ValueKind::Number && !value.is_integer() {
            let text = pyjson::python_float(f64::try_from(value.clone())?);
            return output.write_str(&text).map_err(Error::from);
        }
        escape_formatter(output, state, value)
    });
    environment.set_fuel(Some(max_steps));
    environment.add_filter("tojson", pyjson::tojson);
    environment.add_filter("wordcount", |text: &str| methods::wordcount(text));
    environment.add_test("sequence", methods::is_sequence);
    environment.add_function("raise_exception", |text: String| -> Result<Value, Error> {
        Err(Error::new(ErrorKind::InvalidOperation, text))
    });
    environment.add_function("strftime_now", strftime_now);
    let source = rewrite_generation_tags(&normalize_newlines(source));
    environment.add_template_owned(NAME, source).map_err(|e| describe(&e, max_steps))?;
    Ok(environment)
}

fn render(environment: &Environment, limits: Limits, context: &[u8]) -> Outcome<String> {
    let mut context: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(context).map_err(|e| format!("malformed template context: {e}"))?;
    // Python passes these always; templates compare them with none.
    for name in ["tools", "documents"] {
        context.entry(name).or_insert(serde_json::Value::Null);
    }
    context.entry("add_generation_prompt").or_insert(serde_json::Value::Bool(false));

    let mut output = Bounded { bytes: Vec::new(), limit: limits.output_bytes, full: false };
    let result = environment
        .get_template(NAME)
        .and_then(|t| t.render_captured_to(Serde(&context), &mut output))
        .map(drop);
    if output.full {
        return Err(format!("{NAME}: expected at most {} bytes of output", limits.output_bytes));
    }
    result.map_err(|e| describe(&e, limits.steps))?;
    String::from_utf8(output.bytes).map_err(|e| e.to_string())
}

/// Output that ends at `limit` bytes.
struct Bounded {
    bytes: Vec<u8>,
    limit: u64,
    full: bool,
}

impl Write for Bounded {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let size = self.bytes.len() as u64 + data.len() as u64;
        if size > self.limit {
            self.full = true;
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.bytes.extend_from_slice(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn describe(error: &Error, max_steps: u64) -> String {
    if error.kind() == ErrorKind::OutOfFuel {
        return format!("chat template: expected to end within {max_steps} steps");
    }
    let line = error.line().map_or(String::new(), |line| format!(", line {line}"));
    let text = match error.detail() {
        Some(detail) => detail.to_string(),
        None => error.kind().to_string(),
    };
    format!("chat template{line}: {text}")
}

/// Jinja reads every kind of line end as a newline.
fn normalize_newlines(source: &str) -> String {
    source.replace("\r\n", "\n").replace('\r', "\n")
}

/// `{% generation %}` marks the assistant's words for training; when prompting
/// it is a scope that prints its contents, so it becomes `{% with %}`.
fn rewrite_generation_tags(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    let mut raw = false;
    while let Some(at) = rest.find('{') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let end = match rest.as_bytes().get(1) {
            Some(b'%') => rest.find("%}"),
            Some(b'#') if !raw => rest.find("#}"),
            _ => {
                out.push('{');
                rest = &rest[1..];
                continue;
            }
        };
        // The parser reports what is not closed.
        let Some(end) = end else { break };
        let comment = rest.starts_with("{#");
        let tag = &rest[..end + 2];
        rest = &rest[end + 2..];
        let word = tag[2..end].trim_start_matches(['-', '+']).trim_end_matches(['-', '+']).trim();
        match word {
            _ if comment => out.push_str(tag),
            "raw" => {
                raw = true;
                out.push_str(tag);
            }
            "endraw" => {
                raw = false;
                out.push_str(tag);
            }
            "generation" if !raw => out.push_str(&tag.replacen("generation", "with", 1)),
            "endgeneration" if !raw => out.push_str(&tag.replacen("endgeneration", "endwith", 1)),
            _ => out.push_str(tag),
        }
    }
    out.push_str(rest);
    out
}

/// The local time, as `strftime` formats it.
fn strftime_now(format: &str) -> Result<String, Error> {
    const MAX_BYTES: usize = 4096;
    let failed = || {
        Error::new(
            ErrorKind::InvalidOperation,
            format!("strftime_now: expected a time format of at most {MAX_BYTES} bytes"),
        )
    };
    // A leading space: strftime returns 0 for "no room" and for "no text" alike.
    let format = std::ffi::CString::new(format!(" {format}")).map_err(|_| failed())?;
    let mut buffer = vec![0u8; MAX_BYTES];
    let size = unsafe {
        let now = libc::time(std::ptr::null_mut());
        let mut parts: libc::tm = std::mem::zeroed();
        if libc::localtime_r(&now, &mut parts).is_null() {
            return Err(failed());
        }
        libc::strftime(buffer.as_mut_ptr().cast(), buffer.len(), format.as_ptr(), &parts)
    };
    if size == 0 {
        return Err(failed());
    }
    buffer.truncate(size);
    String::from_utf8(buffer.split_off(1)).map_err(|_| failed())
}
