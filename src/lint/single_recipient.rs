//! `single-recipient`: one lost key is the loss of every backup.

use std::collections::BTreeSet;

use crate::finding::{Finding, lint as code};
use crate::model::Loaded;

pub(super) fn check(loaded: &Loaded) -> Vec<Finding> {
    let alone = loaded.recipients.iter().filter(|list| list.written.iter().map(|(text, _)| text).collect::<BTreeSet<_>>().len() == 1);
    alone
        .map(|list| {
            Finding::new(code::SINGLE_RECIPIENT, format!("`{}` names one key only", list.path))
                .at(list.written.first().map_or_else(|| list.span.clone(), |(_, span)| span.clone()), "the only one who can restore")
                .help("add the public key of a second one, whose secret key is kept elsewhere")
        })
        .collect()
}
