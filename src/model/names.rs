//! Names: what is declared, and what a reference means.
//!
//! References are checked against what is *declared*, not against what could be read: a table with a mistake in it must not cause
//! "unknown" findings wherever it is named.

use std::collections::BTreeMap;

use super::id::Name;
use crate::finding::{Code, Finding, Span, manifest as code, nearest};
use crate::manifest::{Documents, Entity, Noun};

/// What is declared, by noun and name, with the place of the first declaration.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Names {
    pub(super) declared: BTreeMap<(Noun, String), Span>,
    /// Some declaration may be unreadable: nothing can be called unknown.
    torn: bool,
}

impl Names {
    /// Collects the names of all tables; two of one name, and names with other letters, are findings.
    pub(super) fn collect(documents: &Documents, findings: &mut Vec<Finding>) -> Self {
        let mut names = Self { declared: BTreeMap::new(), torn: documents.torn };
        names.declare(Noun::Store, &documents.stores, findings);
        names.declare(Noun::Source, &documents.sources, findings);
        names.declare(Noun::Service, &documents.services, findings);
        names.declare(Noun::Schedule, &documents.schedules, findings);
        names.declare(Noun::Retention, &documents.retentions, findings);
        names.declare(Noun::Policy, &documents.policies, findings);
        names.declare(Noun::Lint, &documents.lints, findings);
        names
    }

    fn declare<T>(&mut self, noun: Noun, entities: &[Entity<T>], findings: &mut Vec<Finding>) {
        for entity in entities {
            let at = entity.head();
            if noun != Noun::Lint
                && let Err(error) = entity.name.parse::<Name>()
            {
                findings.push(Finding::new(code::BAD_NAME, format!("{error}")).at(at.clone(), "rename this"));
            }
            let key = (noun, entity.name.clone());
            if let Some(first) = self.declared.get(&key) {
                findings.push(
                    Finding::new(code::DUPLICATE_NAME, format!("two {} are called `{}`", plural(noun), entity.name))
                        .at(at, "declared again here")
                        .at(first.clone(), "first declared here")
                        .help("rename one of them: a name is unique across kinds and files"),
                );
            } else {
                self.declared.insert(key, at);
            }
        }
    }

    /// Whether the text written at `at` is a declared name of `noun`; a finding if not, unless a declaration may be unreadable.
    pub(super) fn knows(&self, noun: Noun, text: &str, at: &Span, findings: &mut Vec<Finding>) -> bool {
        let known = self.declared.contains_key(&(noun, text.to_owned()));
        if !known && !self.torn {
            findings.push(self.unknown(noun, text, at));
        }
        known
    }

    fn unknown(&self, noun: Noun, text: &str, at: &Span) -> Finding {
        let finding = Finding::new(unknown_code(noun), format!("no {noun} is called `{text}`"));
        let known: Vec<&str> = self.of(noun).collect();
        if let Some(other) = Noun::ALL.into_iter().find(|other| self.declared.contains_key(&(*other, text.to_owned()))) {
            let finding = finding
                .at(at.clone(), format!("a {noun} belongs here"))
                .maybe_at(self.declared.get(&(other, text.to_owned())).cloned(), format!("this is a {other}"));
            return finding.help(offer(noun, &known));
        }
        let Some(near) = nearest(text, known.iter().copied()) else {
            return finding.at(at.clone(), "not declared").help(offer(noun, &known));
        };
        finding
            .at(at.clone(), format!("did you mean `{near}`?"))
            .maybe_at(self.declared.get(&(noun, near.to_owned())).cloned(), "declared here")
            .help(format!("write `{near}`"))
            .edit(at.clone(), format!("\"{near}\""))
    }

    fn of(&self, noun: Noun) -> impl Iterator<Item = &str> {
        self.declared.keys().filter(move |(other, _)| *other == noun).map(|(_, name)| name.as_str())
    }
}

fn offer(noun: Noun, known: &[&str]) -> String {
    match known {
        [] => format!("declare it: {}", example(noun)),
        [one] => format!("the only {noun} is `{one}`"),
        _ if known.len() > 8 => format!("name one of the {} declared {}", known.len(), plural(noun)),
        _ => format!("the {} are {}", plural(noun), known.join(", ")),
    }
}

fn example(noun: Noun) -> &'static str {
    match noun {
        Noun::Store => "`[store.directory.NAME]`",
        Noun::Source => "`[source.files.NAME]`",
        Noun::Service => "`[service.container.NAME]`",
        Noun::Schedule => "`[schedule]` with `NAME = { cron = \"0 2 * * *\" }`",
        Noun::Retention => "`[retention]` with `NAME = { keep_within = \"30d\" }`",
        Noun::Policy => "`[policy.NAME]`",
        Noun::Lint => "`[lint.CODE]`",
    }
}

fn plural(noun: Noun) -> &'static str {
    match noun {
        Noun::Store => "stores",
        Noun::Source => "sources",
        Noun::Service => "services",
        Noun::Schedule => "schedules",
        Noun::Retention => "retentions",
        Noun::Policy => "policies",
        Noun::Lint => "lints",
    }
}

fn unknown_code(noun: Noun) -> Code {
    match noun {
        Noun::Store => code::UNKNOWN_STORE,
        Noun::Source => code::UNKNOWN_SOURCE,
        Noun::Service => code::UNKNOWN_SERVICE,
        Noun::Schedule => code::UNKNOWN_SCHEDULE,
        Noun::Retention => code::UNKNOWN_RETENTION,
        Noun::Policy => code::UNKNOWN_POLICY,
        Noun::Lint => code::UNKNOWN_LINT,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_and_the_parser_agree_on_names() {
        assert_eq!(crate::manifest::NAME_PATTERN, Name::PATTERN);
    }
}
