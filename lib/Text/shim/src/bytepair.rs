// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Byte-pair encoding read straight from a tokenizer.json.
//!
//! The `tokenizers` crate does not know the kind of a model before it has read
//! it, buffers the whole of it three times and takes most of the time that a
//! bundle needs to open. Nearly every language model has byte-pair encoding;
//! here its vocabulary and merges are read in place, and all else of the file by
//! the crate itself.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use tokenizers::models::bpe::{BpeBuilder, BpeTrainer, Vocab, BPE};
use tokenizers::{
    DecoderWrapper, Model, ModelWrapper, NormalizerWrapper, PostProcessorWrapper,
    PreTokenizerWrapper, Result, Token, Tokenizer, TokenizerImpl,
};

/// A model that reads itself without buffers, and its largest id.
struct BytePair {
    model: BPE,
    largest_id: Option<u32>,
}

/// "type" says so, else this is no byte-pair encoding.
#[derive(Deserialize)]
enum Kind {
    #[serde(rename = "BPE")]
    BytePair,
}

/// The keys of a "model" as the crate knows them.
#[derive(Deserialize)]
struct Fields {
    #[serde(rename = "type")]
    _kind: Kind,
    dropout: Option<f32>,
    unk_token: Option<String>,
    continuing_subword_prefix: Option<String>,
    end_of_word_suffix: Option<String>,
    fuse_unk: Option<bool>,
    byte_fallback: Option<bool>,
    ignore_merges: Option<bool>,
    vocab: Vocab,
    merges: Vec<Merge>,
}

/// Two tokens that become one: a list of two, in old files a text.
struct Merge(String, String);

impl<'de> Deserialize<'de> for Merge {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Merge, D::Error> {
        struct Pair;
        impl<'de> Visitor<'de> for Pair {
            type Value = Merge;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a merge of two tokens")
            }

            fn visit_str<E: Error>(self, text: &str) -> std::result::Result<Merge, E> {
                match text.split_once(' ') {
                    Some((a, b)) if !b.contains(' ') => Ok(Merge(a.to_string(), b.to_string())),
                    _ => Err(E::custom("expected two tokens")),
                }
            }

            fn visit_seq<A: SeqAccess<'de>>(
                self,
                mut list: A,
            ) -> std::result::Result<Merge, A::Error> {
                match (list.next_element()?, list.next_element()?) {
                    (Some(a), Some(b)) => Ok(Merge(a, b)),
                    _ => Err(A::Error::custom("expected two tokens")),
                }
            }
        }
        deserializer.deserialize_any(Pair)
    }
}

impl<'de> Deserialize<'de> for BytePair {
    fn deserialize<D: Deserializer<'de>>(
        deserializer: D,
    ) -> std::result::Result<BytePair, D::Error> {
        let fields = Fields::deserialize(deserializer)?;
        let largest_id = fields.vocab.values().copied().max();
        let merges = fields.merges.into_iter().map(|Merge(a, b)| (a, b)).collect();
        let mut builder = BpeBuilder::new().vocab_and_merges(fields.vocab, merges);
        if let Some(dropout) = fields.dropout {
            builder = builder.dropout(dropout);
        }
        if let Some(token) = fields.unk_token {
            builder = builder.unk_token(token);
        }
        if let Some(prefix) = fields.continuing_subword_prefix {
            builder = builder.continuing_subword_prefix(prefix);
        }
        if let Some(suffix) = fields.end_of_word_suffix {
            builder = builder.end_of_word_suffix(suffix);
        }
        builder = builder
            .fuse_unk(fields.fuse_unk.unwrap_or(false))
            .byte_fallback(fields.byte_fallback.unwrap_or(false))
            .ignore_merges(fields.ignore_merges.unwrap_or(false));
        let model = builder.build().map_err(D::Error::custom)?;
        Ok(BytePair { model, largest_id })
    }
}

impl From<BytePair> for ModelWrapper {
    fn from(pair: BytePair) -> ModelWrapper {
        pair.model.into()
    }
}

/// The crate asks for all of this while it adds the special tokens.
impl Model for BytePair {
    type Trainer = BpeTrainer;

    fn tokenize(&self, text: &str) -> Result<Vec<Token>> {
        self.model.tokenize(text)
    }

    fn token_to_id(&self, token: &str) -> Option<u32> {
        self.model.token_to_id(token)
    }

    fn id_to_token(&self, id: u32) -> Option<String> {
        self.model.id_to_token(id)
    }

    fn get_vocab(&self) -> HashMap<String, u32> {
        self.model.get_vocab()
    }

    fn get_vocab_size(&self) -> usize {
        self.model.get_vocab_size()
    }

    fn save(&self, folder: &Path, prefix: Option<&str>) -> Result<Vec<PathBuf>> {
        self.model.save(folder, prefix)
    }

    fn get_trainer(&self) -> BpeTrainer {
        self.model.get_trainer()
    }
}

type BytePairTokenizer = TokenizerImpl<
    BytePair,
    NormalizerWrapper,
    PreTokenizerWrapper,
    PostProcessorWrapper,
    DecoderWrapper,
>;

/// The tokenizer of `json` and the number of ids, largest id plus one; nothing
/// if it is of another kind, or has a fault, which the crate finds again.
pub fn open(json: &[u8]) -> Option<(Tokenizer, u64)> {
    let tokenizer: BytePairTokenizer = serde_json::from_slice(json).ok()?;
    let added = tokenizer.get_added_tokens_decoder().into_keys().max();
    let largest = tokenizer.get_model().largest_id.max(added);
    let ids = largest.map_or(0, |id| u64::from(id) + 1);
    Some((tokenizer.into(), ids))
}
