// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Tokenizers and chat templates behind the C interface of `llmc_text.h`.
//!
//! This file holds the boundary only: raw pointers become slices, results
//! become error texts, and a panic of a dependency becomes an error, since
//! unwinding into C++ would end the process.

mod bytepair;
mod limits;
mod methods;
mod pyjson;
mod stream;
mod template;
mod tokenizer;

use std::any::Any;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::Once;
use std::time::Duration;

use stream::Stream;
use template::{ChatTemplate, Limits};
use tokenizer::TextTokenizer;

type Outcome<T> = Result<T, String>;

/// Memory handed to the caller, who gives it back to `llmc_text_bytes_free`.
#[repr(C)]
pub struct Bytes {
    data: *mut u8,
    size: usize,
}

/// As `Bytes`, for token ids.
#[repr(C)]
pub struct Ids {
    data: *mut u32,
    size: usize,
}

impl Bytes {
    const NONE: Bytes = Bytes { data: std::ptr::null_mut(), size: 0 };
}

impl From<String> for Bytes {
    fn from(text: String) -> Bytes {
        let size = text.len();
        let data = Box::into_raw(text.into_bytes().into_boxed_slice()) as *mut u8;
        Bytes { data, size }
    }
}

impl From<Vec<u32>> for Ids {
    fn from(ids: Vec<u32>) -> Ids {
        let size = ids.len();
        let data = Box::into_raw(ids.into_boxed_slice()) as *mut u32;
        Ids { data, size }
    }
}

fn panic_text(payload: &(dyn Any + Send)) -> String {
    let text = payload
        .downcast_ref::<&str>()
        .map(|s| s.to_string())
        .or_else(|| payload.downcast_ref::<String>().cloned());
    match text {
        Some(text) => format!("internal failure: {text}"),
        None => "internal failure".to_string(),
    }
}

/// Runs `body`; its error, or the panic it ended in, becomes the error text.
fn guard(body: impl FnOnce() -> Outcome<()>) -> Bytes {
    static QUIET: Once = Once::new();
    // The default hook prints to stderr, which belongs to the program.
    QUIET.call_once(|| std::panic::set_hook(Box::new(|_| {})));
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => Bytes::NONE,
        Ok(Err(text)) => Bytes::from(text),
        Err(payload) => {
            let text = panic_text(payload.as_ref());
            // Dropping a payload may panic in turn; leak that rare object.
            std::mem::forget(payload);
            Bytes::from(text)
        }
    }
}

/// For calls that cannot report an error: a panic becomes `fallback`.
fn guard_or<T>(fallback: T, body: impl FnOnce() -> T) -> T {
    let mut result = None;
    let error = guard(|| {
        result = Some(body());
        Ok(())
    });
    unsafe { llmc_text_bytes_free(error) };
    result.unwrap_or(fallback)
}

unsafe fn slice<'a, T>(data: *const T, size: usize) -> &'a [T] {
    if size == 0 {
        &[]
    } else {
        std::slice::from_raw_parts(data, size)
    }
}

unsafe fn text<'a>(data: *const u8, size: usize, what: &str) -> Outcome<&'a str> {
    std::str::from_utf8(slice(data, size))
        .map_err(|e| format!("{what} is not valid UTF-8 at byte {}", e.valid_up_to()))
}

unsafe fn free<T>(object: *mut T) {
    if !object.is_null() {
        guard_or((), || drop(Box::from_raw(object)));
    }
}

#[no_mangle]
pub unsafe extern "C" fn llmc_text_bytes_free(bytes: Bytes) {
    if !bytes.data.is_null() {
        drop(Box::from_raw(std::ptr::slice_from_raw_parts_mut(bytes.data, bytes.size)));
    }
}

#[no_mangle]
pub unsafe extern "C" fn llmc_text_ids_free(ids: Ids) {
    if !ids.data.is_null() {
        drop(Box::from_raw(std::ptr::slice_from_raw_parts_mut(ids.data, ids.size)));
    }
}

#[no_mangle]
pub unsafe extern "C" fn llmc_text_tokenizer_open(
    json: *const u8,
    size: usize,
    out: *mut *mut TextTokenizer,
) -> Bytes {
    guard(|| {
        let tokenizer = TextTokenizer::open(slice(json, size))?;
        *out = Box::into_raw(Box::new(tokenizer));
        Ok(())
    })
}

#[no_mangle]
pub unsafe extern "C" fn llmc_text_tokenizer_free(tokenizer: *mut TextTokenizer) {
    free(tokenizer);
}

#[no_mangle]
pub unsafe extern "C" fn llmc_text_encode(
    tokenizer: *const TextTokenizer,
    data: *const u8,
    size: usize,
    add_special_tokens: libc::c_int,
    out: *mut Ids,
) -> Bytes {
    guard(|| {
        let text = text(data, size, "the text")?;
        *out = (*tokenizer).encode(text, add_special_tokens != 0)?.into();
        Ok(())
    })
}

#[no_mangle]
pub unsafe extern "C" fn llmc_text_decode(
    tokenizer: *const TextTokenizer,
    ids: *const u32,
    count: usize,
    skip_special_tokens: libc::c_int,
    out: *mut Bytes,
) -> Bytes {
    guard(|| {
        *out = (*tokenizer).decode(slice(ids, count), skip_special_tokens != 0)?.into();
        Ok(())
    })
}

#[no_mangle]
pub unsafe extern "C" fn llmc_text_vocabulary_size(tokenizer: *const TextTokenizer) -> u64 {
    (*tokenizer).vocabulary_size()
}

#[no_mangle]
pub unsafe extern "C" fn llmc_text_token_to_id(
    tokenizer: *const TextTokenizer,
    token: *const u8,
    size: usize,
) -> i64 {
    guard_or(-1, || {
        let id = text(token, size, "the token").ok().and_then(|t| (*tokenizer).token_to_id(t));
        id.map_or(-1, i64::from)
    })
}

#[no_mangle]
pub unsafe extern "C" fn llmc_text_id_to_token(
    tokenizer: *const TextTokenizer,
    id: u32,
    out: *mut Bytes,
) -> Bytes {
    guard(|| {
        *out = (*tokenizer).id_to_token(id)?.into();
        Ok(())
    })
}

#[no_mangle]
pub unsafe extern "C" fn llmc_text_stream_open(
    tokenizer: *const TextTokenizer,
    ids: *const u32,
    count: usize,
    skip_special_tokens: libc::c_int,
    out: *mut *mut Stream,
) -> Bytes {
    guard(|| {
        let stream = Stream::open(&*tokenizer, slice(ids, count), skip_special_tokens != 0)?;
        *out = Box::into_raw(Box::new(stream));
        Ok(())
    })
}

#[no_mangle]
pub unsafe extern "C" fn llmc_text_stream_push(
    stream: *mut Stream,
    id: u32,
    out: *mut Bytes,
) -> Bytes {
    guard(|| {
        *out = (*stream).push(id)?.into();
        Ok(())
    })
}

#[no_mangle]
pub unsafe extern "C" fn llmc_text_stream_flush(stream: *mut Stream, out: *mut Bytes) -> Bytes {
    guard(|| {
        *out = (*stream).flush()?.into();
        Ok(())
    })
}

#[no_mangle]
pub unsafe extern "C" fn llmc_text_stream_free(stream: *mut Stream) {
    free(stream);
}

#[no_mangle]
pub unsafe extern "C" fn llmc_text_template_open(
    source: *const u8,
    size: usize,
    max_steps: u64,
    max_output_bytes: u64,
    max_milliseconds: u64,
    out: *mut *mut ChatTemplate,
) -> Bytes {
    guard(|| {
        let source = text(source, size, "the chat template")?;
        let limits = Limits {
            steps: max_steps,
            output_bytes: max_output_bytes,
            time: Duration::from_millis(max_milliseconds),
        };
        let template = ChatTemplate::open(source, limits)?;
        *out = Box::into_raw(Box::new(template));
        Ok(())
    })
}

#[no_mangle]
pub unsafe extern "C" fn llmc_text_template_render(
    template: *const ChatTemplate,
    context: *const u8,
    size: usize,
    out: *mut Bytes,
) -> Bytes {
    guard(|| {
        *out = (*template).render(slice(context, size))?.into();
        Ok(())
    })
}

#[no_mangle]
pub unsafe extern "C" fn llmc_text_template_free(template: *mut ChatTemplate) {
    free(template);
}
