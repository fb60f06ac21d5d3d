// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Python's string methods, filters and tests that chat templates use and the
//! template crates lack or define in another way.

use minijinja::value::{from_args, Kwargs, Tuple, ValueKind};
use minijinja::{Error, ErrorKind, State, Value};
use minijinja_contrib::pycompat;

/// Method calls on plain values: the ones of this file, then the crate's.
pub fn call(
    state: &mut State,
    value: &Value,
    method: &str,
    args: &[Value],
) -> Result<Value, Error> {
    let Some(text) = value.as_str() else {
        return pycompat::unknown_method_callback(state, value, method, args);
    };
    match method {
        "rsplit" => {
            let (separator, limit, kwargs): (Option<&str>, Option<i64>, Kwargs) = from_args(args)?;
            let limit = match limit {
                Some(limit) => limit,
                None => kwargs.get::<Option<i64>>("maxsplit")?.unwrap_or(-1),
            };
            kwargs.assert_all_used()?;
            rsplit(text, separator, limit)
        }
        "partition" => {
            let (separator,): (&str,) = from_args(args)?;
            let found = non_empty(separator).map(|s| text.find(s))?;
            Ok(match found {
                Some(at) => parts(&text[..at], separator, &text[at + separator.len()..]),
                None => parts(text, "", ""),
            })
        }
        "rpartition" => {
            let (separator,): (&str,) = from_args(args)?;
            let found = non_empty(separator).map(|s| text.rfind(s))?;
            Ok(match found {
                Some(at) => parts(&text[..at], separator, &text[at + separator.len()..]),
                None => parts("", "", text),
            })
        }
        "removeprefix" => {
            let (prefix,): (&str,) = from_args(args)?;
            Ok(Value::from(text.strip_prefix(prefix).unwrap_or(text)))
        }
        "removesuffix" => {
            let (suffix,): (&str,) = from_args(args)?;
            Ok(Value::from(text.strip_suffix(suffix).unwrap_or(text)))
        }
        _ => pycompat::unknown_method_callback(state, value, method, args),
    }
}

fn non_empty(separator: &str) -> Result<&str, Error> {
    if separator.is_empty() {
        return Err(Error::new(ErrorKind::InvalidOperation, "empty separator"));
    }
    Ok(separator)
}

fn parts(head: &str, separator: &str, tail: &str) -> Value {
    Value::from(Tuple::from([head, separator, tail].map(Value::from)))
}

/// `str.rsplit`; a negative limit means none.
fn rsplit(text: &str, separator: Option<&str>, limit: i64) -> Result<Value, Error> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut pieces: Vec<&str> = Vec::new();
    match separator {
        Some(separator) => {
            let separator = non_empty(separator)?;
            pieces.extend(text.rsplitn(limit.saturating_add(1), separator));
        }
        None => {
            let mut rest = text.trim_end();
            while !rest.is_empty() && pieces.len() < limit {
                let word = rest.rfind(char::is_whitespace).map_or(rest, |at| {
                    let space = rest[at..].chars().next().map_or(0, char::len_utf8);
                    &rest[at + space..]
                });
                pieces.push(word);
                rest = rest[..rest.len() - word.len()].trim_end();
            }
            if !rest.is_empty() {
                pieces.push(rest);
            }
        }
    }
    pieces.reverse();
    Ok(pieces.into_iter().map(Value::from).collect())
}

/// The `wordcount` filter: runs of letters, digits and underscores.
pub fn wordcount(text: &str) -> usize {
    let mut words = 0;
    let mut inside = false;
    for c in text.chars() {
        let word = c.is_alphanumeric() || c == '_';
        words += usize::from(word && !inside);
        inside = word;
    }
    words
}

/// The test `sequence`: whatever Python can index, strings and maps included.
/// Templates ask it to tell a text from a list of parts, in either order.
pub fn is_sequence(value: &Value) -> bool {
    matches!(
        value.kind(),
        ValueKind::Undefined | ValueKind::String | ValueKind::Seq | ValueKind::Map
    )
}
