//! Whether the recipients of a manifest can be what they are for; what a capture would refuse is said when the manifest is read.
//!
//! A secret key in place of a public one is treated as leaked: manifests are committed, and stored beside what they protect. It is neither
//! repeated in a message nor drawn.

use crate::archive::{Recipient, RecipientError, sealable_text};
use crate::finding::{Finding, manifest as code};
use crate::model::{Loaded, RecipientList};

/// Everything there is to say about the recipients of a manifest.
pub fn judge_recipients(loaded: &Loaded) -> Vec<Finding> {
    let mut findings: Vec<Finding> = loaded.recipients.iter().flat_map(judge).collect();
    if findings.is_empty() {
        findings.extend(together(loaded));
    }
    findings
}

/// The manifest itself is encrypted to all of them, where it names none of its own.
fn together(loaded: &Loaded) -> Option<Finding> {
    let all: Vec<Recipient> = super::manifest::recipients(loaded.set.as_ref()?).iter().filter_map(|text| text.parse().ok()).collect();
    let why = sealable_text(&all)?;
    let mut lists = loaded.recipients.iter();
    let message = "the manifest, which is kept beside the backups, cannot be encrypted to the keys of all its policies together";
    let finding = Finding::new(code::BAD_RECIPIENT, message.to_owned()).at(lists.next()?.span.clone(), why);
    let finding = lists.fold(finding, |finding, list| finding.at(list.span.clone(), "and to these"));
    Some(finding.help("name keys for it in `[encryption]`, or use keys that go together"))
}

fn judge(list: &RecipientList) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut good: Vec<(Recipient, usize)> = Vec::new();
    for (n, (text, span)) in list.written.iter().enumerate() {
        match text.parse::<Recipient>() {
            Ok(recipient) => {
                if let Some((_, first)) = good.iter().find(|(other, _)| *other == recipient) {
                    findings.push(
                        Finding::new(code::DUPLICATE_RECIPIENT, format!("`{}` names one key twice", list.path))
                            .at(span.clone(), "named again here")
                            .at(list.written[*first].1.clone(), "first named here")
                            .help("remove one of them, or write the key that was meant"),
                    );
                } else {
                    good.push((recipient, n));
                }
            }
            Err(RecipientError::Secret) => findings.push(
                Finding::new(code::SECRET_RECIPIENT, format!("`{}` has a secret key in it", list.path))
                    .at(span.clone(), "whoever reads this can read every backup")
                    .help("make a new key, write its public half here (`age-keygen -y FILE` prints it), and treat this one as leaked")
                    .hidden(),
            ),
            Err(error) => findings.push(
                Finding::new(code::BAD_RECIPIENT, format!("`{}` has something in it that is no recipient", list.path))
                    .at(span.clone(), error.to_string())
                    .help("write a public key: `age-keygen -y FILE` prints that of an age identity, an SSH key has it in its `.pub` file"),
            ),
        }
    }
    let all: Vec<Recipient> = good.into_iter().map(|(recipient, _)| recipient).collect();
    if let Some(why) = sealable_text(&all) {
        let finding = Finding::new(code::BAD_RECIPIENT, format!("nothing can be encrypted to the keys of `{}` together", list.path));
        findings.push(finding.at(list.span.clone(), why));
    }
    findings
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::model::read;

    #[test]
    fn keys_of_policies_that_do_not_go_together_cannot_keep_the_manifest() {
        let [pq, tag] =
            [include_str!("../../tests/integration/formats/age/tagpq.pub"), include_str!("../../tests/integration/formats/age/tag.pub")];
        let policy = |name: &str, key: &str| {
            format!(
                "[source.files.{name}]\npaths = [\"{name}\"]\n[policy.{name}]\nsource = \"{name}\"\nschedule = \"nightly\"\n\
                 stores = [\"local\"]\nrecipients = [\"{}\"]\n",
                key.trim()
            )
        };
        let said = |head: &str| {
            let text = format!(
                "version = 1\nname = \"demo\"\ntimezone = \"Etc/UTC\"\n[store.directory.local]\npath = \"backups\"\n{head}\
                 [schedule]\nnightly = {{ cron = \"0 2 * * *\" }}\n{}{}",
                policy("one", pq),
                policy("two", tag)
            );
            let loaded = read(&[("lucid-policy.toml".to_owned(), text)], Path::new("/"));
            assert!(loaded.set.is_some(), "{:#?}", loaded.findings);
            judge_recipients(&loaded)
        };
        let [finding] = said("").try_into().unwrap();
        assert!(finding.code == code::BAD_RECIPIENT && finding.labels.len() == 2, "{finding:?}");
        assert_eq!(said(&format!("[encryption]\nrecipients = [\"{}\"]\n", tag.trim())), []);
    }
}
