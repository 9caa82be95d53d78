//! Recipients as they were written, with their places: what they are is not this layer's to know.

use super::read::Resolver;
use crate::finding::Span;
use crate::manifest::{Documents, Entity};

/// A list of recipients in the manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecipientList {
    /// The key that has it, as in `encryption.recipients`.
    pub path: String,
    /// Where the list stands.
    pub span: Span,
    /// Each as it was written, and where.
    pub written: Vec<(String, Span)>,
}

impl Resolver<'_> {
    /// Every list of the manifest; an empty one is no way to say that something is not encrypted.
    pub(super) fn recipient_lists(&mut self, documents: &Documents) -> Vec<RecipientList> {
        let mut lists = Vec::new();
        for entity in &documents.encryption {
            let written = entity.written.as_ref().and_then(|table| table.recipients.as_ref());
            lists.extend(written.map(|written| self.recipient_list(entity, written)));
        }
        for entity in &documents.policies {
            let written = entity.written.as_ref().and_then(|table| table.recipients.as_ref());
            lists.extend(written.map(|written| self.recipient_list(entity, written)));
        }
        lists
    }

    fn recipient_list<T>(&mut self, entity: &Entity<T>, written: &[String]) -> RecipientList {
        self.not_empty(entity, "recipients", written.len());
        let place = |n: usize| entity.value(&format!("recipients[{n}]"));
        RecipientList {
            path: format!("{}.recipients", entity.path),
            span: entity.value("recipients"),
            written: written.iter().enumerate().map(|(n, text)| (text.clone(), place(n))).collect(),
        }
    }
}
