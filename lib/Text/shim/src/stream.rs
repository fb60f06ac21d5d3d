// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Text of tokens that come one at a time.
//!
//! Decoding depends on neighbors: a character may be spread over several
//! tokens, and some decoders treat a first token specially. Two offsets into
//! the ids solve both. `prefix..read` is context whose text was given out;
//! `prefix..` is decoded as a whole, and what it has beyond the context's text
//! is new. While the new text ends in U+FFFD, a character may be incomplete and
//! is held back; `flush` gives it out at the end.

use crate::tokenizer::TextTokenizer;
use crate::Outcome;

const REPLACEMENT: char = '\u{FFFD}';

/// Ids of the prompt first tried as context.
const MIN_CONTEXT: usize = 8;

/// Up to this many held-back ids every push decodes again. Beyond it only
/// growth by an eighth does, so that a model that never completes a character
/// costs near-linear instead of quadratic time.
const EAGER_IDS: usize = 64;

pub struct Stream {
    tokenizer: TextTokenizer,
    skip_special_tokens: bool,
    /// The context and what is held back; older ids are dropped.
    ids: Vec<u32>,
    /// `ids[..read]` is the context; its text is `context`.
    read: usize,
    context: String,
    /// Number of ids at which to decode again.
    next_try: usize,
}

impl Stream {
    pub fn open(
        tokenizer: &TextTokenizer,
        prompt: &[u32],
        skip_special_tokens: bool,
    ) -> Outcome<Stream> {
        prompt.iter().try_for_each(|&id| tokenizer.check(id))?;
        let tokenizer = tokenizer.share();
        // A context that begins inside a character would spoil its neighbors
        // (byte-fallback decoders reject a run of bytes as a whole).
        let mut taken = MIN_CONTEXT.min(prompt.len());
        let context = loop {
            let window = &prompt[prompt.len() - taken..];
            let text = tokenizer.decode_checked(window, skip_special_tokens)?;
            let clean = !text.starts_with(REPLACEMENT) && !text.is_empty();
            if clean || taken == prompt.len() {
                break text;
            }
            taken = taken.saturating_mul(4).min(prompt.len());
        };
        let ids = prompt[prompt.len() - taken..].to_vec();
        let mut stream =
            Stream { tokenizer, skip_special_tokens, read: ids.len(), ids, context, next_try: 0 };
        stream.hold_back_prompt_tail()?;
        Ok(stream)
    }

    /// If the prompt ends inside a character, its last ids count as held back:
    /// the character is given out when the model completes it.
    fn hold_back_prompt_tail(&mut self) -> Outcome<()> {
        if !self.context.ends_with(REPLACEMENT) {
            return Ok(());
        }
        for read in (self.ids.len().saturating_sub(4)..self.ids.len()).rev() {
            let text =
                self.tokenizer.decode_checked(&self.ids[..read], self.skip_special_tokens)?;
            if !text.ends_with(REPLACEMENT) {
                (self.read, self.context) = (read, text);
                break;
            }
        }
        Ok(())
    }

    pub fn push(&mut self, id: u32) -> Outcome<String> {
        self.tokenizer.check(id)?;
        self.ids.push(id);
        if self.ids.len() < self.next_try {
            return Ok(String::new());
        }
        let text = self.tokenizer.decode_checked(&self.ids, self.skip_special_tokens)?;
        if text.ends_with(REPLACEMENT) || text.len() <= self.context.len() {
            let held = self.ids.len() - self.read;
            self.next_try = self.ids.len() + if held < EAGER_IDS { 1 } else { held / 8 };
            return Ok(String::new());
        }
        self.take(&text)
    }

    pub fn flush(&mut self) -> Outcome<String> {
        let text = self.tokenizer.decode_checked(&self.ids, self.skip_special_tokens)?;
        self.take(&text)
    }

    /// Gives out what `text`, the text of all `ids`, has beyond the context,
    /// and makes the ids so given out the next context.
    fn take(&mut self, text: &str) -> Outcome<String> {
        let common = text
            .char_indices()
            .zip(self.context.chars())
            .find(|((_, a), b)| a != b)
            .map_or(self.context.len().min(text.len()), |((at, _), _)| at);
        let fresh = text[common..].to_string();
        if !fresh.is_empty() {
            self.ids.drain(..self.read);
            self.read = self.ids.len();
            self.context = self.tokenizer.decode_checked(&self.ids, self.skip_special_tokens)?;
        }
        self.next_try = 0;
        Ok(fresh)
    }
}
