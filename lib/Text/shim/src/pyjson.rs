// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The `tojson` filter as Hugging Face defines it: Python's `json.dumps` with
//! `ensure_ascii=False`. The crate's own filter escapes HTML and has other
//! separators, and one differing byte in a prompt changes its ids.

use minijinja::value::{Kwargs, Rest, ValueKind};
use minijinja::{Error, ErrorKind, State, Value};

/// Deeper values would exhaust the stack; a JSON context stays below 128.
const MAX_DEPTH: usize = 200;

struct Format {
    ensure_ascii: bool,
    sort_keys: bool,
    indent: Option<String>,
    item_separator: String,
    key_separator: String,
}

struct Writer<'a, 'b, 'c> {
    state: &'a State<'b, 'c>,
    format: Format,
    out: String,
    charged: usize,
}

fn invalid(text: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, text.into())
}

pub fn tojson(
    state: &State,
    value: &Value,
    positional: Rest<Value>,
    kwargs: Kwargs,
) -> Result<Value, Error> {
    const NAMES: [&str; 4] = ["ensure_ascii", "indent", "separators", "sort_keys"];
    if positional.len() > NAMES.len() {
        return Err(invalid(format!(
            "tojson: expected at most {} arguments but got {}",
            NAMES.len(),
            positional.len()
        )));
    }
    let argument = |at: usize| -> Result<Option<Value>, Error> {
        let value: Option<Value> = match positional.get(at) {
            Some(value) => Some(value.clone()),
            None => kwargs.get(NAMES[at])?,
        };
        Ok(value.filter(|v| !v.is_none() && !v.is_undefined()))
    };
    let (ensure_ascii, indent, separators, sort_keys) =
        (argument(0)?, argument(1)?, argument(2)?, argument(3)?);
    kwargs.assert_all_used()?;

    let indent = match indent {
        None => None,
        Some(text) if text.as_str().is_some() => text.as_str().map(str::to_string),
        Some(count) => {
            let count = i64::try_from(count)?.clamp(0, 1 << 16) as usize;
            Some(" ".repeat(count))
        }
    };
    let (item_separator, key_separator) = match separators {
        None if indent.is_some() => (",".to_string(), ": ".to_string()),
        None => (", ".to_string(), ": ".to_string()),
        Some(pair) => {
            let pair: Vec<Value> = pair.try_iter()?.take(3).collect();
            match pair.iter().map(Value::as_str).collect::<Vec<_>>()[..] {
                [Some(item), Some(key)] => (item.to_string(), key.to_string()),
                _ => return Err(invalid("tojson: expected two strings as separators")),
            }
        }
    };
    let format = Format {
        ensure_ascii: ensure_ascii.is_some_and(|v| v.is_true()),
        sort_keys: sort_keys.is_some_and(|v| v.is_true()),
        indent,
        item_separator,
        key_separator,
    };
    let mut writer = Writer { state, format, out: String::new(), charged: 0 };
    writer.value(value, 0)?;
    Ok(Value::from(writer.out))
}

impl Writer<'_, '_, '_> {
    /// Pays for the text so far, so that values that share parts, which can
    /// unfold to any size, end at the template's limit of steps.
    fn charge(&mut self) -> Result<(), Error> {
        let steps = (self.out.len() - self.charged) / 64;
        if steps > 0 {
            self.charged += steps * 64;
            self.state.consume_fuel(steps as u64)?;
        }
        Ok(())
    }

    fn value(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        if depth > MAX_DEPTH {
            return Err(invalid("tojson: the value is nested too deep"));
        }
        self.charge()?;
        self.state.consume_fuel(1)?;
        match value.kind() {
            ValueKind::None => self.out.push_str("null"),
            ValueKind::Bool => self.out.push_str(if value.is_true() { "true" } else { "false" }),
            ValueKind::Number => self.out.push_str(&number(value)?),
            ValueKind::String => self.string(value.as_str().unwrap_or_default()),
            ValueKind::Seq => self.sequence(value, depth)?,
            ValueKind::Map => self.map(value, depth)?,
            kind => return Err(invalid(format!("tojson: a value of type {kind} has no JSON"))),
        }
        Ok(())
    }

    fn new_line(&mut self, depth: usize) -> Result<(), Error> {
        if let Some(indent) = &self.format.indent {
            self.out.push('\n');
            self.state.consume_fuel((indent.len() * depth / 64) as u64)?;
            for _ in 0..depth {
                self.out.push_str(indent);
            }
        }
        Ok(())
    }

    fn sequence(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        self.out.push('[');
        let mut any = false;
        for item in value.try_iter()? {
            if any {
                self.out.push_str(&self.format.item_separator);
            }
            any = true;
            self.new_line(depth + 1)?;
            self.value(&item, depth + 1)?;
        }
        if any {
            self.new_line(depth)?;
        }
        self.out.push(']');
        Ok(())
    }

    fn map(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        let mut keys: Vec<Value> = value.try_iter()?.collect();
        if self.format.sort_keys {
            keys.sort();
        }
        self.out.push('{');
        for (at, key) in keys.iter().enumerate() {
            if at > 0 {
                self.out.push_str(&self.format.item_separator);
            }
            self.new_line(depth + 1)?;
            match key.kind() {
                ValueKind::String => self.string(key.as_str().unwrap_or_default()),
                ValueKind::None => self.string("null"),
                ValueKind::Bool => self.string(if key.is_true() { "true" } else { "false" }),
                ValueKind::Number => {
                    let text = number(key)?;
                    self.string(&text);
                }
                kind => {
                    return Err(invalid(format!("tojson: a key of type {kind} has no JSON")));
                }
            }
            self.out.push_str(&self.format.key_separator);
            self.value(&value.get_item(key)?, depth + 1)?;
        }
        if !keys.is_empty() {
            self.new_line(depth)?;
        }
        self.out.push('}');
        Ok(())
    }

    fn string(&mut self, text: &str) {
        self.out.push('"');
        for c in text.chars() {
            match c {
                '"' => self.out.push_str("\\\""),
                '\\' => self.out.push_str("\\\\"),
                '\n' => self.out.push_str("\\n"),
                '\r' => self.out.push_str("\\r"),
                '\t' => self.out.push_str("\\t"),
                '\u{8}' => self.out.push_str("\\b"),
                '\u{c}' => self.out.push_str("\\f"),
                c if (c as u32) < 0x20 => self.out.push_str(&format!("\\u{:04x}", c as u32)),
                c if self.format.ensure_ascii && !(' '..='~').contains(&c) => {
                    for unit in c.encode_utf16(&mut [0; 2]) {
                        self.out.push_str(&format!("\\u{unit:04x}"));
                    }
                }
                c => self.out.push(c),
            }
        }
        self.out.push('"');
    }
}

fn number(value: &Value) -> Result<String, Error> {
    if value.is_integer() {
        return Ok(value.to_string());
    }
    Ok(match f64::try_from(value.clone())? {
        x if x.is_nan() => "NaN".to_string(),
        x if x.is_infinite() => if x > 0.0 { "Infinity" } else { "-Infinity" }.to_string(),
        x => python_float(x),
    })
}

/// Python's `repr` of a float: the shortest digits that read back, positional
/// for decimal exponents from -4 to 15, scientific outside.
pub fn python_float(x: f64) -> String {
    if x.is_nan() {
        return "nan".to_string();
    }
    if x.is_infinite() {
        return if x > 0.0 { "inf" } else { "-inf" }.to_string();
    }
    let scientific = format!("{x:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..16).contains(&exponent) {
        return format!("{x:?}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}
