// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Chat templates: Jinja, set up as Hugging Face's Python sets it up.
//!
//! Templates come with models and are not trusted. The engine's fuel bounds
//! time and memory, the writer bounds the output, and rendering has a thread of
//! its own: values that a template nests deep are printed and freed by
//! recursion, which must not meet the end of the caller's stack.

use std::io::{self, Write};

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, ValueKind};
use minijinja::{escape_formatter, AutoEscape, Environment, Error, ErrorKind, Value};

use crate::{methods, panic_text, pyjson, Outcome};

const NAME: &str = "chat template";

/// Address space of a rendering thread; memory is taken as it is touched. One
/// level of nesting costs the template several steps and the stack below 1 KiB.
const STACK_BYTES_PER_STEP: u64 = 256;
const STACK_BYTES_PER_SOURCE_BYTE: u64 = 1024;
const MIN_STACK_BYTES: u64 = 8 << 20;
const MAX_STACK_BYTES: u64 = 1 << 30;

pub struct ChatTemplate {
    environment: Environment<'static>,
    max_steps: u64,
    max_output_bytes: u64,
}

impl ChatTemplate {
    pub fn open(source: &str, max_steps: u64, max_output_bytes: u64) -> Outcome<ChatTemplate> {
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
        let mut template = ChatTemplate { environment, max_steps, max_output_bytes };
        // Deeply nested expressions are compiled and freed by recursion too.
        let stack = (source.len() as u64)
            .saturating_mul(STACK_BYTES_PER_SOURCE_BYTE)
            .clamp(MIN_STACK_BYTES, MAX_STACK_BYTES);
        let added = on_deep_stack(stack, || {
            template.environment.add_template_owned(NAME, source)
        })?;
        added.map_err(|e| describe(&e, max_steps))?;
        Ok(template)
    }

    pub fn render(&self, context: &[u8]) -> Outcome<String> {
        let mut context: serde_json::Map<String, serde_json::Value> =
            serde_json::from_slice(context)
                .map_err(|e| format!("malformed template context: {e}"))?;
        // Python passes these always; templates compare them with none.
        for name in ["tools", "documents"] {
            context.entry(name).or_insert(serde_json::Value::Null);
        }
        context.entry("add_generation_prompt").or_insert(serde_json::Value::Bool(false));

        let stack = self
            .max_steps
            .saturating_mul(STACK_BYTES_PER_STEP)
            .clamp(MIN_STACK_BYTES, MAX_STACK_BYTES);
        on_deep_stack(stack, || self.render_here(&context))?
    }

    fn render_here(
        &self,
        context: &serde_json::Map<String, serde_json::Value>,
    ) -> Outcome<String> {
        let mut output = Bounded { bytes: Vec::new(), limit: self.max_output_bytes, full: false };
        let result = self
            .environment
            .get_template(NAME)
            .and_then(|t| t.render_captured_to(Serde(context), &mut output))
            .map(drop);
        if output.full {
            return Err(format!(
                "chat template: expected at most {} bytes of output",
                self.max_output_bytes
            ));
        }
        result.map_err(|e| describe(&e, self.max_steps))?;
        String::from_utf8(output.bytes).map_err(|e| e.to_string())
    }
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

fn on_deep_stack<T: Send>(bytes: u64, body: impl FnOnce() -> T + Send) -> Outcome<T> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .name("chat-template".to_string())
            .stack_size(bytes as usize)
            .spawn_scoped(scope, body)
            .map_err(|e| format!("cannot start a thread for the chat template: {e}"))?;
        thread.join().map_err(|payload| {
            let text = panic_text(payload.as_ref());
            std::mem::forget(payload);
            text
        })
    })
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
