// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Ids of a text and text of ids, by the `tokenizers` crate.

use std::panic::catch_unwind;
use std::sync::Arc;

use serde::de::IgnoredAny;
use tokenizers::Tokenizer;

use crate::{bytepair, panic_text, Outcome};

/// Levels of arrays and objects a tokenizer.json may have. Real ones stay below
/// ten; the crate buffers nested parts anew on every level, so that a deep file
/// would cost exponential time.
const MAX_JSON_DEPTH: usize = 24;

pub struct TextTokenizer {
    inner: Arc<Tokenizer>,
    vocabulary_size: u64,
}

/// Depth of nesting, without parsing: brackets inside strings do not count.
fn json_depth(json: &[u8]) -> usize {
    let (mut depth, mut deepest, mut at) = (0usize, 0usize, 0);
    while let Some(&byte) = json.get(at) {
        at += 1;
        match byte {
            b'"' => at += string_length(&json[at..]),
            b'{' | b'[' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// Bytes from behind a quote to behind the one that closes it.
fn string_length(json: &[u8]) -> usize {
    let mut at = 0;
    while let Some(found) = memchr::memchr2(b'"', b'\\', &json[at..]) {
        at += found + 1;
        if json[at - 1] == b'"' {
            return at;
        }
        at = json.len().min(at + 1);
    }
    json.len()
}

/// The tokenizer and the number of its ids.
fn parse(json: &[u8]) -> Outcome<(Tokenizer, u64)> {
    if let Some(opened) = bytepair::open(json) {
        return Ok(opened);
    }
    let tokenizer = Tokenizer::from_bytes(json).map_err(|e| e.to_string())?;
    let ids = vocabulary_size(&tokenizer);
    Ok((tokenizer, ids))
}

/// Largest id plus one. Ids have gaps in few tokenizers only; without gaps the
/// number of tokens tells, and the vocabulary need not be copied.
fn vocabulary_size(tokenizer: &Tokenizer) -> u64 {
    let count = tokenizer.get_vocab_size(true);
    let dense = u32::try_from(count)
        .is_ok_and(|count| (0..count).all(|id| tokenizer.id_to_token(id).is_some()));
    if dense {
        return count as u64;
    }
    let largest = tokenizer.get_vocab(true).values().copied().max();
    largest.map_or(0, |id| u64::from(id) + 1)
}

impl TextTokenizer {
    pub fn open(json: &[u8]) -> Outcome<TextTokenizer> {
        let depth = json_depth(json);
        if depth > MAX_JSON_DEPTH {
            return Err(format!(
                "malformed tokenizer: expected at most {MAX_JSON_DEPTH} levels of nesting but got {depth}"
            ));
        }
        let opened = match catch_unwind(|| parse(json)) {
            Ok(result) => result,
            Err(payload) => Err(panic_text(payload.as_ref())),
        };
        let (mut inner, vocabulary_size) = opened.map_err(|text| {
            // The crate panics on some files that end early, and what it says
            // is rarely the cause: plain syntax comes first.
            let syntax = serde_json::from_slice::<IgnoredAny>(json);
            format!("malformed tokenizer: {}", syntax.map_or_else(|e| e.to_string(), |_| text))
        })?;
        inner.with_truncation(None).map_err(|e| format!("malformed tokenizer: {e}"))?;
        inner.with_padding(None);
        if vocabulary_size == 0 {
            return Err("malformed tokenizer: the vocabulary is empty".to_string());
        }
        Ok(TextTokenizer { inner: Arc::new(inner), vocabulary_size })
    }

    pub fn share(&self) -> TextTokenizer {
        TextTokenizer { inner: self.inner.clone(), vocabulary_size: self.vocabulary_size }
    }

    pub fn vocabulary_size(&self) -> u64 {
        self.vocabulary_size
    }

    pub fn encode(&self, text: &str, add_special_tokens: bool) -> Outcome<Vec<u32>> {
        let encoding = self
            .inner
            .encode_fast(text, add_special_tokens)
            .map_err(|e| format!("cannot encode the text: {e}"))?;
        Ok(encoding.get_ids().to_vec())
    }

    /// Fails unless `id` names a token: the crate would decode it to nothing.
    pub fn check(&self, id: u32) -> Outcome<()> {
        if u64::from(id) >= self.vocabulary_size {
            return Err(format!("expected a token id below {} but got {id}", self.vocabulary_size));
        }
        match self.inner.id_to_token(id) {
            Some(_) => Ok(()),
            None => Err(format!("the vocabulary has no token of id {id}")),
        }
    }

    pub fn decode(&self, ids: &[u32], skip_special_tokens: bool) -> Outcome<String> {
        ids.iter().try_for_each(|&id| self.check(id))?;
        self.decode_checked(ids, skip_special_tokens)
    }

    /// `decode` for ids that passed `check` before.
    pub fn decode_checked(&self, ids: &[u32], skip_special_tokens: bool) -> Outcome<String> {
        self.inner
            .decode(ids, skip_special_tokens)
            .map_err(|e| format!("cannot decode the tokens: {e}"))
    }

    pub fn token_to_id(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }

    pub fn id_to_token(&self, id: u32) -> Outcome<String> {
        self.check(id)?;
        self.inner.id_to_token(id).ok_or_else(|| format!("the vocabulary has no token of id {id}"))
    }
}
